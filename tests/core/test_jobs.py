"""Jobs: registered once, put in order, taken one at a time, forgotten."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from core.errors import UsageError
from core.training import jobs
from core.training.job import find_job, job_path, list_jobs
from core.training.turn import is_next, take_turn
from tests.fixtures_runs import write_run
from tests.job_helpers import REQUEST, beat, dead_process, request, write


@pytest.fixture
def dead():
    return dead_process()


# Registering


def test_the_same_runs_are_not_started_twice(tmp_path):
    jobs.register(REQUEST, tmp_path)
    with pytest.raises(UsageError, match="Job 1 waits to train digits/gn/seed-1 already"):
        jobs.register(replace(REQUEST, seeds=(1, 2)), tmp_path)
    jobs.register(request(2), tmp_path)
    assert [job.id for job in list_jobs(tmp_path)] == [1, 2]


def start_at(root: Path, barrier, answers) -> None:
    barrier.wait(30)
    try:
        answers.put(jobs.register(REQUEST, root).id)
    except UsageError as error:
        answers.put(str(error))
    barrier.wait(30)


def test_of_two_starts_at_once_one_is_told(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(4), context.Queue()
    processes = [
        context.Process(target=start_at, args=(tmp_path, barrier, answers)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    found = [answers.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(map(str, found))[0] == "1"
    assert sum("already" in str(answer) for answer in found) == 3


def test_a_run_that_exists_or_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    write_run(tmp_path, "digits", REQUEST.variants[0], 1)
    with pytest.raises(UsageError, match="already trained"):
        jobs.register(REQUEST, tmp_path)
    monkeypatch.setattr("core.training.checks.os.access", lambda *args: False)
    with pytest.raises(UsageError, match="cannot be written"):
        jobs.register(request(2), tmp_path)
    with pytest.raises(UsageError, match="cannot be written"):
        jobs.register_resume([], tmp_path)
    assert not (tmp_path / ".jobs").exists()


def test_a_process_that_cannot_be_started_leaves_nothing(tmp_path):
    def owner(path: Path):
        raise OSError(11, "Resource temporarily unavailable")

    with pytest.raises(jobs.RunError, match="Resource temporarily unavailable"):
        jobs.register(REQUEST, tmp_path, owner)
    assert list_jobs(tmp_path) == []


def test_leftovers_of_a_kill_are_cleared_and_numbers_not_given_twice(tmp_path):
    old, fresh = (tmp_path / ".jobs" / name for name in (".new-old", ".import-fresh"))
    for path in (old, fresh):
        path.mkdir(parents=True)
    os.utime(old, (1, 1))
    first = jobs.register(REQUEST, tmp_path)
    assert not old.exists() and fresh.exists()
    write(first.path, "end.json", state="done", reason=None)
    assert jobs.register(request(2), tmp_path).id == 2


def test_a_leftover_that_somebody_removes_meanwhile_is_no_failure(tmp_path, monkeypatch):
    gone = tmp_path / ".jobs" / ".import-gone"
    monkeypatch.setattr(Path, "glob", lambda self, pattern: [gone] if pattern == ".*-*" else [])
    assert jobs.register(REQUEST, tmp_path).id == 1


# The queue


@pytest.fixture
def three(tmp_path):
    for seed in (1, 2, 3):
        jobs.register(request(seed), tmp_path)
    return tmp_path


def waiting(root: Path) -> list[int]:
    return [job.id for job in list_jobs(root) if job.position]


def test_the_queue_can_be_put_in_order(three):
    assert waiting(three) == [1, 2, 3]
    assert [job.id for job in jobs.move(three, 3, 1)] == [3, 1, 2]
    assert [job.id for job in jobs.move(three, 3, 2)] == [1, 3, 2]
    assert jobs.register(request(4), three).position == 4
    assert waiting(three) == [1, 3, 2, 4]
    (three / ".jobs" / "order.json").write_text('{"order": ["x", {}, 2')
    assert waiting(three) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("number", "position", "words"), [(1, 0, "0"), (1, 4, "4"), (9, 1, "no job 9")]
)
def test_a_place_that_does_not_exist_is_refused(three, number, position, words):
    with pytest.raises(UsageError, match=words):
        jobs.move(three, number, position)
    assert waiting(three) == [1, 2, 3]


def test_one_trains_at_a_time_and_a_killed_one_is_passed_over(three, dead):
    assert is_next(three, 1) and not is_next(three, 2)
    assert take_turn(three, 2) is None
    turn = take_turn(three, 1)
    assert turn is not None
    with FileLock(job_path(three, 1) / "lock"):
        beat(job_path(three, 1))
        assert not is_next(three, 2)
    jobs.write_owner(job_path(three, 2), dead)
    assert not is_next(three, 3)
    turn.release()
    assert is_next(three, 3) and waiting(three) == [3]


def test_only_what_lives_is_stopped_and_this_process_only_by_word(three):
    job = jobs.stop(three, 1)
    assert (job.path / "stop").exists()
    write(job.path, "end.json", state="done", reason=None)
    with pytest.raises(UsageError, match="Job 1 is done: there is nothing to stop"):
        jobs.stop(three, 1)
    with pytest.raises(UsageError, match="no job 9"):
        jobs.stop(three, 9)


def test_a_waiting_one_that_was_stopped_and_is_gone_was_cancelled(three, dead):
    jobs.stop(three, 2)
    jobs.write_owner(job_path(three, 2), dead)
    found = find_job(three, 2)
    assert (found.state, found.reason) == ("stopped", "cancelled while it waited")
    shutil.rmtree(job_path(three, 2))
    assert waiting(three) == [1, 3]
