"""Small, valid run folders with known figures, for tests that need runs but no training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from core.config import NUM_CLASSES, VARIANTS, Recipe, Variant, variant_to_dict
from core.training.insights import NORM_LAYERS, RUNNING, WEIGHT_LAYERS, encode
from core.training.runs import (
    FORMAT,
    INSIGHTS_FILE,
    SHIPPED_DIR,
    Run,
    files_of,
    list_runs,
    run_path,
)
from core.training.storage import sha256, to_json

PARAMETERS = 7_946


def write_run(
    root: Path,
    dataset: str,
    variant: Variant,
    seed: int,
    *,
    num_images: int = 200,
    errors: int | None = None,
    records: list[dict] | None = None,
    insights: bool = False,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
) -> Path:
    """Writes one finished run below `root`; `errors` of its `num_images` predictions are wrong.

    True labels are 0, 1, …, 9, 0, …; which images fail and how is drawn from variant and seed.
    The weights are empty: no test that uses these runs may need a trained network.
    """
    order = list(VARIANTS).index(variant.key) if variant.key in VARIANTS else len(VARIANTS)
    random = np.random.default_rng([order, seed])
    errors = 4 + order + seed % 3 if errors is None else errors
    path = run_path(root, dataset, variant.key, seed)
    path.mkdir(parents=True)
    records = default_records(variant, seed, errors, num_images) if records is None else records
    contents = {
        "run.json": to_json(run_info(dataset, variant, seed) | {"recipe": vars(recipe)}),
        "metrics.jsonl": "".join(json.dumps(record) + "\n" for record in records).encode(),
        "model.safetensors": safetensors.numpy.save({}, {"variant": variant.key}),
        "test_logits.safetensors": _logits_file(random, num_images, errors),
    }
    if insights:
        lines = [encode(record) + "\n" for record in default_insights(variant, seed)]
        contents[INSIGHTS_FILE] = "".join(lines).encode()
    for name, content in contents.items():
        (path / name).write_bytes(content)
    final = {
        "test_accuracy_percent": 100 * (1 - errors / num_images),
        "test_loss": records[-1]["test_loss"],
        "errors": errors,
        "num_images": num_images,
        "train_seconds": sum(record["seconds"] for record in records),
    }
    files = {name: sha256(content) for name, content in contents.items()}
    (path / "manifest.json").write_bytes(to_json({"files": files, "final": final}))
    return path


def run_info(dataset: str, variant: Variant, seed: int) -> dict:
    """What `run.json` holds."""
    return {
        "format": FORMAT,
        "variant": variant_to_dict(variant),
        "recipe": vars(Recipe()),
        "seed": seed,
        "dataset": dataset,
        "device": {"type": "cpu", "name": "Test processor", "reason": "the only one"},
        "versions": {"python": "3.11", "torch": "2.13.0"},
        "trainable_parameters": PARAMETERS,
        "created": "2026-01-01T00:00:00+00:00",
    }


def default_records(variant: Variant, seed: int, errors: int, num_images: int) -> list[dict]:
    """Smooth curves that end at `errors` of `num_images`, one record per epoch."""
    last = 100 * (1 - errors / num_images)
    epochs = range(1, variant.epochs + 1)
    recipe = Recipe()
    return [
        {
            "epoch": epoch,
            "train_cross_entropy": 0.6 / epoch + 0.01 * seed,
            "penalty": 0.05 if variant.l1_weight else 0.0,
            "train_accuracy_percent": 99.0 - 15.0 / epoch,
            "test_loss": 0.02 + 0.3 / epoch + 0.001 * seed,
            "test_accuracy_percent": last - 5.0 / epoch + 5.0 / variant.epochs,
            "seconds": 20.0,
            "learning_rate": recipe.learning_rate_at(epoch),
        }
        for epoch in epochs
    ]


def default_insights(variant: Variant, seed: int) -> list[dict]:
    """Simple figures, one record per epoch: layer n has ‖W‖ = n + seed / 10, γ in [0.5, 1.5]."""
    records = []
    for epoch in range(1, variant.epochs + 1):
        spreads = {
            "gamma": (0.5, 1.0, 1.5),
            "beta": (-0.1 * epoch, 0.0, 0.1 * epoch),
            **(dict.fromkeys(RUNNING, (0.0, 0.5, 1.0)) if variant.norm == "batch" else {}),
        }
        record = {
            "epoch": epoch,
            "learning_rate": Recipe().learning_rate_at(epoch),
            "weight_norm": [n + seed / 10 for n, _ in enumerate(WEIGHT_LAYERS, start=1)],
            "near_zero_percent": [4.0 if variant.l1_weight else 1.0] * len(WEIGHT_LAYERS),
        }
        for name, figures in spreads.items():
            for part, figure in zip(("min", "mean", "max"), figures, strict=True):
                record[f"{name}_{part}"] = [figure] * len(NORM_LAYERS)
        records.append(record)
    return records


def _logits_file(random: np.random.Generator, num_images: int, errors: int) -> bytes:
    targets = np.arange(num_images) % NUM_CLASSES
    failed = np.sort(random.choice(num_images, errors, replace=False))
    predicted = targets.copy()
    predicted[failed] = (targets[failed] + random.integers(1, NUM_CLASSES, errors)) % NUM_CLASSES
    logits = random.normal(0, 1, (num_images, NUM_CLASSES))
    logits[np.arange(num_images), predicted] = 5 + random.random(num_images)
    return safetensors.numpy.save(
        {
            "logits": logits.astype(np.float16),
            "predicted": predicted.astype(np.uint8),
            "failed_index": failed.astype(np.int32),
            "failed_target": targets[failed].astype(np.uint8),
        }
    )


def copy_shipped(root: Path, *names: str) -> list[Run]:
    """The shipped runs called `names`, copied below `root` without what was computed from them."""
    for name in names:
        (root / name).mkdir(parents=True)
        there = {path.name for path in (SHIPPED_DIR / name).iterdir()}
        for file in (*files_of(there), "manifest.json"):
            shutil.copy(SHIPPED_DIR / name / file, root / name / file)
    return list_runs(root)


Factory = Callable[..., Path]


@pytest.fixture
def fake_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Factory:
    """A factory that writes a checkpoints tree and makes it the shipped one for this test.

    `fake_checkpoints({"mnist": (1, 2), "digits": (1,)}, num_images=200)` → its root.
    """

    def build(
        seeds: dict[str, Iterable[int]] | None = None,
        variants: Iterable[str] = tuple(VARIANTS),
        **options: int,
    ) -> Path:
        root = tmp_path / "checkpoints"
        root.mkdir(exist_ok=True)
        for dataset, of_dataset in (seeds or {"mnist": (1,)}).items():
            for key in variants:
                for seed in of_dataset:
                    write_run(root, dataset, VARIANTS[key], seed, **options)
        monkeypatch.setenv("NORMLAB_CHECKPOINTS", str(root))
        # First, as this may be its first import, which must not take over the folder of a test.
        monkeypatch.setattr("ui.resources.SHIPPED_DIR", root)
        monkeypatch.setattr("core.training.runs.SHIPPED_DIR", root)
        monkeypatch.setattr("ui.resources.LOCAL_DIR", tmp_path / "runs")
        return root

    return build
