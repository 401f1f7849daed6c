"""What stands beside every page: data set, seeds, device. `render()` is a page's first act."""

from __future__ import annotations

import streamlit as st

from core.data.datasets import DATASETS
from ui import device_line, resources, state, training_form, training_watch
from ui.state import Selection

PREFERRED_DATASET = "mnist"
MAX_WARNINGS = 3


def render() -> Selection:
    """Draws the sidebar and returns what it has chosen; damaged runs become one-line warnings."""
    st.set_page_config(layout="wide", page_icon="🔢")
    state.count_visit()
    with st.sidebar:
        local = _source_picker()
        dataset = _dataset_picker(local)
        found = resources.runs(dataset, local=local)
        seed = _seed_picker(sorted({run.seed for run in found}))
        device_line.render()
        training_watch.render()
        training_form.render(dataset)
    _warn_of_damaged(resources.damaged_runs(dataset, local=local))
    chosen = [run for run in found if seed is None or run.seed == seed]
    return Selection(dataset, tuple(chosen))


def stop_without_runs(selection: Selection) -> None:
    """Ends the page with what to do, if the data set has no finished runs."""
    if selection.runs:
        return
    st.info(
        f"There are no finished runs on {DATASETS[selection.dataset].label} yet. Choose another "
        f"data set in the sidebar, or train the six variants:",
        icon=":material/info:",
    )
    st.code(f"python -m core train --all --dataset {selection.dataset}", language="bash")
    st.stop()


def _source_picker() -> bool:
    """Whether runs made here are shown instead of the shipped ones; asked only if there are any."""
    if not resources.datasets_with_runs(local=True):
        return False
    labels = {state.SHIPPED: "Shipped", state.LOCAL: "Made here"}
    chosen = st.segmented_control(
        "Runs",
        list(labels),
        default=state.SHIPPED,
        required=True,
        format_func=labels.__getitem__,
        **state.bound(state.SOURCE),
    )
    return chosen == state.LOCAL


def _dataset_picker(local: bool) -> str:
    """The chosen data set; those with runs come first, and MNIST is the default if it has any.

    Options are shown by their keys, because the address holds what the widget shows.
    """
    with_runs = resources.datasets_with_runs(local=local)
    options = sorted(DATASETS, key=lambda key: key not in with_runs)
    default = PREFERRED_DATASET if PREFERRED_DATASET in with_runs else options[0]
    if state.requested(state.DATASET) not in (None, *options):
        st.warning(f"The address names a data set that does not exist; this is {default}.")
    return st.selectbox(
        "Data set",
        options,
        index=options.index(default),
        help="Everything on the pages is of this data set.",
        **state.bound(state.DATASET),
    )


def _seed_picker(seeds: list[int]) -> int | None:
    """The chosen seed, or None for all; asked only where there are several."""
    if len(seeds) < 2:
        return None
    options = [state.ALL_SEEDS, *map(str, seeds)]
    chosen = st.selectbox(
        "Seed",
        options,
        format_func=lambda seed: f"All {len(seeds)} seeds" if seed == state.ALL_SEEDS else seed,
        help="All seeds shows means and intervals over seeds; one seed shows a single training.",
        **state.bound(state.SEED),
    )
    return None if chosen == state.ALL_SEEDS else int(chosen)


def _warn_of_damaged(damaged: list) -> None:
    for run in damaged[:MAX_WARNINGS]:
        st.warning(f"{run.name} is not shown: {run.reason}.", icon=":material/warning:")
    if len(damaged) > MAX_WARNINGS:
        st.warning(f"{len(damaged) - MAX_WARNINGS} more damaged runs are not shown.")
