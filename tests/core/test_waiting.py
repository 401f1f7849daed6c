"""A job in the background before its turn: it becomes the trainer, or goes."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace

import pytest

from core.training import jobs, waiting
from core.training.job import find_job
from core.training.process import identify
from core.training.request import make_request


@pytest.fixture
def commands(monkeypatch) -> list[list[str]]:
    """The commands that the process would become."""
    found: list[list[str]] = []
    monkeypatch.setattr(waiting.os, "execv", lambda _, command: found.append(command))
    return found


@pytest.fixture
def job(tmp_path):
    return jobs.register(make_request("digits", ["gn"]), tmp_path)


def test_when_its_turn_has_come_it_becomes_the_trainer(tmp_path, job, commands):
    waiting.main(job.path, "/data")
    options = ["--job", "1", "--runs-dir", str(tmp_path), "--data-dir", "/data"]
    assert commands == [[sys.executable, "-m", "core", "train", *options]]


def test_it_is_known_even_if_its_starter_was_killed_too_early(tmp_path, job, commands):
    jobs.write_owner(job.path, replace(identify(), started="1"))
    assert find_job(tmp_path, 1).state == "interrupted"
    waiting.main(job.path, "/data")
    assert find_job(tmp_path, 1).state == "queued" and len(commands) == 1


def test_with_now_it_does_not_wait(tmp_path, job, commands):
    second = jobs.register(make_request("digits", ["ln"]), tmp_path)
    waiting.main(second.path, "/data", "--now")
    assert commands[0][-1] == "--now" and "2" in commands[0]


@pytest.mark.parametrize("how", ["stopped", "forgotten"])
def test_it_goes_when_nobody_wants_it_any_more(tmp_path, job, commands, how, monkeypatch):
    second = jobs.register(make_request("digits", ["ln"]), tmp_path)
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        jobs.stop(tmp_path, 2) if how == "stopped" else shutil.rmtree(second.path)

    monkeypatch.setattr(waiting.time, "sleep", sleep)
    waiting.main(second.path, "/data")
    assert len(slept) == 1 and commands == []
