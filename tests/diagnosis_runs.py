"""Shipped runs, their data and references, read once per process; never changed by a test."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.analysis.reference import Reference, make_reference
from core.config import VARIANTS
from core.data.augmentation import normalize
from core.data.datasets import Split, data_dir, get_dataset, load_split
from core.model.network import Network
from core.training.checkpoint import load_network
from core.training.runs import Predictions, Run, list_runs, read_predictions, read_run

SHIPPED = Path(__file__).resolve().parents[1] / "checkpoints"
"""Not `SHIPPED_DIR`, which an environment variable can point elsewhere."""


@cache
def split(dataset: str, part: str) -> Split:
    return load_split(dataset, data_dir(), part)


def run(dataset: str, key: str, seed: int = 1) -> Run:
    return read_run(SHIPPED / dataset / key / f"seed-{seed}", SHIPPED)


@cache
def network(dataset: str, key: str, seed: int = 1) -> Network:
    return load_network(run(dataset, key, seed))


@cache
def predictions(dataset: str, key: str, seed: int = 1) -> Predictions:
    return read_predictions(run(dataset, key, seed).path)


@cache
def all_predictions(dataset: str) -> dict[str, list[Predictions]]:
    """Variant → the predictions of its seeds."""
    runs = list_runs(SHIPPED, dataset)
    return {
        key: [read_predictions(r.path) for r in runs if r.variant == variant]
        for key, variant in VARIANTS.items()
    }


@cache
def reference(dataset: str, key: str, seed: int = 1) -> Reference:
    return make_reference(
        network(dataset, key, seed),
        split(dataset, "train"),
        split(dataset, "test").images,
        predictions(dataset, key, seed),
        get_dataset(dataset),
        seed,
    )


def inputs(dataset: str, indices: np.ndarray | list[int]) -> Tensor:
    """Normalized test images (B, 1, 28, 28)."""
    info = get_dataset(dataset)
    return normalize(torch.tensor(split(dataset, "test").images[indices]), info.mean, info.std)


def failing(dataset: str, key: str, seed: int = 1) -> np.ndarray:
    found = predictions(dataset, key, seed)
    return np.flatnonzero(found.predicted != found.targets)


def contrasts(logits: Tensor) -> Tensor:
    """Predicted minus runner-up (B, K) for logits (B, K)."""
    top = logits.topk(2).indices
    return torch.zeros_like(logits).scatter_(
        1, top, torch.tensor([[1.0, -1.0]]).expand(len(top), 2)
    )
