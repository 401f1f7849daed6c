"""Results kept beside runs: read what is there, offer to compute the rest, with the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

import streamlit as st

from core.analysis.derived import read_derived, write_derived
from core.errors import NormLabError
from core.training.runs import Run

Documents: TypeAlias = dict[str, dict]
"""A run's name → what is known of it."""


def read_all(runs: Sequence[Run], name: str) -> Documents:
    """The documents stored under `name`; runs without one are left out."""
    found = {run.name: read_derived(run, name) for run in runs}
    return {key: document for key, document in found.items() if document}


def offer(
    runs: Sequence[Run],
    *,
    name: str,
    what: str,
    seconds: float,
    compute: Callable[[Sequence[Run], Callable[[int, int], None]], Documents],
) -> Documents:
    """Offers to compute `what` for `runs`; returns it once that is done, and stores it.

    `seconds` is about how long one run takes. `compute(runs, on_progress)` runs when the button is
    pressed; its `NormLabError` becomes a warning.
    """
    place = st.empty()
    with place.container(border=True, key=f"offer-{name}"):
        networks = "one network" if len(runs) == 1 else f"{len(runs)} networks"
        st.markdown(f":material/calculate: **{what} of {networks} not computed yet.**")
        if not st.button(f"Compute (about {max(seconds * len(runs), 1):.0f} s)"):
            return {}
        progress = st.progress(0.0, text="Loading images and networks…")
        started = time.monotonic()

        def report(done: int, total: int) -> None:
            left = (time.monotonic() - started) * (total - done) / done
            progress.progress(done / total, f"{done} of {total} done, about {left:.0f} s left")

        try:
            found = compute(runs, report)
            stored = [write_derived(run, name, found[run.name]) for run in runs]
        except NormLabError as error:
            st.warning(f"Not computed: {error}", icon=":material/warning:")
            return {}
    place.caption(
        "Computed, and stored beside the runs."
        if all(stored)
        else "Computed. The runs' folders are read-only, so it is kept until the app ends."
    )
    return found
