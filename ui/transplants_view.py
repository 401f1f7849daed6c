"""The parts of the Transplants page: the matrix, its answer in words, and the images that flip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.analysis import transplant_matrix as matrix
from core.analysis.transplant_matrix import Answers
from core.config import NORM_LABELS
from core.data.datasets import data_dir, load_split
from core.training.runs import Run
from ui import address, explain_resources, resources, state, stored_results
from ui import transplants_tables as tables
from ui.chart_titles import runs_in_file_name
from ui.downloads import download_row
from ui.failures_grid import paged
from ui.failures_tables import variant_color
from ui.failures_view import View, label
from ui.picker import pick

WEIGHTS, NORM, KIND, SEED, PAGE = "weights", "norm", "flips", "flips_seed", "flips_page"
KINDS = {"to_wrong": matrix.TO_WRONG, "to_right": matrix.TO_RIGHT, "other": matrix.OTHER}
PAGE_SIZE = 60
SECONDS, SECONDS_PER_IMAGE = 0.4, 8e-4
"""Of one network on two cores: for estimating statistics, and for all its answers."""


@dataclass(frozen=True)
class Found:
    """What the networks say when transplanted: run's name → `Answers`, and the two tables."""

    answers: dict[str, Answers]
    num_estimation: int
    cells: pd.DataFrame
    table: pd.DataFrame


def load(view: View) -> Found | None:
    """What is stored of the shown runs, after offering to compute what is not; None for nothing."""
    runs = [run for group in view.runs.values() for run in group]
    documents = stored_results.read_all(runs, matrix.NAME)
    answers = _answers(runs, documents)
    missing = [run for run in runs if run.name not in answers]
    if missing and view.images is not None:
        documents |= stored_results.offer(
            missing,
            name=matrix.NAME,
            what="Transplants",
            seconds=SECONDS + SECONDS_PER_IMAGE * len(view.images),
            compute=lambda runs, report: _compute(view, runs, report),
        )
        answers = _answers(runs, documents)
    if not answers:
        return None
    cells = matrix.matrix_frame(
        (run, answers[run.name], resources.predictions(run)) for run in runs if run.name in answers
    )
    num_estimation = max(documents[name]["num_estimation"] for name in answers)
    return Found(answers, num_estimation, cells, matrix.matrix_table(cells))


def _answers(runs: Sequence[Run], documents: stored_results.Documents) -> dict[str, Answers]:
    found = {
        run.name: matrix.read_answers(run, documents.get(run.name), resources.predictions(run))
        for run in runs
    }
    return {name: answers for name, answers in found.items() if answers is not None}


def _compute(
    view: View, runs: Sequence[Run], report: Callable[[int, int], None]
) -> stored_results.Documents:
    from core.analysis.transplants import compute_transplants

    assert view.images is not None
    networks = {run.name: explain_resources.network(run) for run in runs}
    training = load_split(view.info.key, data_dir(), "train").images
    return compute_transplants(networks, training, view.images, view.info, report)


def show_matrix(found: Found, view: View) -> tuple[str, str]:
    """The answer in words, the matrix, and its files; the chosen (weights, normalization)."""
    variants, norms = list(dict.fromkeys(found.table["variant"])), [*NORM_LABELS]
    weights, norm = address.one_of(WEIGHTS, variants), address.one_of(NORM, norms)
    for choice in (weights, norm):
        choice.widget()
    chosen = state.value(weights.key), state.value(norm.key)
    weights.settle(chosen[0], what="the weights", shown=label(chosen[0]))
    norm.settle(chosen[1], what="the normalization", shown=NORM_LABELS[chosen[1]])
    with st.container(border=True):
        st.markdown(answer(found))
    pick(tables.matrix_html(_cells(found), chosen), key="matrix", on_pick=_pick_cell)
    seeds = int(found.table["num_seeds"].max())
    st.caption(
        "Test accuracy, below it the 95 % interval "
        + (f"of the mean over {seeds} seeds (Student's t)." if seeds > 1 else "(Wilson, one seed).")
        + " Press a cell to see which images flip. All weights move, γ and β too. Batch norm's "
        f"statistics are estimated on {found.num_estimation:,} training images, unrotated: the "
        "mean over batches of 250, as its running averages would."
    )
    transplanted = {
        key: [run for run in runs if run.name in found.answers] for key, runs in view.runs.items()
    }
    about = runs_in_file_name(view.info.key, transplanted)
    download_row(None, found.table, f"transplants-{about}")
    return chosen


def _pick_cell(picked: str) -> None:
    key, _, norm = picked.rpartition("-")
    state.put(address.one_of(WEIGHTS, [key]).key, key)
    state.put(address.one_of(NORM, [norm]).key, norm)
    _first_page()


def _fresh(found: Found, norm: str) -> str:
    """The advantage that batch norm has here over the others."""
    told = f", its statistics estimated anew on {found.num_estimation:,} training images,"
    return told if norm == "batch" else ""


def answer(found: Found) -> str:
    """How much of the accuracy the weights keep under another normalization, in words."""
    table = _cells(found)
    own, foreign = table[table["own"]], table[~table["own"]]
    parts = [
        f"under {words.lower()}{_fresh(found, norm)} {_range(foreign[foreign['norm'] == norm])}"
        for norm, words in NORM_LABELS.items()
        if (foreign["norm"] == norm).any()
    ]
    best = foreign.sort_values("accuracy_percent").iloc[-1]
    return (
        f"**As trained, the variants are right on {_range(own)} of the test images; foreign "
        f"weights {', '.join(parts)}.** Most is kept by the weights of "
        f"{label(best['variant'])} under {NORM_LABELS[best['norm']].lower()}: "
        f"{best['accuracy_percent']:.1f} %. Guessing gives about 10 %.{_control(found)}"
    )


def _cells(found: Found) -> pd.DataFrame:
    """The table without the control."""
    return found.table[found.table["norm"] != matrix.REESTIMATED]


def _range(frame: pd.DataFrame) -> str:
    low, high = (f"{value:.1f}" for value in frame["accuracy_percent"].agg(["min", "max"]))
    return f"{low} %" if low == high else f"{low} to {high} %"


def _control(found: Found) -> str:
    """What estimating the statistics anew changes where the weights are batch norm's own."""
    cells = found.cells
    again = cells[cells["norm"] == matrix.REESTIMATED]
    if again.empty:
        return ""
    stored = cells[cells["own"]].set_index(["variant", "seed"])["errors"]
    change = [
        row["errors"] - stored[row["variant"], row["seed"]] for row in again.to_dict("records")
    ]
    low, high = (f"{value:+d}".replace("-", "−") for value in (min(change), max(change)))
    words = low if low == high else f"{low} to {high}"
    return (
        f" Estimating statistics anew by itself changes batch norm's own errors by {words} per run."
    )


def show_flips(found: Found, view: View, chosen: tuple[str, str]) -> None:
    """The images that the chosen transplant turns wrong or right, of one seed."""
    key, norm = chosen
    st.header(f"Weights of {label(key)} under {NORM_LABELS[norm].lower()}", anchor=False)
    runs = {str(run.seed): run for run in view.runs[key] if run.name in found.answers}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = runs[_choose_seed(list(runs))]
        frame = matrix.flips(resources.predictions(run), found.answers[run.name][norm])
        kind = _choose_kind(frame)
    shown = frame[frame["kind"] == KINDS[kind]]
    if shown.empty:
        own = run.variant is not None and run.variant.norm == norm
        st.info(
            "Nothing flips: this is the variant as trained." if own else "No image flips this way."
        )
        return
    tiles = st.container()
    page = paged(len(shown), PAGE_SIZE, PAGE)
    html = tables.flips_html(
        shown[page],
        images=view.images,
        class_names=view.info.class_names,
        color=variant_color(key),
    )
    with tiles:
        pick(html, key="flips")
    st.caption("What the run says as trained → what it says transplanted, and the true label.")
    download_row(None, frame, f"flips-{view.info.key}-{key}-{norm}-seed-{run.seed}")


def _choose_seed(seeds: list[str]) -> str:
    if len(seeds) == 1:
        return seeds[0]
    choice = address.one_of(SEED, seeds)
    chosen = st.selectbox("Seed shown", seeds, width=110, on_change=_first_page, **choice.widget())
    choice.settle(chosen, what="seed", shown=chosen)
    return chosen


def _choose_kind(frame: pd.DataFrame) -> str:
    counts = frame["kind"].value_counts()
    choice = address.one_of(KIND, list(KINDS))
    chosen = st.segmented_control(
        "Images",
        list(KINDS),
        required=True,
        format_func=lambda key: f"{KINDS[key]}: {counts.get(KINDS[key], 0):,}",
        on_change=_first_page,
        **choice.widget(),
    )
    choice.settle(chosen, what="images", shown=KINDS[chosen])
    return chosen


def _first_page() -> None:
    state.put(PAGE, 1)
