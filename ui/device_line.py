"""The line that says which device training would use, and why.

Finding out needs torch, which costs two seconds to import, so the question goes to a background
process of low priority and the web server never imports torch for it.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import time

import streamlit as st

from ui.resources import REPOSITORY

COMMAND = [sys.executable, "-m", "core", "doctor", "--json"]
TIMEOUT_SECONDS = 60
UNKNOWN = "Device unknown: `python -m core doctor` did not answer."


class DeviceQuestion:
    """Asks `python -m core doctor --json` once, without waiting for it."""

    def __init__(self) -> None:
        self._asked_at = time.monotonic()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the question
        self._process = subprocess.Popen(
            COMMAND,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.DEVNULL,
        )
        atexit.register(self._process.kill)  # does nothing once it has answered
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, self._process.pid, 19)

    @property
    def pending(self) -> bool:
        """Whether the answer may still come."""
        if self._process.poll() is not None:
            return False
        if time.monotonic() - self._asked_at < TIMEOUT_SECONDS:
            return True
        self._process.kill()
        return False

    def answer(self) -> str:
        """The device and the reason in one line; what to do where there is no answer."""
        self._output.seek(0)
        try:
            device = json.loads(self._output.read())["device"]
            return f"{device['name']}: {device['reason']}"
        except (ValueError, KeyError, TypeError):
            return UNKNOWN


@st.cache_resource(show_spinner=False)
def _question() -> DeviceQuestion:
    return DeviceQuestion()


def render() -> None:
    """Shows the line, or that it is being looked up and then, by itself, the line."""
    question = _question()
    if question.pending:
        st.fragment(_wait_for_answer, run_every=1.0)()
    else:
        _show(question.answer())


def _wait_for_answer() -> None:
    question = _question()
    if question.pending:
        _show("looking for the device…")
    else:
        st.rerun()


def _show(text: str) -> None:
    st.caption(f":material/memory: {text}")
