"""How well trained networks classify corrupted test images, computed once and kept beside the runs.

R run, N image, K class. Torch is imported only where networks are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from core.analysis.derived import read_derived, write_derived
from core.analysis.metrics import score
from core.analysis.threads import map_in_threads
from core.data.corruptions import CORRUPTIONS, get_corruption
from core.data.datasets import DatasetInfo
from core.training.runs import Run

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from core.model.network import Network

NAME = "robustness"
NOISE_SEED = 0
CHUNK_SIZE = 500
"""Images that one thread corrupts and classifies before it takes the next."""
BATCH_SIZE = 100
"""Larger ones fall out of a core's cache."""
COLUMNS = (
    *("corruption", "severity", "variant", "seed", "num_images", "errors"),
    *("accuracy_percent", "cross_entropy"),
)

REPORTED = {
    "contrast": 0.25,
    "contrast_grey": 0.25,
    "brightness": 0.5,
    "gaussian_noise": 0.3,
    "blur": 1.5,
    "shift_x": 5.0,
    "shift_y": 5.0,
    "rotation": 30.0,
    "scale": 0.7,
    "shear": 30.0,
    "thickness": -1.0,
    "polarity": 1.0,
}
"""The severity at which a table compares the variants, fixed before any was measured; corruptions
of MNIST-C are compared at their published one."""


class Outcome(NamedTuple):
    """What one network does at one severity: wrong images, and mean -log p(true class) in nats."""

    errors: int
    cross_entropy: float


Results: TypeAlias = dict[str, dict[float, Outcome]]
"""Corruption → severity → outcome."""
Cell: TypeAlias = tuple[str, float]
"""A corruption and one of its severities."""


def reported_severity(key: str) -> float:
    """The one severity of a corruption at which tables compare the variants."""
    published = get_corruption(key).published
    return float(REPORTED[key] if published is None else published)


def severities(key: str) -> tuple[float, ...]:
    """The severities of a corruption's curve that need computing, ascending: all but neutral."""
    corruption = get_corruption(key)
    asked = {float(s) for s in (*corruption.grid, reported_severity(key))}
    return tuple(sorted(asked - {float(corruption.neutral)}))


def stored(run: Run) -> Results:
    """What has been computed for the run; corruptions that do not exist here are left out."""
    document = read_derived(run, NAME) or {}
    found: Results = {}
    try:
        if (document["num_images"], document["noise_seed"]) == (_num_images(run), NOISE_SEED):
            for key in CORRUPTIONS.keys() & document["corruptions"]:
                columns = document["corruptions"][key]
                rows = zip(columns["errors"], columns["cross_entropy"], strict=True)
                pairs = zip(columns["severity"], rows, strict=True)
                found[key] = {float(at): Outcome(int(e), float(ce)) for at, (e, ce) in pairs}
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}
    return found


def curve_cells(keys: Iterable[str]) -> list[Cell]:
    """All that the curves of these corruptions need."""
    return [(key, severity) for key in keys for severity in severities(key)]


def table_cells() -> list[Cell]:
    """All that a table of all corruptions needs."""
    return [(key, reported_severity(key)) for key in CORRUPTIONS]


def missing(runs: Sequence[Run], cells: Iterable[Cell]) -> dict[Cell, list[Run]]:
    """Cell → the runs for which it has not been computed; empty if everything has."""
    known = [(run, stored(run)) for run in runs]
    found = {
        (key, at): [run for run, results in known if at not in results.get(key, {})]
        for key, at in cells
    }
    return {cell: lacking for cell, lacking in found.items() if lacking}


def evaluate_corruptions(
    todo: Mapping[Cell, Sequence[Run]],
    images: np.ndarray,
    targets: np.ndarray,
    info: DatasetInfo,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> bool:
    """Computes what is `missing` on test images (N, 28, 28) uint8 with classes (N,) and keeps it.

    Results are kept whenever a corruption is complete, so that an interruption costs one at most.
    Afterwards `stored` finds all of them. `on_progress(done, total)` counts outcomes. Returns
    whether everything could be written beside the runs; what could not lives as long as the
    process. `RunError` for a run whose network cannot be loaded.
    """
    from core.training.checkpoint import load_network

    runs = {run.path: run for lacking in todo.values() for run in lacking}
    networks = {path: load_network(run) for path, run in runs.items()}
    done, total, written = 0, sum(map(len, todo.values())), True
    on_progress(done, total)
    for key in dict.fromkeys(key for key, _ in todo):
        found: dict[Path, dict[float, Outcome]] = {}
        for severity, lacking in ((s, group) for (k, s), group in todo.items() if k == key):
            asked = [networks[run.path] for run in lacking]
            logits = corrupted_logits(asked, images, key, severity, info)
            for path, its in zip((run.path for run in lacking), logits, strict=True):
                one = score(its, targets)
                outcome = Outcome(int(one["errors"]), round(one["cross_entropy"], 6))
                found.setdefault(path, {})[severity] = outcome
            done += len(lacking)
            on_progress(done, total)
        for path, results in found.items():
            written &= _keep(runs[path], key, results)
    return written


def _keep(run: Run, key: str, found: dict[float, Outcome]) -> bool:
    results = stored(run)
    results[key] = results.get(key, {}) | found
    corruptions = {}
    for name in (name for name in CORRUPTIONS if name in results):
        rows = sorted(results[name].items())
        corruptions[name] = {
            "severity": [severity for severity, _ in rows],
            "errors": [outcome.errors for _, outcome in rows],
            "cross_entropy": [outcome.cross_entropy for _, outcome in rows],
        }
    about = {"num_images": _num_images(run), "noise_seed": NOISE_SEED}
    return write_derived(run, NAME, {**about, "corruptions": corruptions})


def corrupted_logits(
    networks: Sequence[Network],
    images: np.ndarray,
    key: str,
    severity: float,
    info: DatasetInfo,
    device: str | torch.device = "cpu",
) -> np.ndarray:
    """Logits (R, N, K) float32 of `networks`, which are on `device`, for `images` (N, 28, 28) uint8
    under one corruption with noise seed 0.

    Each image is corrupted once for all networks. These are only read, so they must be in
    evaluation mode.
    """
    import torch

    from core.data.corruptions import corrupt, to_inputs

    @torch.inference_mode()
    def classify(start: int) -> Tensor:
        part = torch.tensor(images[start : start + CHUNK_SIZE], device=device)
        numbers = range(start, start + len(part))
        pixels = corrupt(part, key, severity, mean=info.mean, seed=NOISE_SEED, indices=numbers)
        batches = to_inputs(pixels, info.mean, info.std).split(BATCH_SIZE)
        return torch.stack([torch.cat([net(b) for b in batches]).cpu() for net in networks])

    starts = range(0, len(images), CHUNK_SIZE)
    return torch.cat(map_in_threads(classify, starts), dim=1).numpy()


def curves_frame(runs: Sequence[Run], keys: Iterable[str] | None = None) -> pd.DataFrame:
    """One row per corruption, severity and run as far as they are known, columns `COLUMNS`.

    At the neutral severity stand the figures with which the run's training ended.
    """
    rows = []
    keys = list(CORRUPTIONS if keys is None else keys)
    for run in runs:
        results = stored(run)
        for key in keys:
            found = dict(results.get(key, {}))
            neutral = float(get_corruption(key).neutral)
            found[neutral] = Outcome(run.final["errors"], run.final["test_loss"])
            rows += [_row(run, key, severity, found[severity]) for severity in sorted(found)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(run: Run, key: str, severity: float, outcome: Outcome) -> tuple:
    assert run.variant is not None
    num_images, (errors, cross_entropy) = _num_images(run), outcome
    accuracy = 100 * (1 - errors / num_images)
    return key, severity, run.variant.key, run.seed, num_images, errors, accuracy, cross_entropy


def _num_images(run: Run) -> int:
    return int(run.final["num_images"])
