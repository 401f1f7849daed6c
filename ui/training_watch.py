"""What trains, beside every page: the device, progress, Stop, Resume and the queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.errors import NormLabError
from core.training import jobs
from core.training.checks import RESUMABLE_STATES
from core.training.job import Job, list_jobs
from ui import device_line, resources, state, training_data, training_live
from ui.charts_training import TITLES, describe_live, live_chart
from ui.markdown import escape

LIVE_SECONDS, IDLE_SECONDS = 1.0, 3.0
MAX_ENDED = 10
"""Ended jobs that are looked at."""

MAX_WAITING, MAX_NEWS = 4, 3
"""Jobs drawn at most; the Runs page has all of them."""

SHOWN_STATE, TROUBLE = "training-shown-state", "training-trouble"
SEEN, PUT_AWAY = "training-seen", "training-put-away"
SYMBOLS = {
    "done": ":green[:material/check_circle:]",
    "stopped": ":material/stop_circle:",
    "interrupted": ":orange[:material/power_off:]",
}
STEADY = """<style>
.st-key-training [data-stale="true"] { opacity: 1; transition: none; }
</style>"""
"""What is about to be drawn anew, each second, does not fade meanwhile."""

FAILED = ":red[:material/error:]"


def render() -> None:
    """Draws the device and the jobs that run, wait or have just ended, and keeps them current."""
    listed = _list()
    if state.value(SEEN) is None:
        state.put(SEEN, {job.id for job in listed if not job.is_living})
    is_live = any(job.is_living for job in listed)
    st.fragment(_watch, run_every=LIVE_SECONDS if is_live else IDLE_SECONDS)([listed])


def _list() -> list[Job]:
    return list_jobs(resources.LOCAL_DIR, limit=MAX_ENDED)


def _watch(handed: list[list[Job]]) -> None:
    """Draws the jobs; `handed` holds those that the page's own run has read, and is used up."""
    device_line.render()
    is_tick = not handed
    listed = _list() if is_tick else handed.pop()
    _draw(listed)
    _follow(listed, is_tick)  # last, because a tick may be a click


def _draw(listed: list[Job]) -> None:
    running = [job for job in listed if job.state == "running"]
    waiting = [job for job in listed if job.state == "queued"]
    ended = training_data.news(
        listed, resources.LOCAL_DIR, state.value(SEEN, ()), state.value(PUT_AWAY, ())
    )
    if not (running or waiting or ended or state.value(TROUBLE)):
        return
    with st.container(key="training", gap="small"):
        st.html(STEADY)
        _trouble()
        for job in running:
            _running(job)
        _waiting(waiting, at_once=not running)
        for job in ended[:MAX_NEWS]:
            _ended(job)
        if len(ended) > MAX_NEWS:
            more = len(ended) - MAX_NEWS
            st.caption(f"{more} more {'have' if more > 1 else 'has'} ended: see the Runs page.")


def _follow(listed: list[Job], is_tick: bool) -> None:
    """Runs the page again once jobs have begun or ended, or runs have come or gone.

    Only a tick does that: in a page's own run it would swallow the click that made it run.
    """
    running = frozenset(job.id for job in listed if job.state == "running")
    is_live = any(job.is_living for job in listed)
    now = (running, is_live, training_data.finished_runs(resources.LOCAL_DIR))
    before = state.value(SHOWN_STATE)
    if before is None or is_tick:
        state.put(SHOWN_STATE, now)
    if is_tick and before != now:
        st.rerun()


def _act(action: Callable[..., Any], *arguments: Any) -> None:
    """Does what a button asks for; why it cannot be done is shown until the next one."""
    state.put(TROUBLE, None)
    try:
        action(*arguments)
    except NormLabError as error:
        state.put(TROUBLE, str(error))


def _button(label: str, key: str, action: Callable[..., Any], *arguments: Any, **look: Any) -> None:
    st.button(label, key=f"training-{key}", on_click=_act, args=[action, *arguments], **look)


def _trouble() -> None:
    if trouble := state.value(TROUBLE):
        st.error(escape(trouble), icon=":material/error:")
        _button("Close", "close", lambda: None, type="tertiary")


def _running(job: Job) -> None:
    where = training_data.device(job, resources.LOCAL_DIR)
    name = escape(training_data.subject(job))
    st.markdown(f"**Training: {name}**", help=escape(job.summary))
    st.progress(training_data.share_done(job), text=training_data.progress_words(job))
    if job.reason:
        st.warning(escape(f"Job {job.id}: {job.reason}."), icon=":material/warning:")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if training_data.is_stopping(job):
            st.caption(":material/hourglass: Stopping: it saves what it has…")
        else:
            icon = ":material/stop_circle:"
            _button("Stop", f"stop-{job.id}", jobs.stop, resources.LOCAL_DIR, job.id, icon=icon)
        st.caption(f"Job {job.id}{f' on {escape(where)}' if where else ''}")
    _figures(job)


def _figures(job: Job) -> None:
    """What its runs have logged, as small charts and as a table."""
    found = training_live.figures(job, resources.LOCAL_DIR)
    if found is None:
        return
    epochs, rows = training_data.last_epoch(job), found.rows
    several = ", mean over seeds" if (rows["runs"] > 1).any() else ""
    for place, (column, title) in enumerate(TITLES.items()):
        st.caption(f"{title}{several}")
        spec = live_chart(rows, column, found.labels, epochs, legend=place == 0)
        words = describe_live(column, found.labels)
        st.vega_lite_chart(spec, key=f"training-{job.id}-{column}", alt=words)
    with st.expander("Newest epochs", key=f"training-{job.id}-epochs"):
        st.html(found.table)


def _waiting(waiting: list[Job], *, at_once: bool) -> None:
    """The queue; `at_once` if the first of it waits for nothing but its own process."""
    for job in waiting[:MAX_WAITING]:
        name = escape(training_data.subject(job))
        is_next = at_once and job == waiting[0]
        place = "Starting…" if is_next else f"{job.position}. in the queue:"
        st.markdown(f"**{place}** {name}")
        with st.container(horizontal=True, gap="small"):
            _moves(job, last=len(waiting))
    if len(waiting) > MAX_WAITING:
        st.caption(f"{len(waiting) - MAX_WAITING} more wait: see the Runs page.")


def _moves(job: Job, last: int) -> None:
    here, place = resources.LOCAL_DIR, job.position or 1
    if training_data.is_stopping(job):
        st.caption(":material/hourglass: Cancelling…")
        return
    if last > 1:
        up, down = {"disabled": place == 1}, {"disabled": place == last}
        _button("Up", f"up-{job.id}", jobs.move, here, job.id, place - 1, type="tertiary", **up)
        _button(
            "Down", f"down-{job.id}", jobs.move, here, job.id, place + 1, type="tertiary", **down
        )
    _button("Cancel", f"cancel-{job.id}", jobs.stop, here, job.id, type="tertiary")


def _ended(job: Job) -> None:
    here = resources.LOCAL_DIR
    words = escape(training_data.ending_words(job, here))
    st.markdown(f"{SYMBOLS.get(job.state, FAILED)} {words}", help=f"Job {job.id}: {job.state}")
    has_trouble = job.state in ("failed", "interrupted")
    log = training_data.log_tail(job, training_data.LOG_LINES) if has_trouble else ""
    if log:
        with st.expander("What it said last", key=f"training-log-{job.id}"):
            st.code(log, language=None, wrap_lines=True)
    with st.container(horizontal=True, gap="small"):
        if job.state == "done" and training_data.finished_names(job, here):
            _show_button(job)
        if job.state in RESUMABLE_STATES and training_data.unfinished(job, here):
            icon = ":material/play_arrow:"
            _button("Resume", f"resume-{job.id}", jobs.resume_job, here, job.id, icon=icon)
        _button("Dismiss", f"dismiss-{job.id}", _dismiss, job, type="tertiary")


def _show_button(job: Job) -> None:
    """Has the page show the runs made here of the job's data set."""
    if st.button(
        "Show them",
        key=f"training-show-{job.id}",
        icon=":material/visibility:",
        on_click=state.turn_to,
        args=[state.LOCAL, training_data.run_names(job)[0].split("/")[0]],
    ):
        st.rerun()


def _dismiss(job: Job) -> None:
    state.put(PUT_AWAY, {*state.value(PUT_AWAY, ()), job.id})
    training_data.dismiss(job)
