"""What the runs of a job in training have logged so far, for the sidebar. No streamlit."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from core.errors import RunError
from core.training.job import Job
from core.training.runs import read_metrics
from ui.training_data import run_names, variant_keys, variant_label

LIVE_COLUMNS = ("epoch", "test_accuracy_percent", "test_loss")
MAX_POINTS = 120
"""Epochs of each variant that a small chart shows."""

MAX_TABLE_ROWS = 12
TABLE_CAPTION = "On the test set"


@dataclass(frozen=True)
class Figures:
    """What is shown of a job's epochs so far.

    `rows`: `variant, <LIVE_COLUMNS>, runs, newest`, means over the `runs` that have reached the
    epoch; no more epochs than a small chart shows, `newest` marks each variant's last. `table` is
    HTML. `labels` are the variants in words, by key.
    """

    rows: pd.DataFrame
    table: str
    labels: dict[str, str]


def figures(job: Job, runs_dir: Path) -> Figures | None:
    """What its runs have logged so far; None before the first epoch has ended.

    Made anew only when one of them has logged more.
    """
    written = []
    for name in run_names(job):
        with contextlib.suppress(OSError):  # not begun, or just deleted
            path = runs_dir / name
            stat = os.stat(path / "metrics.jsonl")
            written.append((name.split("/")[1], path, stat.st_mtime_ns, stat.st_size))
    labels = tuple((key, short_label(job, key)) for key in variant_keys(job))
    return _figures(tuple(written), labels)


Written = tuple[str, Path, int, int]


@functools.lru_cache(maxsize=16)
def _figures(written: tuple[Written, ...], labels: tuple[tuple[str, str], ...]) -> Figures | None:
    rows = live_rows([(variant, logged_epochs(*file)) for variant, *file in written])
    if rows.empty:
        return None
    table = epoch_table(rows, dict(labels))
    caption = TABLE_CAPTION + ", mean over seeds" * bool((rows["runs"] > 1).any())
    return Figures(chart_rows(rows), table_html(table, caption), dict(labels))


def live_rows(logged: Sequence[tuple[str, Sequence[tuple[float, ...]]]]) -> pd.DataFrame:
    """From (variant, its run's `logged_epochs`) the means over runs by epoch, as `Figures` has them
    but for `newest`; variants in their order.
    """
    rows = [(variant, *record) for variant, records in logged for record in records]
    frame = pd.DataFrame(rows, columns=["variant", *LIVE_COLUMNS])
    groups = frame.groupby(["variant", "epoch"], sort=False)
    means = groups.mean().assign(runs=groups.size()).reset_index()
    return means.sort_values("epoch", kind="stable", ignore_index=True)


@functools.lru_cache(maxsize=2000)
def logged_epochs(path: Path, written: int, size: int) -> tuple[tuple[float, ...], ...]:
    """`LIVE_COLUMNS` of every epoch that the run in folder `path` has logged.

    Remembered for a file that was `written` then and has this `size`.
    """
    try:
        records = read_metrics(path)
    except RunError:
        return ()
    return tuple(
        values
        for record in records
        if all(map(math.isfinite, values := tuple(record[name] for name in LIVE_COLUMNS)))
    )


def chart_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Of `live_rows` as many as a small chart shows; `newest` marks the last of each variant."""
    epochs = sorted(rows["epoch"].unique())
    kept = set(epochs[:: max(1, math.ceil(len(epochs) / MAX_POINTS))])
    newest = rows["epoch"] == rows.groupby("variant")["epoch"].transform("max")
    return rows.assign(newest=newest)[newest | rows["epoch"].isin(kept)]


def epoch_table(rows: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """The newest epochs of `live_rows` for people, newest first."""
    num_epochs = max(1, MAX_TABLE_ROWS // max(1, rows["variant"].nunique()))
    newest = sorted(rows["epoch"].unique(), reverse=True)[:num_epochs]
    shown = rows[rows["epoch"].isin(newest)].sort_values("epoch", ascending=False, kind="stable")
    return pd.DataFrame(
        {
            "Epoch": [f"{epoch:.0f}" for epoch in shown["epoch"]],
            "Variant": [labels.get(key, key) for key in shown["variant"]],
            "Acc. %": [f"{value:.2f}" for value in shown["test_accuracy_percent"]],
            "Loss": [f"{value:.4f}" for value in shown["test_loss"]],
        }
    )


def short_label(job: Job, key: str) -> str:
    """The variant in words, without the word that all of them share."""
    return variant_label(job, key).replace(" norm", "")


def table_html(table: pd.DataFrame, caption: str) -> str:
    """`table` as small as the sidebar needs it."""
    cells = "padding:2px 4px 2px 0;text-align:left;vertical-align:top"
    head = "".join(f'<th scope="col" style="{cells}">{escape(name)}</th>' for name in table.columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{cells}">{escape(value)}</td>' for value in row) + "</tr>"
        for row in table.itertuples(index=False)
    )
    return (
        '<table style="width:100%;font-size:0.75rem;font-variant-numeric:tabular-nums">'
        f'<caption style="text-align:left">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
