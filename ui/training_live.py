"""What the runs of a job in training have logged so far, for the sidebar. No streamlit."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

import pandas as pd

from core.errors import RunError
from core.training.job import Job
from core.training.runs import read_metrics
from ui.training_data import run_names, variant_label

LIVE_COLUMNS = ("epoch", "test_accuracy_percent", "test_loss")
MAX_POINTS = 120
"""Epochs of each variant that a small chart shows."""

MAX_TABLE_ROWS = 12


def live_rows(job: Job, runs_dir: Path) -> pd.DataFrame:
    """What its runs have logged so far: `variant, <LIVE_COLUMNS>, runs`, means over seeds.

    `runs` counts the seeds that have reached the epoch.
    """
    logged = {name: logged_epochs(runs_dir / name) for name in run_names(job)}
    return _means(tuple((name.split("/")[1], records) for name, records in logged.items()))


@functools.lru_cache(maxsize=16)
def _means(logged: tuple[tuple[str, tuple], ...]) -> pd.DataFrame:
    rows = [(variant, *record) for variant, records in logged for record in records]
    frame = pd.DataFrame(rows, columns=["variant", *LIVE_COLUMNS])
    groups = frame.groupby(["variant", "epoch"], sort=False)
    means = groups.mean().assign(runs=groups.size()).reset_index()
    order = {variant: place for place, (variant, _) in enumerate(logged)}
    return means.sort_values(
        ["epoch", "variant"],
        key=lambda column: column.map(order) if column.name == "variant" else column,
        ignore_index=True,
    )


def logged_epochs(path: Path) -> tuple[tuple[float, ...], ...]:
    """`LIVE_COLUMNS` of every epoch that the run in folder `path` has logged."""
    try:
        stat = os.stat(path / "metrics.jsonl")
        return _logged_epochs(path, stat.st_mtime_ns, stat.st_size)
    except (OSError, RunError):  # not begun, or just deleted
        return ()


@functools.lru_cache(maxsize=2000)
def _logged_epochs(path: Path, written: int, size: int) -> tuple[tuple[float, ...], ...]:
    return tuple(
        tuple(record[name] for name in LIVE_COLUMNS)
        for record in read_metrics(path)
        if all(math.isfinite(record[name]) for name in LIVE_COLUMNS)
    )


def chart_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Of `live_rows` as many as a small chart shows; `newest` marks the last of each variant."""
    epochs = sorted(rows["epoch"].unique())
    kept = set(epochs[:: max(1, math.ceil(len(epochs) / MAX_POINTS))])
    newest = rows["epoch"] == rows.groupby("variant")["epoch"].transform("max")
    return rows.assign(newest=newest)[newest | rows["epoch"].isin(kept)]


def epoch_table(job: Job, rows: pd.DataFrame) -> pd.DataFrame:
    """The newest epochs of `live_rows` for people, newest first."""
    num_epochs = max(1, MAX_TABLE_ROWS // max(1, rows["variant"].nunique()))
    newest = sorted(rows["epoch"].unique(), reverse=True)[:num_epochs]
    shown = rows[rows["epoch"].isin(newest)].sort_values("epoch", ascending=False, kind="stable")
    return pd.DataFrame(
        {
            "Epoch": [f"{epoch:.0f}" for epoch in shown["epoch"]],
            "Variant": [variant_label(job, key).replace(" norm", "") for key in shown["variant"]],
            "Test %": [f"{value:.2f}" for value in shown["test_accuracy_percent"]],
            "Test loss": [f"{value:.4f}" for value in shown["test_loss"]],
        }
    )
