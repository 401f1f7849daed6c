"""The end of the training form: what Start would do, whatever is in its way, and Start itself."""

from __future__ import annotations

import contextlib

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from core.errors import NormLabError, UsageError
from core.training import jobs
from core.training import runs as run_folders
from core.training.estimate import estimate, time_until
from core.training.request import TrainingRequest
from ui import dataset_download, device_line, resources, state
from ui.markdown import escape
from ui.training_obstacles import Obstacle, find_obstacle, repeats_shipped
from ui.training_request import FormValues, cost_words, differences, turn_words

TICK_SECONDS = 5.0
"""So often an open form looks at what others train."""

FORM = "train-form"
"""The fragment of the whole form."""
SAID, REFUSED, STARTED = "train-said", "train-refused", "train-started"


def say() -> None:
    """Says once, on the page as it is after that, what Start has done."""
    if said := state.value(SAID):
        st.toast(said, icon=":material/model_training:")
        state.put(SAID, None)


@st.fragment(run_every=TICK_SECONDS)
def answer(values: FormValues) -> None:
    """What Start would do, or the one line that says why it cannot; and Start."""
    try:
        request = values.request()
    except UsageError as error:
        show_error(str(error))
        _start_button(None)
        return
    living = jobs.living_jobs(resources.LOCAL_DIR)
    obstacle = find_obstacle(request, resources.LOCAL_DIR, living, run_folders.SHIPPED_DIR)
    status = resources.dataset_status(request.dataset)
    changed = differences(request)
    st.markdown(f"{request.summary()} {changed}")
    if not status.present:
        dataset_download.offer(
            status, "nothing can be trained on them yet", key="train-offer", instead=False
        )
    elif obstacle:
        _show_obstacle(obstacle, request)
    else:
        kind = next(iter(device_line.available()), None)
        cost = cost_words(estimate(request, resources.LOCAL_DIR, kind))
        wait = time_until(resources.LOCAL_DIR) if living else None
        st.caption(f"{cost} {turn_words(living, wait)}")
        if not changed and repeats_shipped(request, run_folders.SHIPPED_DIR):
            st.caption("Shipped runs have some of these seeds too: other seeds add to them.")
    _start_button(request if status.present and not obstacle else None)


def _show_obstacle(obstacle: Obstacle, request: TrainingRequest) -> None:
    """Says what is in the way, or became of what was started here, and what can be done now."""
    is_own = state.value(STARTED) == request
    if is_own and obstacle.trained:
        _say_trained(request)
    else:
        show = st.info if obstacle.job or is_own else st.warning
        show(escape(obstacle.text), icon=":material/info:")
    if obstacle.seeds:
        words = f"Take seed{'s' * ('-' in obstacle.seeds)} {obstacle.seeds.replace('-', ' to ')}"
        st.button(words, key="train-free", on_click=_take_seeds, args=[obstacle.seeds])
    if obstacle.on_runs_page:
        with contextlib.suppress(StreamlitPageNotFoundError):  # this page runs alone
            st.page_link("pages/runs.py", label="Runs", icon=":material/inventory_2:")


def _say_trained(request: TrainingRequest) -> None:
    """What was started here has been trained, and the way to it."""
    count = len(request.runs)
    st.success(f"Trained: {count} run{'s' * (count > 1)}.", icon=":material/check_circle:")
    if st.button(
        "Show them" if count > 1 else "Show it",
        key="train-show",
        icon=":material/visibility:",
        on_click=state.turn_to,
        args=[state.LOCAL, request.dataset],
    ):
        st.rerun()


def _take_seeds(seeds: str) -> None:
    state.put("train-seeds", seeds)
    st.rerun(FORM)  # its field stands outside of this part


def _start_button(request: TrainingRequest | None) -> None:
    """Start, which `request` None disables."""
    clicked = st.button(
        "Start training",
        key="train-start",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=request is None,
    )
    if request is None:
        return
    if clicked:
        _start(request)
    refused, message = state.value(REFUSED) or (None, "")
    if refused == request:
        show_error(message)


def _start(request: TrainingRequest) -> None:
    """Starts it and draws the page again; what another tab has started meanwhile is said then."""
    state.put(REFUSED, None)
    try:
        job = jobs.start(request, resources.LOCAL_DIR)
    except NormLabError as error:
        state.put(REFUSED, (request, str(error)))
    else:
        state.put(STARTED, request)
        others = len(jobs.living_jobs(resources.LOCAL_DIR)) > 1
        state.put(SAID, f"Job {job.id} {'waits for its turn' if others else 'has started'}.")
    st.rerun()


def show_error(message: str) -> None:
    """One line of what is not possible."""
    st.error(escape(message), icon=":material/error:")
