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

from core.config import DEVICE_TYPES
from ui.resources import REPOSITORY

QUESTION = """
import json
from core.config import DEVICE_TYPES
from core.device import is_available, select_device
from core.errors import NormLabError
try:
    answer = select_device().to_dict()
except NormLabError as error:
    answer = {"name": "none", "reason": str(error)}
answer["available"] = [kind for kind in DEVICE_TYPES if is_available(kind)]
print(json.dumps(answer))
"""
COMMAND = [sys.executable, "-c", QUESTION]
DELAY_SECONDS = 3.0
"""Importing torch would take a core from the first page, which can wait less than this line."""
TIMEOUT_SECONDS = 120
LOOKING = "looking for the device…"
UNKNOWN = "Device unknown: `python -m core doctor` says more."


class DeviceQuestion:
    """Asks `core.device.select_device` once, in another process, without waiting for it."""

    def __init__(self) -> None:
        self._made_at = time.monotonic()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the question
        self._process: subprocess.Popen | None = None

    @property
    def pending(self) -> bool:
        """Whether the answer may still come; asks once the first page has had its time."""
        elapsed = time.monotonic() - self._made_at
        if self._process is None:
            if elapsed < DELAY_SECONDS:
                return True
            self._process = self._ask()
        if self._process.poll() is not None:
            return False
        if elapsed < TIMEOUT_SECONDS:
            return True
        self._process.kill()
        return False

    def _ask(self) -> subprocess.Popen:
        process = subprocess.Popen(
            COMMAND,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.DEVNULL,
        )
        atexit.register(process.kill)  # does nothing once it has answered
        if hasattr(os, "setpriority"):
            os.setpriority(os.PRIO_PROCESS, process.pid, 19)
        return process

    def answer(self) -> str:
        """The device and the reason in one line; what to do where there is no answer."""
        device = self._read()
        try:
            return f"{device['name']}: {device['reason']}"
        except KeyError:
            return UNKNOWN

    def available(self) -> list[str]:
        """The kinds of device that are here, as far as is known."""
        found = self._read().get("available")
        return [kind for kind in DEVICE_TYPES if kind in found] if isinstance(found, list) else []

    def _read(self) -> dict:
        self._output.seek(0)
        try:
            found = json.loads(self._output.read())
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@st.cache_resource(show_spinner=False)
def _question() -> DeviceQuestion:
    return DeviceQuestion()


def available() -> list[str]:
    """The kinds of device that training can choose here; [] until that is known."""
    question = _question()
    return [] if question.pending else question.available()


def known() -> str:
    """The line, as far as it is known."""
    question = _question()
    return LOOKING if question.pending else question.answer()


def render() -> None:
    """Shows the line, or that it is being looked up."""
    st.caption(f":material/memory: {known()}")
