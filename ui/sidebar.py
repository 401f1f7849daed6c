"""What stands beside every page: data set, seeds, training. `render()` is a page's first act."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import streamlit as st

from core.config import describe_seeds
from core.data.datasets import DATASETS
from core.training.runs import Run
from ui import (
    made_here,
    resources,
    state,
    streamlit_mends,
    training_form,
    training_watch,
)
from ui.markdown import escape
from ui.pooling import Pool, unusual_lengths
from ui.state import Selection

WORDMARK = Path(__file__).with_name("wordmark.svg").read_text()
"""The six variants' signs and the name, in colours that stand out from both backgrounds."""
PREFERRED_DATASET = "mnist"
MAX_WARNINGS = 3
SOURCES = {state.SHIPPED: "Shipped", state.LOCAL: "Made here", state.TOGETHER: "Together"}
"""What the source picker and the address show."""
STYLE = f"<style>{Path(__file__).with_name('page.css').read_text()}</style>"

HERE_CURE = (
    "Choose the shipped runs or another data set in the sidebar, or train networks there; the page "
    "Runs says what became of each."
)


def render() -> Selection:
    """Draws the sidebar and returns what it has chosen; damaged runs become one-line warnings."""
    st.set_page_config(layout="wide", page_icon="🔢")
    st.logo(WORDMARK, size="large")
    streamlit_mends.apply()
    state.count_visit()
    state.turn()
    made_here.register(resources.every_run_made_here())
    st.html(STYLE)
    # Streamlit knows a fragment by its place and drops a click on one that is no longer there, so
    # no part may move another.
    with st.sidebar:
        pickers, watch, form = (st.container() for _ in range(3))
    with pickers:
        source = _source_picker()
        dataset = _dataset_picker(source)
        chosen = resources.pooled(dataset, source, _seed_picker(dataset, source))
        _say_what_differs(chosen, source)
    with watch:
        training_watch.render()
    with form:
        training_form.render(dataset)
    _warn_of_damaged(_damaged(dataset, source))
    return Selection(dataset, chosen.runs, source)


def stop_without_runs(selection: Selection) -> None:
    """Ends the page with what to do, if the data set has no finished runs."""
    if selection.runs:
        return
    name = DATASETS[selection.dataset].label
    if selection.source == state.LOCAL:
        st.info(f"{_none_made_here(selection.dataset)} {HERE_CURE}", icon=":material/info:")
        st.stop()
    st.info(
        f"There are no finished runs on {name} yet. Choose another data set in the sidebar, or "
        "train all variants there or with this command:",
        icon=":material/info:",
    )
    st.code(f"python -m core train --all --dataset {selection.dataset}", language="bash")
    st.stop()


def _none_made_here(dataset: str) -> str:
    found = map(resources.as_it_is_now, resources.all_runs(dataset, local=True))
    states = Counter(run.state for run in found)
    there = ", ".join(f"{count} {word}" for word, count in states.items())
    name = DATASETS[dataset].label
    return f"No run made here on {name} has finished{f' ({there})' if there else ''}."


def _source_picker() -> str:
    """Which runs are shown; asked only where any was made here, else the shipped ones."""
    asked, shown = state.requested(state.SOURCE), SOURCES[state.SHIPPED]
    if asked is not None and asked not in SOURCES.values():
        words = "Shipped, Made here or Together"
        asks = escape(f"The address asks for runs {asked[:40]!r}")
        st.warning(f"{asks}: it can be {words}. This is {shown}.")
    if not resources.datasets_with_runs(local=True):
        if asked in (SOURCES[state.LOCAL], SOURCES[state.TOGETHER]):
            st.caption("No run has been made here yet: these are the shipped ones.")
        return state.SHIPPED
    chosen: str = st.selectbox(
        "Runs",
        list(SOURCES),
        format_func=lambda key: SOURCES[key],
        help="Those that came with NormLab, those trained here, or both beside each other.",
        **state.bound(state.SOURCE),
    )
    state.tell_address(state.SOURCE, SOURCES[chosen] if chosen != state.SHIPPED else "")
    return chosen


def _say_what_differs(chosen: Pool, source: str) -> None:
    """What may not be averaged with the rest and is left out, and which runs have other lengths."""
    lines = chosen.sentences()
    if source != state.SHIPPED:
        lines += filter(None, [unusual_lengths(chosen.runs)])
    for line in lines:
        st.caption(escape(line))


def _dataset_picker(source: str) -> str:
    """The chosen data set; those with runs come first, and MNIST is the default if it has any.

    Options are shown by their keys, because the address holds what the widget shows.
    """
    with_runs = _datasets(source)
    options = sorted(DATASETS, key=lambda key: key not in with_runs)
    default = PREFERRED_DATASET if PREFERRED_DATASET in with_runs else options[0]
    if state.requested(state.DATASET) not in (None, *options):
        st.warning(f"The address names a data set that does not exist; this is {default}.")
    chosen: str = st.selectbox(
        "Data set",
        options,
        index=options.index(default),
        help="All figures on the pages are of networks trained on this data set.",
        **state.bound(state.DATASET),
    )
    state.tell_address(state.DATASET, chosen if chosen != default else "")
    return chosen


def _datasets(source: str) -> set[str]:
    """The data sets that have runs of `source`, finished or not."""
    return {
        key
        for local in (False, True)
        if source in (state.TOGETHER, state.LOCAL if local else state.SHIPPED)
        for key in resources.datasets_with_runs(local=local)
    }


def _seed_picker(dataset: str, source: str) -> list[int]:
    """The chosen seeds, none for all that fit together; asked only where there are several."""
    found = [run for part in resources.runs_by_source(dataset, source) for run in part]
    seeds = sorted({run.seed for run in found})
    shown = sorted({run.seed for run in resources.pooled(dataset, source).runs})
    options, chosen = [str(seed) for seed in seeds], []
    asked = state.value(state.SEED)
    asked = state.all_requested(state.SEED) if asked is None else asked
    if len(seeds) > 1:
        chosen = st.multiselect(
            "Seeds",
            options,
            placeholder=_seeds_shown(shown, seeds),
            help="Several seeds show means and intervals over them; one shows a single training.",
            **state.bound(state.SEED),
        )
        state.tell_address(state.SEED, chosen)
    unknown = [seed for seed in asked if seed not in ("", state.ALL_SEEDS, *options)]
    if seeds and unknown:
        instead = describe_seeds(map(int, chosen or shown))
        asks = f"The address asks for seed {', '.join(unknown)[:40]}"
        st.warning(escape(f"{asks}, of which there is no finished run here. Shown: {instead}."))
    return [int(seed) for seed in chosen]


def _seeds_shown(shown: list[int], seeds: list[int]) -> str:
    """What the picker of seeds says where none is chosen; some may be left out: see `Pool`."""
    if shown == seeds:
        return f"All {len(seeds)} seeds"
    if len(shown) == 1:
        return f"Seed {shown[0]}, one of {len(seeds)}"
    return f"{len(shown)} of {len(seeds)} seeds"


def _damaged(dataset: str, source: str) -> list[Run]:
    shipped = [] if source == state.LOCAL else resources.damaged_runs(dataset)
    local = [] if source == state.SHIPPED else resources.damaged_runs(dataset, local=True)
    return [*shipped, *local]


def _warn_of_damaged(damaged: list[Run]) -> None:
    for run in damaged[:MAX_WARNINGS]:
        st.warning(escape(f"{run.name} is not shown: {run.reason}."), icon=":material/warning:")
    if len(damaged) > MAX_WARNINGS:
        st.warning(f"{len(damaged) - MAX_WARNINGS} more damaged runs are not shown.")
