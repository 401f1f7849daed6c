"""What the page of runs lists: always as things are now, and only what has changed is read."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import UsageError
from core.training import runs
from core.training.checks import check_writable
from core.training.job import Job, list_jobs
from core.training.job_runs import with_true_advice
from core.training.manage import queued_runs
from core.training.runs import Run
from ui import resources
from ui.markdown import escape
from ui.runs_data import Entry

FOLLOW_SECONDS = 3.0


def made_here(jobs: Sequence[Job]) -> list[Entry]:
    """The runs made here and those that a waiting job is going to make, the newest first."""
    root = resources.LOCAL_DIR
    own = root.resolve() != runs.SHIPPED_DIR.resolve()
    waiting = {run.name: run for job in jobs for run in queued_runs(job, root)}
    found = [waiting.pop(run.name, run) for run in _runs(local=True)]
    entries = [Entry(resources.as_it_is_now(run), own) for run in (*waiting.values(), *found)]
    return sorted(entries, key=_begun, reverse=True)


def _begun(entry: Entry) -> str:
    """What has not begun comes before all that has."""
    return str(entry.run.info.get("created", "")) if entry.run.state != "queued" else "~"


def shipped() -> list[Entry]:
    """The runs that came with NormLab."""
    return [Entry(run, own=False) for run in _runs(local=False)]


def _runs(*, local: bool) -> list[Run]:
    keys = resources.datasets_with_runs(local=local)
    return [run for key in keys for run in resources.all_runs(key, local=local)]


def signature(entries: Sequence[Entry], jobs: Sequence[Job]) -> tuple:
    """Changes whenever the page would show something else."""
    found = tuple(
        (e.id, e.run.state, e.run.epoch, e.run.digest, e.run.title, e.run.note) for e in entries
    )
    return found, tuple((job.id, job.state, job.position, job.epoch) for job in jobs)


def jobs_here() -> list[Job]:
    """The jobs that run, wait or have ended, with no advice that cannot be followed any more."""
    root = resources.LOCAL_DIR
    return [with_true_advice(job, root) for job in list_jobs(root)]


@st.fragment(run_every=FOLLOW_SECONDS)
def follow(shown: tuple) -> None:
    """Draws the page anew as soon as something is otherwise than `shown`."""
    jobs = jobs_here()
    if signature(made_here(jobs), jobs) != shown:
        st.rerun()


def say_what_to_do(dataset: str) -> None:
    """Where nothing was trained here yet, or nothing can be."""
    try:
        check_writable(resources.LOCAL_DIR)
    except UsageError as error:
        st.warning(
            escape(f"Nothing can be trained or imported here: {error}"), icon=":material/warning:"
        )
        return
    st.info(
        "Nothing has been trained here yet. Open “Train networks” in the sidebar, choose what to "
        "train and press Start; or import a run from a file below. The same from a terminal:",
        icon=":material/info:",
    )
    st.code(f"python -m core train --all --dataset {dataset}", language="bash")
