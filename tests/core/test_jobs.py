"""Jobs: what state they are in, however their process ended; registering, ordering, forgetting."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from core.errors import UsageError
from core.training import job as job_module
from core.training import jobs
from core.training.job import KILLED, find_job, job_path, list_jobs, read_job
from core.training.process import boot_id, identify, uptime
from core.training.request import make_request
from core.training.storage import to_json
from core.training.turn import is_next, take_turn
from tests.fixtures_runs import write_run

REQUEST = make_request("digits", ["gn"], epochs=2)


def request(seed: int):
    return replace(REQUEST, seeds=(seed,))


@pytest.fixture
def dead():
    """The identity of a process that has ended."""
    process = subprocess.Popen(["sleep", "60"])
    identity = identify(process.pid)
    process.kill()
    process.wait()
    return identity


def write(path: Path, name: str, **fields: object) -> None:
    (path / name).write_bytes(to_json(fields))


def beat(path: Path, phase: str = "running", ago: float = 0, boot: str | None = None) -> None:
    write(path, "progress.json", phase=phase, beat=uptime() - ago, boot=boot or boot_id())


# State


def test_a_job_lives_from_the_moment_it_is_registered(tmp_path):
    job = jobs.register(REQUEST, tmp_path)
    assert (job.id, job.state, job.position, job.reason) == (1, "queued", 1, None)
    assert job.request == REQUEST and job.runs == ("digits/gn/seed-1",) and job.is_living
    with FileLock(job.path / "lock"):
        beat(job.path, "queued")
        assert find_job(tmp_path, 1).state == "queued"
        beat(job.path)
        assert find_job(tmp_path, 1).state == "running"
    # This process lives on, but it has let go of the job.
    assert find_job(tmp_path, 1).state == "interrupted"


def test_a_killed_one_is_interrupted_at_once(tmp_path, dead):
    job = jobs.register(REQUEST, tmp_path)
    jobs.write_owner(job.path, dead)
    assert find_job(tmp_path, 1).state == "interrupted"
    beat(job.path)
    found = find_job(tmp_path, 1)
    assert (found.state, found.reason) == ("interrupted", KILLED)


@pytest.mark.parametrize("change", [{"started": "1"}, {"boot": "another"}])
def test_a_number_given_again_and_a_restart_are_no_sign_of_life(tmp_path, change):
    job = jobs.register(REQUEST, tmp_path)
    jobs.write_owner(job.path, replace(identify(), **change))
    assert find_job(tmp_path, 1).state == "interrupted"
    beat(job.path, boot="another")
    assert find_job(tmp_path, 1).state == "interrupted"


def test_a_lock_that_outlives_its_process_is_no_sign_of_life_for_long(tmp_path, dead):
    """A child may have inherited it; in another container the process cannot be seen."""
    job = jobs.register(REQUEST, tmp_path)
    jobs.write_owner(job.path, dead)
    with FileLock(job.path / "lock"):
        for ago, state in ((0, "running"), (9, "running"), (11, "interrupted")):
            beat(job.path, ago=ago)
            assert find_job(tmp_path, 1).state == state, ago
        beat(job.path, ago=99, boot="of another machine")
        assert find_job(tmp_path, 1).state == "running"


def test_a_process_that_hangs_runs_and_says_for_how_long(tmp_path):
    job = jobs.register(REQUEST, tmp_path)
    with FileLock(job.path / "lock"):
        beat(job.path, ago=60)
        found = find_job(tmp_path, 1)
    assert found.state == "running" and found.silent == pytest.approx(60, abs=5)
    assert found.reason.startswith("no sign of life for 6")


@pytest.mark.parametrize("shift", [-86_400, 86_400])
def test_a_clock_that_jumps_a_day_changes_nothing(tmp_path, shift, monkeypatch):
    job = jobs.register(REQUEST, tmp_path)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + shift)
    with FileLock(job.path / "lock"):
        beat(job.path)
        os.utime(job.path / "progress.json", (real() + shift,) * 2)
        found = find_job(tmp_path, 1)
        second = jobs.register(request(2), tmp_path)
    assert (found.state, second.id) == ("running", 2) and 0 <= found.silent < 5


@pytest.mark.parametrize(
    ("end", "state"),
    [
        ({"state": "done", "reason": None}, "done"),
        ({"state": "failed", "reason": "no space"}, "failed"),
        ({"state": "stopped", "reason": "so"}, "stopped"),
        ({"state": "running", "reason": None}, "damaged"),
        ({"state": "done", "reason": 7}, "damaged"),
        ({"state": ["done"], "reason": None}, "damaged"),
        ({}, "queued"),
    ],
)
def test_how_it_ended_is_believed_if_it_can_be_read(tmp_path, end, state):
    job = jobs.register(REQUEST, tmp_path)
    write(job.path, "end.json", **end, epoch=2, epochs=2, seconds=1.5, seconds_left=3)
    if not end:
        (job.path / "end.json").write_text("{")
    found = read_job(tmp_path, 1)
    assert found.state == state
    if state in ("done", "failed", "stopped"):
        assert found.reason == end["reason"]
        assert (found.epoch, found.seconds, found.seconds_left) == (2, 1.5, None)


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "{}", '{"kind": "train", "runs": ["x"]}', '{"kind": 1, "runs": []}'),
        '{"kind": "resume", "runs": [1]}',
        json.dumps({"kind": "train", "runs": [], "request": {"seeds": 5}}),
    ],
)
def test_a_damaged_job_is_listed_and_fails_nothing(tmp_path, content):
    first, second = (jobs.register(request(seed), tmp_path) for seed in (1, 2))
    (first.path / "job.json").write_text(content)
    listed = {job.id: job for job in list_jobs(tmp_path)}
    assert listed[first.id].state == "damaged" and listed[first.id].reason
    assert listed[second.id].state == "queued" and listed[second.id].position == 1


@pytest.mark.parametrize("kind", ["file", "fifo", "link", "empty"])
def test_what_is_no_job_folder_is_listed(tmp_path, kind):
    folder = tmp_path / ".jobs"
    folder.mkdir()
    path = folder / "7"
    {
        "file": path.touch,
        "fifo": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to(path),
        "empty": path.mkdir,
    }[kind]()
    (folder / "notes").mkdir()
    assert [(job.id, job.state) for job in list_jobs(tmp_path)] == [(7, "damaged")]


def test_ten_thousand_entries_are_listed_within_a_second(tmp_path):
    jobs.register(REQUEST, tmp_path)
    first = job_path(tmp_path, 1)
    (first.parent / "end").write_bytes(b'{"state": "done", "reason": null}')
    for number in range(2, 10_001):
        path = job_path(tmp_path, number)
        path.mkdir()
        if number % 10 == 0:
            os.link(first.parent / "end", path / "end.json")
            os.link(first / "job.json", path / "job.json")
    started = time.process_time()
    found = list_jobs(tmp_path)
    assert time.process_time() - started < 1
    assert [job.id for job in found[:3]] == [1, 10_000, 9_999] and len(found) == 51
    assert [job.state for job in found[:3]] == ["queued", "done", "damaged"]


def test_only_the_newest_that_have_ended_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "KEPT", 3)
    waiting = jobs.register(request(1), tmp_path)
    for seed in range(2, 9):
        job = jobs.register(request(seed), tmp_path)
        write(job.path, "end.json", state="done", reason=None)
    assert sorted(job_module.job_numbers(tmp_path)) == [waiting.id, 5, 6, 7, 8]


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
