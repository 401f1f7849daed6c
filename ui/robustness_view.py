"""Accuracy under corruptions on a page: curves of one corruption, a table of all.

What is stored beside the runs is shown at once; what is missing can be computed by a button.
Torch is imported only then.
"""

from __future__ import annotations

import os
import time
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import altair as alt
import pandas as pd
import streamlit as st

from core.analysis import robustness
from core.analysis.robustness_table import (
    MNIST_C_MEAN,
    robustness_table,
    summarize_seeds,
    to_latex,
)
from core.data.corruptions import CORRUPTIONS, get_corruption
from core.data.datasets import DATASETS, get_dataset
from core.errors import NormLabError
from core.training.runs import Run
from ui import resources
from ui.chart_titles import runs_in_file_name
from ui.charts import VARIANT_LABELS
from ui.charts_robustness import describe_curves, heat_table, severity_chart
from ui.downloads import csv_file, download_files, download_row, json_file
from ui.durations import duration
from ui.picker import pick
from ui.state import Selection

IMAGES_PER_SECOND = 13_000
"""One network on one core, as `benchmarks/nuisance.py` measures it; for the estimate only."""
MAX_FRAMES, MAX_CHARTS = 16, 128


class Known(NamedTuple):
    """What has been computed for some runs: of how many each cell, means over seeds, the table."""

    num_runs: Mapping[Hashable, int]
    summary: pd.DataFrame
    table: pd.DataFrame


def curves(selection: Selection, key: str, severity: float) -> None:
    """Accuracy of the variants against the severity of corruption `key`, the present one marked."""
    kind = get_corruption(key)
    box = st.empty()
    known = _complete(selection, robustness.curve_cells([kind.key]), box, f"curves-{kind.key}")
    if known is None:
        return
    summary = known.summary[known.summary["corruption"] == kind.key]
    intervals = _what_intervals_are(selection)
    fingerprints = tuple(map(_fingerprint, selection.runs))
    chart = _chart(fingerprints, kind.key, severity, intervals, summary)
    st.altair_chart(
        chart,
        key=f"robustness-{kind.key}",
        alt=describe_curves(summary, kind, severity),
    )
    st.caption(f"{intervals} {kind.summary}")
    if severity == kind.neutral:  # nothing was set, so a figure need not mark it
        chart = _chart(fingerprints, kind.key, None, intervals, summary)
    download_row(chart, _taken(summary), _stem(selection, kind.key))


@st.cache_resource(show_spinner=False, max_entries=MAX_CHARTS)
def _chart(
    fingerprints: tuple, key: str, severity: float | None, intervals: str, _summary: pd.DataFrame
) -> alt.LayerChart:
    """Built once for a setting: sliders ask for the same one while they move."""
    return severity_chart(_summary, get_corruption(key), severity, intervals=intervals)


def table(selection: Selection) -> None:
    """Every corruption × variant at one fixed severity each: mean, interval and rank."""
    box = st.empty()
    known = _complete(selection, robustness.table_cells(), box, "table")
    if known is None:
        return
    found = known.table
    variants = {key: VARIANT_LABELS.get(key, key) for key in selection.by_variant}
    pick(heat_table(found, variants), key="robustness-table")
    st.caption(
        f"Test accuracy in %, below it its 95 % interval, beside it the rank. "
        f"{_what_intervals_are(selection)} A better rank need not be a resolved difference. "
        "The darker a cell, the more images fail. Severities were chosen beforehand; those of "
        f"MNIST-C are the published ones.{_without_interval(found)}"
    )
    about, name = _caption(selection) + _without_interval(found), _stem(selection)
    download_files(
        {
            "CSV": csv_file(_taken(found)),
            "TeX": lambda: to_latex(found, variants, about, f"tab:{name}").encode(),
            "JSON": json_file(lambda: _document(selection.dataset, found)),
        },
        name,
    )


def _stem(selection: Selection, *parts: str) -> str:
    """How files of these runs are called: "robustness-fog-mnist-5-seeds"."""
    about = runs_in_file_name(selection.dataset, selection.by_variant)
    return "-".join(["robustness", *parts, about])


def _taken(figures: pd.DataFrame) -> pd.DataFrame:
    """`figures` with what their intervals are, if there is one, for a CSV."""
    kinds = {True: "95 % Wilson", False: "95 % Student's t over seeds"}
    interval = (figures["num_seeds"] == 1).map(kinds)
    return figures.assign(interval=interval.where(figures["low_percent"].notna()))


def _caption(selection: Selection) -> str:
    """What stands above the table in a paper."""
    said = _what_intervals_are(selection)
    return (
        f"Test accuracy under corruptions, in percent. {DATASETS[selection.dataset].label}; "
        f"{said[0].lower()}{said[1:]} A higher accuracy need not be a resolved difference."
    )


def _document(dataset: str, found: pd.DataFrame) -> dict:
    rows = found.astype(object).where(found.notna(), None).to_dict("records")
    return {"dataset": dataset, "table": rows}


def _what_intervals_are(selection: Selection) -> str:
    images = f"{selection.runs[0].final['num_images']:,} test images"
    if selection.most_seeds > 1:
        alone = "; of one seed, for other images (Wilson)" if selection.fewest_seeds == 1 else ""
        return (
            f"Means over {selection.seeds_said} on {images}; 95 % intervals of the mean "
            f"(Student's t{alone})."
        )
    one = len(selection.seeds) == 1
    alone = f"Seed {selection.seeds[0]} alone" if one else "One seed each"
    return f"{alone} on {images}; 95 % Wilson intervals."


def _without_interval(found: pd.DataFrame) -> str:
    mean = found[found["corruption"] == MNIST_C_MEAN]
    if mean["low_percent"].isna().any():
        return " The mean of MNIST-C has none with one seed: its images are the same 15 times."
    return ""


def _complete(
    selection: Selection,
    cells: Sequence[robustness.Cell],
    box: st.delta_generator.DeltaGenerator,
    name: str,
) -> Known | None:
    """What is known once all `cells` are, else None after an offer to compute them in `box`."""
    known = _known(selection.runs)
    if all(known.num_runs.get(cell) == len(selection.runs) for cell in cells):
        return known
    todo = robustness.missing(selection.runs, cells)
    with box.container():
        done = _offer(selection, todo, name)
    if not done:
        return None
    box.empty()
    return _known(selection.runs)


def _known(runs: Sequence[Run]) -> Known:
    return _load(tuple(map(_fingerprint, runs)), runs)


def _fingerprint(run: Run) -> tuple:
    """Changes with the run and with what is stored beside it."""
    path = run.path / f"{robustness.NAME}.json"
    try:
        stat = path.stat()
        return str(path), run.digest, stat.st_mtime_ns, stat.st_size
    except OSError:
        return str(path), run.digest


@st.cache_resource(show_spinner=False, max_entries=MAX_FRAMES)
def _load(fingerprint: tuple, _runs: Sequence[Run]) -> Known:
    outcomes = robustness.curves_frame(_runs)
    num_runs = outcomes.groupby(["corruption", "severity"]).size().to_dict()
    return Known(num_runs, summarize_seeds(outcomes), robustness_table(outcomes))


def _offer(selection: Selection, todo: dict[robustness.Cell, list[Run]], name: str) -> bool:
    """Says what is missing and computes it when asked; whether it is there now."""
    corruptions = list(dict.fromkeys(CORRUPTIONS[key].label for key, _ in todo))
    what = corruptions[0] if len(corruptions) == 1 else f"{len(corruptions)} corruptions"
    runs = len({run.path for lacking in todo.values() for run in lacking})
    st.info(
        f"{what}: not computed yet for {runs} of these {len(selection.runs)} runs.",
        icon=":material/hourglass_empty:",
    )
    status = resources.dataset_status(selection.dataset)
    if not status.present:
        st.caption(f"It takes the test images, and {status.reason}")
        return False
    seconds = _estimate(todo)
    asked = st.button(
        f"Compute {what[0].lower()}{what[1:]} (about {duration(seconds)})",
        icon=":material/play_arrow:",
        key=f"compute-robustness-{name}",
    )
    return asked and _compute(selection.dataset, todo)


def _estimate(todo: dict[robustness.Cell, list[Run]]) -> float:
    passes = sum(run.final["num_images"] for lacking in todo.values() for run in lacking)
    return passes / IMAGES_PER_SECOND / (os.cpu_count() or 1)


def _compute(dataset: str, todo: dict[robustness.Cell, list[Run]]) -> bool:
    from ui.explain_resources import use_one_thread

    use_one_thread()
    started = time.monotonic()
    bar = st.progress(0.0, "Loading the networks…")

    def report(done: int, total: int) -> None:
        left = (time.monotonic() - started) * (total - done) / max(done, 1)
        words = f"{duration(left)} left" if done else "corrupting the first images"
        bar.progress(done / total, f"{done} of {total} evaluations, {words}")

    try:
        images = resources.test_images(dataset)
        targets = resources.predictions(next(iter(todo.values()))[0]).targets
        written = robustness.evaluate_corruptions(
            todo, images, targets, get_dataset(dataset), report
        )
    except NormLabError as error:
        st.warning(f"Not computed: {error}", icon=":material/warning:")
        return False
    finally:
        _load.clear()
    if not written:
        st.toast("The run folders cannot be written: the result is kept until the server stops.")
    return True
