"""A job's state, however its process ended, and the list of jobs."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace

import pytest
from filelock import FileLock

from core.training import job as job_module
from core.training import jobs
from core.training.job import KILLED, find_job, job_path, list_jobs, read_job
from core.training.process import identify
from tests.job_helpers import REQUEST, beat, dead_process, request, write


@pytest.fixture
def dead():
    return dead_process()


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


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_end_of_a_job_without_a_process_is_damage(tmp_path, content):
    job = jobs.register(REQUEST, tmp_path)
    write(job.path, "process.json", **dead_process().to_dict())
    (job.path / "end.json").write_text(content)
    [found] = list_jobs(tmp_path)
    assert (found.state, found.reason[:8]) == ("damaged", "end.json")


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
