"""The process of a job: heartbeat, turn, stop by signal and by file, and how it ends."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from core.errors import RunError, UsageError
from core.training import job_process as module
from core.training import jobs
from core.training.job import find_job, job_path
from core.training.job_process import JobProcess
from core.training.request import make_request


class Training:
    """Stands in for a trainer: a step each time somebody looks."""

    total_steps = 100
    epochs_done = (1, 4)

    def __init__(self) -> None:
        self.steps_done = 0
        self.stopped = threading.Event()

    def stop(self) -> None:
        self.stopped.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.05)


@pytest.fixture
def root(tmp_path) -> Path:
    for seed in (1, 2):
        jobs.register(make_request("digits", ["gn"], seeds=(seed,)), tmp_path)
    return tmp_path


def wait_until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def no_wait() -> None:
    pytest.fail("it waits")


def test_progress_can_be_read_by_others_and_stays_after_the_end(root):
    training = Training()
    with JobProcess(root, 1) as process:
        assert find_job(root, 1).state == "queued"
        process.wait_for_turn(no_wait)
        assert find_job(root, 1).state == "running"
        process.watch(training)
        training.steps_done = 10
        wait_until(lambda: find_job(root, 1).steps_done == 10)
        training.steps_done = 20
        wait_until(lambda: find_job(root, 1).seconds_left is not None)
        job = find_job(root, 1)
        assert (job.epoch, job.epochs, job.total_steps) == (1, 4, 100)
        assert job.seconds > 0 and job.seconds_left > 0 and job.silent < 5
        size = (job.path / "progress.json").stat().st_size
        process.ended("done", None)
    job = find_job(root, 1)
    assert (job.state, job.reason, job.steps_done, job.seconds_left) == ("done", None, 20, None)
    assert size < 500 and not list(job.path.glob(".*"))


def test_the_time_left_follows_the_pace(root, monkeypatch):
    training, now = Training(), [100.0]
    monkeypatch.setattr(module, "uptime", lambda: now[0])
    process = JobProcess(root, 1)
    process._phase, process._began = "running", now[0]
    process.watch(training)
    assert process._progress()["seconds_left"] is None
    training.steps_done, now[0] = 20, 110.0
    assert process._progress()["seconds_left"] == pytest.approx(40)
    assert process._progress()["seconds"] == pytest.approx(10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_training_and_handlers_are_given_back(root, number):
    before, training = signal.getsignal(number), Training()
    with JobProcess(root, 1) as process:
        process.wait_for_turn(no_wait)
        process.watch(training)
        os.kill(os.getpid(), number)
        wait_until(training.stopped.is_set)
        process.ended("stopped", "stopped in epoch 2")
    assert signal.getsignal(number) == before
    assert find_job(root, 1).reason == "stopped in epoch 2"


def test_a_stop_by_file_reaches_a_process_that_gets_no_signal(root):
    training = Training()
    with JobProcess(root, 1) as process:
        process.wait_for_turn(no_wait)
        process.watch(training)
        jobs.stop(root, 1)
        wait_until(training.stopped.is_set)
        later = Training()
        process.watch(later)  # the second group of a resumed job
        assert later.stopped.is_set()


def test_a_waiting_one_comes_next_or_is_cancelled(root):
    asked = []
    with JobProcess(root, 1) as first:
        first.wait_for_turn(no_wait)
        with pytest.raises(KeyboardInterrupt), JobProcess(root, 2) as second:
            second.wait_for_turn(lambda: (asked.append(1), jobs.stop(root, 2)))
        first.ended("done", None)
    job = find_job(root, 2)
    assert asked == [1] and (job.state, job.reason) == ("stopped", "cancelled while it waited")


def test_with_now_it_waits_for_nobody(root):
    with JobProcess(root, 1) as first, JobProcess(root, 2) as second:
        first.wait_for_turn(no_wait)
        second.wait_for_turn(no_wait, now=True)
        assert [find_job(root, number).state for number in (1, 2)] == ["running"] * 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RunError("out of memory on CPU"), "out of memory on CPU"),
        (ValueError("odd\nmore"), "ValueError('odd\\nmore')"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (RunError(""), "no reason given"),
    ],
)
def test_an_error_ends_it_as_failed_with_its_reason(root, error, reason):
    with suppress(type(error)), JobProcess(root, 1) as process:
        process.wait_for_turn(no_wait)
        process.ended("done", None)
        raise error
    job = find_job(root, 1)
    assert (job.state, job.reason) == ("failed", reason)


def test_while_nothing_has_begun_a_signal_ends_it_at_once(root):
    def download() -> None:
        with JobProcess(root, 1) as process:
            process.wait_for_turn(no_wait)
            with process.interruptible():
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(10)

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        download()
    assert time.monotonic() - started < 5
    assert find_job(root, 1).reason == "stopped before training began"


def test_a_job_is_done_once_and_by_one(root):
    with (
        JobProcess(root, 1) as process,
        pytest.raises(UsageError, match="done by another process already"),
        JobProcess(root, 1),
    ):
        pytest.fail("two of them")
    process.ended("done", None)
    with pytest.raises(UsageError, match="has ended"), JobProcess(root, 1):
        pytest.fail("again")


def test_a_full_disk_neither_ends_nor_falsifies_it(root, monkeypatch):
    def full(*args: object, **options: object) -> None:
        raise RunError("no space")

    with JobProcess(root, 1) as process:
        process.wait_for_turn(no_wait)
        monkeypatch.setattr(module, "write_atomic", full)
        process.beat()
        process.ended("done", None)
    assert find_job(root, 1).state == "interrupted"


def test_the_end_is_written_into_the_space_kept_for_it(root, monkeypatch):
    plain = module.write_atomic

    def nearly_full(path: Path, content: bytes, **options: bool) -> None:
        if (path.parent / "reserve").exists():
            raise RunError("no space")
        plain(path, content, **options)

    with suppress(RunError), JobProcess(root, 1) as process:
        assert (process.path / "reserve").stat().st_size >= 10_000
        process.wait_for_turn(no_wait)
        monkeypatch.setattr(module, "write_atomic", nearly_full)
        process.beat()
        raise RunError("no space for the weights")
    assert find_job(root, 1).reason == "no space for the weights"
    assert not (process.path / "reserve").exists()


def test_the_log_is_kept_short(root, monkeypatch):
    monkeypatch.setattr(module, "MAX_LOG_BYTES", 1_000)
    log = job_path(root, 1) / "log.txt"
    with JobProcess(root, 1), log.open("ab", buffering=0) as file:
        for line in range(500):
            file.write(f"line {line}\n".encode())
        wait_until(lambda: log.stat().st_size <= 1_000)
        file.write(b"last\n")
    lines = log.read_text().splitlines()
    assert lines[-2:] == ["line 499", "last"] and len(lines) > 40
