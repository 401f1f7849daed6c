"""How often explanations find something, and how often they refuse.

    python -m benchmarks.findings [--dataset mnist] [--maps 20] [--json]

Two questions about the shipped networks of seed 1; `docs/LOG.md` holds the answers:

- diagnosis: for how many failures a normalization layer is named, and for how many correct images,
  100 of the 400 closest ones and 60 of all per network. A name that failures get no more often than
  correct images says nothing of why they fail.
- maps: for which share of `--maps` failures per network a method is valid, and its median
  completeness error where that is defined.

The ratio is that of the shares named: all failures (ours) against close correct images (the
reference). Images are drawn with seed 0.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from core.analysis.attribution import attribute
from core.analysis.baselines import DEFAULT_BASELINE, make_baseline
from core.analysis.diagnosis import Diagnosis, diagnose
from core.analysis.methods import METHODS
from core.analysis.metrics import failing_indices
from core.analysis.reference import Reference, make_reference
from core.analysis.target import DEFAULT_TARGET, resolve_target
from core.analysis.threads import map_in_threads
from core.config import VARIANTS
from core.data.augmentation import normalize
from core.data.datasets import DatasetInfo, data_dir, get_dataset, load_split
from core.device import device_name
from core.errors import NormLabError
from core.model.network import Network
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, Predictions, Run, find_run, read_predictions

NUM_CLOSEST, NUM_CLOSE, NUM_RANDOM = 400, 100, 60


@dataclass(frozen=True)
class Subject:
    """One network with all that its explanations need."""

    run: Run
    network: Network
    reference: Reference
    predictions: Predictions
    info: DatasetInfo


def load_subjects(dataset: str) -> list[Subject]:
    """The shipped networks of seed 1, by variant."""
    info = get_dataset(dataset)
    train, test = (load_split(dataset, data_dir(), split) for split in ("train", "test"))

    def load(key: str) -> Subject:
        run = find_run(f"{dataset}/{key}/seed-1", SHIPPED_DIR)
        network, found = load_network(run), read_predictions(run.path)
        reference = make_reference(network, train, test.images, found, info, run.seed)
        return Subject(run, network, reference, found, info)

    return map_in_threads(load, VARIANTS)


def draw_images(subject: Subject) -> dict[str, np.ndarray]:
    """Test images by kind: `failure`, `close` and `random`; the last two are classified rightly."""
    generator, correct = np.random.default_rng(0), subject.reference.control_index
    return {
        "failure": failing_indices(subject.predictions),
        "close": generator.choice(correct[:NUM_CLOSEST], NUM_CLOSE, replace=False),
        "random": generator.choice(correct, NUM_RANDOM, replace=False),
    }


def diagnose_images(subject: Subject) -> list[dict]:
    """One row per image: what its diagnosis said."""
    targets = subject.predictions.targets

    def explain(index: int) -> Diagnosis:
        image = subject.reference.test_images[index]
        return diagnose(subject.reference, image, int(targets[index]), index=index)

    return [
        {"variant": found.variant.key, "kind": kind, **_figures(found)}
        for kind, indices in draw_images(subject).items()
        for found in map_in_threads(explain, indices.tolist())
    ]


def _figures(found: Diagnosis) -> dict:
    patching = found.patching
    return {
        "images": 1,
        "named": int(patching.named.any()),
        "fixed_or_broken_by_all": int(patching.flips[-1]),
        "equally_close_broken_by_all": float(patching.break_rate[-1]),
        "gradient_share": found.gradient_share,
        "rescaling_share": found.head.rescaling_share,
    }


def summarize_diagnoses(rows: Iterable[dict]) -> pd.DataFrame:
    """Per variant and kind: counts of `images` and `named`, shares, and medians of the shares."""
    return (
        pd.DataFrame(rows)
        .groupby(["variant", "kind"], sort=False)
        .agg(
            images=("images", "sum"),
            named=("named", "sum"),
            fixed_or_broken_by_all=("fixed_or_broken_by_all", "mean"),
            equally_close_broken_by_all=("equally_close_broken_by_all", "mean"),
            gradient_share=("gradient_share", "median"),
            rescaling_share=("rescaling_share", "median"),
        )
        .reset_index()
    )


def explain_failures(subject: Subject, count: int) -> list[dict]:
    """One row per method and drawn failure: whether there is a map, and its completeness error."""
    failing, info = failing_indices(subject.predictions), subject.info
    chosen = np.random.default_rng(0).choice(failing, min(count, len(failing)), replace=False)
    baseline = make_baseline(DEFAULT_BASELINE, info, data_dir())

    def explain(job: tuple[int, str]) -> dict:
        index, method = job
        image = torch.tensor(subject.reference.test_images[index])
        logits, true = subject.predictions.logits[index], int(subject.predictions.targets[index])
        target = resolve_target(DEFAULT_TARGET, logits, true, info.class_names)
        x = normalize(image, info.mean, info.std)
        found = attribute(subject.network, x, method, target, baseline)
        norm = subject.network.variant.norm
        error = found.completeness_error
        return {"method": method, "norm": norm, "valid": found.valid, "error": error}

    return map_in_threads(explain, [(int(index), key) for index in chosen for key in METHODS])


def summarize_maps(rows: Iterable[dict]) -> pd.DataFrame:
    """Per method and normalization: number of `maps`, share `valid`, median completeness error."""
    frame = pd.DataFrame(rows).astype({"error": float})
    groups = frame.groupby(["method", "norm"], sort=False)
    return groups.agg(
        maps=("valid", "size"), valid=("valid", "mean"), error=("error", "median")
    ).reset_index()


def share_named(diagnoses: pd.DataFrame, kind: str) -> float:
    """The share of images of `kind`, over all variants, for which a layer is named."""
    rows = diagnoses[diagnoses["kind"] == kind]
    return float(rows["named"].sum() / rows["images"].sum())


def measure(dataset: str, count: int) -> dict:
    """All figures; at the top how often a layer is named."""
    torch.set_num_threads(1)
    subjects = load_subjects(dataset)
    diagnoses = summarize_diagnoses(row for one in subjects for row in diagnose_images(one))
    maps = summarize_maps(row for one in subjects for row in explain_failures(one, count))
    reference, ours = (share_named(diagnoses, kind) for kind in ("close", "failure"))
    return {
        "ratio": round(reference / ours, 3) if ours else None,
        "reference": round(reference, 4),
        "ours": round(ours, 4),
        "unit": "share of images with a layer named",
        "machine": f"{device_name('cpu')}, torch {torch.__version__}",
        "dataset": dataset,
        "diagnosis": json.loads(diagnoses.round(4).to_json(orient="records")),
        "maps": json.loads(maps.round(4).to_json(orient="records")),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How often explanations find something.")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--maps", type=int, default=20, help="failures per network that get maps")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    try:
        result = measure(options.dataset, max(1, options.maps))
    except NormLabError as error:
        sys.exit(f"normlab: {error}")
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['machine']}, {result['dataset']}, networks of seed 1")
    for part in ("diagnosis", "maps"):
        print(pd.DataFrame(result[part]).to_string(index=False))


if __name__ == "__main__":
    main()
