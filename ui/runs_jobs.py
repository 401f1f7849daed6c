"""The history of jobs: what was started, what became of it and why, and what it said."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.training.job import Job
from ui import state
from ui.runs_data import job_rows
from ui.runs_table import NUMBER, TEXT, moment
from ui.training_data import log_tail


def show(jobs: Sequence[Job]) -> None:
    """The table of jobs and, on request, one log; nothing where there were none."""
    if not jobs:
        return
    st.header("Jobs", anchor=False)
    rows = job_rows(jobs)
    st.dataframe(
        rows.drop(columns=[name for name in ("reason", "place") if not rows[name].any()]),
        hide_index=True,
        key="jobs-table",
        column_config={
            "job": NUMBER("Job", format="%d", pinned=True),
            "state": "State",
            "reason": TEXT("Why", width="medium"),
            "place": NUMBER("Place in the queue", format="%d"),
            "what": TEXT("What", width="large"),
            "epochs": "Epochs",
            "seconds": NUMBER("Training (s)", format="%.0f"),
            "created": moment("Started"),
        },
        placeholder="–",
        alt="One row per job: its state and why, what it trains, how far it came and when it began",
    )
    st.caption("Running jobs first, then those that wait, then the newest that have ended.")
    _log(jobs)


def _log(jobs: Sequence[Job]) -> None:
    with st.expander("What a job said", icon=":material/article:"):
        numbers = [str(job.id) for job in jobs]
        chosen = st.selectbox("Job", numbers, width=120, **state.bound("job"))
        job = next(job for job in jobs if str(job.id) == chosen)
        log = log_tail(job)
        if log:
            st.code(log, language=None, wrap_lines=True, height="content")
        else:
            st.caption(f"Job {job.id} left no log: it ran in a terminal or has said nothing.")
