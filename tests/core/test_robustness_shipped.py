"""Stored results of the shipped runs: all are there, and they are what the networks do."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from core.analysis.metrics import score
from core.analysis.robustness import (
    corrupted_logits,
    curve_cells,
    missing,
    reported_severity,
    stored,
)
from core.data.corruptions import CORRUPTIONS
from core.data.datasets import get_dataset, load_split
from core.training.checkpoint import load_network
from core.training.runs import Run, list_runs

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"
"""Not `SHIPPED_DIR`, which an environment variable can point elsewhere."""
DATASETS = ("digits", "mnist")


@functools.cache
def shipped(dataset: str) -> list[Run]:
    runs = list_runs(SHIPPED, dataset)
    assert runs
    return runs


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_outcome_is_there_in_small_files(dataset):
    runs = shipped(dataset)
    assert missing(runs, curve_cells(CORRUPTIONS)) == {}
    assert all((run.path / "robustness.json").stat().st_size < 40_000 for run in runs)


@pytest.mark.parametrize("key", CORRUPTIONS)
def test_digits_are_classified_as_stored(key):
    """One outcome of the first and of the last run, which another machine may round differently."""
    info = get_dataset("digits")
    images, targets = load_split("digits", Path(), "test")
    runs = [shipped("digits")[0], shipped("digits")[-1]]
    severity = reported_severity(key)
    networks = [load_network(run) for run in runs]
    for run, logits in zip(
        runs, corrupted_logits(networks, images, key, severity, info), strict=True
    ):
        found, expected = score(logits, targets), stored(run)[key][severity]
        assert abs(found["errors"] - expected.errors) <= 1
        assert found["cross_entropy"] == pytest.approx(expected.cross_entropy, abs=2e-3)


@pytest.mark.parametrize("dataset", DATASETS)
def test_contrast_about_grey_is_nothing_to_group_and_layer_norm(dataset):
    """Up to ε: no curve leaves the clean accuracy by 1 %; those of batch norm fall by 10."""
    for run in shipped(dataset):
        assert run.variant is not None
        outcomes = stored(run)["contrast_grey"].values()
        changes = [abs(o.errors - run.final["errors"]) / run.final["num_images"] for o in outcomes]
        if run.variant.norm == "batch":
            assert max(changes) > 0.1, run.name
        else:
            assert max(changes) < 0.01, run.name
