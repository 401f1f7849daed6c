"""Telling processes apart: dead, a zombie, a number given again, another start of the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import replace

import pytest

from core.training import process as process_module
from core.training.process import identify, identity_from_dict


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def wait_for_zombie(pid: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":
                return
        time.sleep(0.01)
    pytest.fail("it lives on")


def test_a_process_lives_until_it_is_killed_and_a_zombie_is_dead(sleeper):
    identity = identify(sleeper.pid)
    assert identity.is_alive and identify().is_alive and identify().pid == os.getpid()
    sleeper.kill()
    wait_for_zombie(sleeper.pid)
    assert not identity.is_alive
    assert not identity.send(signal.SIGTERM)
    sleeper.wait()
    assert not identity.is_alive


@pytest.mark.parametrize("change", [{"started": "1"}, {"boot": "another"}, {"started": ""}])
def test_a_number_given_again_or_before_a_restart_is_another_process(sleeper, change):
    """Neither is taken for alive, nor ever sent a signal."""
    other = replace(identify(sleeper.pid), **change)
    assert not other.is_alive
    assert not other.send(signal.SIGKILL)
    time.sleep(0.05)
    assert sleeper.poll() is None


@pytest.mark.parametrize("descriptors", [True, False])
def test_a_signal_reaches_the_process_it_is_meant_for(sleeper, descriptors, monkeypatch):
    if not descriptors:
        monkeypatch.delattr(process_module.os, "pidfd_open")
    assert identify(sleeper.pid).send(signal.SIGTERM)
    assert sleeper.wait(10) == -signal.SIGTERM
    assert not identify(sleeper.pid).send(signal.SIGTERM)


def test_an_identity_survives_json_and_nonsense_is_none():
    identity = identify()
    assert identity_from_dict(identity.to_dict()) == identity
    nonsense = ({}, {"pid": "1"}, {"pid": -1}, {"pid": True}, {"started": 1}, {"boot": None})
    for changes in nonsense[1:]:
        assert identity_from_dict({**identity.to_dict(), **changes}) is None
    assert identity_from_dict({}) is None


def test_where_the_system_does_not_say_nobody_is_taken_for_alive(monkeypatch, tmp_path):
    monkeypatch.setattr(process_module, "BOOT_ID", tmp_path / "none")
    monkeypatch.setattr(process_module, "_ask", lambda *command: "")
    process_module.boot_id.cache_clear()
    assert not identify().is_alive
    process_module.boot_id.cache_clear()
