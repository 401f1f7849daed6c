"""Following runs on the curves page while they are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from core.data.datasets import DATASETS
from core.training.runs import METRIC_COLUMNS, Run, read_metrics
from ui import curves_insights, curves_view, resources, state
from ui.curves_data import all_epochs
from ui.curves_view import Choice, Figure
from ui.live_runs import FOLLOWED, Signature, epochs_done, signature, unfinished, written
from ui.markdown import escape
from ui.pooling import Pool
from ui.state import Selection

FOLLOW_SECONDS = 1.0
WATCH_SECONDS = 2.0


def join(selection: Selection) -> Selection:
    """The selection with the runs that have not ended, where runs made here are shown.

    These count like any other: one that fits to no others stays out, or has them stay out.
    """
    return replace(selection, runs=_pool(selection).runs)


def _pool(selection: Selection) -> Pool:
    growing = []
    if not _shows_shipped():
        growing = unfinished(resources.LOCAL_DIR, selection.dataset, state.seeds())
    return resources.pooled(selection.dataset, selection.source, state.seeds(), growing)


def _shows_shipped() -> bool:
    return state.value(state.SOURCE, state.SHIPPED) == state.SHIPPED


def is_live(shown: Selection) -> bool:
    """Whether any of the shown runs is being trained."""
    return any(run.state == "running" for run in shown.runs)


def watch(selection: Selection, shown: Selection) -> None:
    """Notices in the background what begins, so that the page can follow it."""
    if not is_live(shown):
        st.fragment(run_every=WATCH_SECONDS)(_watch)(selection, signature(shown.runs))


def _watch(selection: Selection, seen: Signature) -> None:
    if state.is_to_turn():
        st.rerun()
    if _shows_shipped():
        _offer(selection)
    if signature(join(selection).runs) != seen:
        st.rerun()


def _offer(selection: Selection) -> None:
    """What is being trained beside the shipped runs, and the way to it."""
    found = unfinished(resources.LOCAL_DIR, selection.dataset)
    running = [run for run in found if run.state == "running"]
    if not running:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/play_circle: {_sentence('running', running)}", width="content")
        st.button(
            "Show the runs made here",
            key="curves-follow",
            on_click=state.turn_to,
            args=[state.LOCAL, selection.dataset],
        )


def draw(selection: Selection, shown: Selection, choice: Choice) -> None:
    """Figures and insights of the chosen variants, every second anew while one is trained."""
    every = FOLLOW_SECONDS if is_live(shown) else None
    st.fragment(run_every=every)(_draw)(selection, signature(shown.runs), choice)


def _draw(selection: Selection, seen: Signature, choice: Choice) -> None:
    pool = _pool(selection)
    shown = replace(selection, runs=pool.runs)
    if signature(shown.runs) != seen:
        st.rerun()
    _say_what_grows(pool.runs)
    _say_what_stays_out(selection, pool)
    key = ("curves", repr(choice), written(shown.runs))
    live = is_live(shown)
    curves_view.draw(curves_view.kept(key, lambda: _figures(shown, choice)), choice, live=live)
    curves_insights.show(shown, choice, live=live)


def _figures(shown: Selection, choice: Choice) -> list[Figure]:
    rows = epochs_of(shown)
    chosen = rows[rows["variant"].isin(choice.variants)]
    return curves_view.figures(choice, chosen, DATASETS[shown.dataset].num_test)


def epochs_of(shown: Selection) -> pd.DataFrame:
    """All epochs of all runs so far, as `all_epochs` gives them."""
    return all_epochs(
        [
            (variant, run.seed, metrics(run))
            for variant, runs in shown.by_variant.items()
            for run in runs
        ]
    )


def metrics(run: Run) -> pd.DataFrame:
    """Like `resources.metrics`, also of a run that grows."""
    if run.state == "done":
        return resources.metrics(run)
    return pd.DataFrame(read_metrics(run.path), columns=list(METRIC_COLUMNS))


def _say_what_grows(shown: Sequence[Run]) -> None:
    """One line per state of what has no end yet."""
    for name in FOLLOWED:
        if found := [run for run in shown if run.state == name]:
            st.markdown(_sentence(name, found))


def _say_what_stays_out(selection: Selection, pool: Pool) -> None:
    """What is not drawn and why, as far as the sidebar, which knows finished runs, does not."""
    finished = resources.pooled(selection.dataset, selection.source, state.seeds())
    lines = [line for line in pool.sentences() if line not in finished.sentences()]
    for line in lines:
        st.markdown(escape(line))
    if lines and selection.source == state.TOGETHER:
        st.markdown("Choose Made here in the sidebar to see the runs made here alone.")


def _sentence(name: str, runs: Sequence[Run]) -> str:
    words = f"{FOLLOWED[name]}: {curves_insights.names(runs)}, {epochs_done(runs)}."
    return words if name == "running" else f"{words} It can be resumed on the page Runs."
