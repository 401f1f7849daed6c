"""Going on with what an ended job left: runs half way, runs that never began, a lost queue."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.config import VARIANTS
from core.errors import UsageError
from core.training import jobs
from core.training.job import KILLED, KILLED_BEFORE, Job, find_job
from core.training.job_runs import runs_of
from core.training.request import make_request
from tests.fixtures_runs import write_run
from tests.job_helpers import beat, dead_process, write

WANTED = make_request("digits", ["gn"], seeds=(1, 2, 3), name="Mine", device="cpu")


@pytest.fixture
def job(tmp_path) -> Job:
    """A job whose process is gone."""
    job = jobs.register(WANTED, tmp_path)
    jobs.write_owner(job.path, dead_process())
    return job


def make_run(root: Path, seed: int, state: str = "interrupted") -> Path:
    path = write_run(root, "digits", VARIANTS["gn"], seed)
    if state != "done":
        (path / "manifest.json").unlink()
        (path / "status.json").write_text(f'{{"state": "{state}"}}')
    return path


def states(root: Path, number: int = 1) -> list[tuple[int, str]]:
    return [(run.seed, run.state) for run in runs_of(find_job(root, number), root)]


def test_a_waiting_job_that_a_restart_killed_is_started_anew(tmp_path, job):
    lost = find_job(tmp_path, 1)
    assert (lost.state, lost.reason) == ("interrupted", KILLED_BEFORE)
    assert states(tmp_path) == [(1, "interrupted"), (2, "interrupted"), (3, "interrupted")]
    again = jobs.register_resume_job(tmp_path, 1)
    assert (again.id, again.kind, again.request) == (2, "train", WANTED)
    assert states(tmp_path, 2) == [(1, "queued"), (2, "queued"), (3, "queued")]
    with pytest.raises(UsageError, match="Job 2 is queued: only one that has ended"):
        jobs.register_resume_job(tmp_path, 2)
    with pytest.raises(UsageError, match="Job 2 waits to train digits/gn/seed-1 already"):
        jobs.register_resume_job(tmp_path, 1)


@pytest.mark.parametrize(("state", "reason"), [("stopped", "cancelled"), ("failed", "no data")])
def test_one_that_ended_before_it_began_is_started_anew(tmp_path, job, state, reason):
    write(job.path, "end.json", state=state, reason=reason)
    assert states(tmp_path)[0] == (1, state)
    again = jobs.register_resume_job(tmp_path, 1, device="cuda")
    assert again.kind == "train" and again.request.device == "cuda"


def test_unfinished_runs_go_on_and_finished_ones_stay(tmp_path, job):
    for seed, state in ((1, "done"), (2, "stopped"), (3, "failed")):
        make_run(tmp_path, seed, state)
    beat(job.path)
    assert find_job(tmp_path, 1).reason == KILLED
    again = jobs.register_resume_job(tmp_path, 1)
    assert (again.kind, again.request) == ("resume", None)
    assert again.runs == ("digits/gn/seed-2", "digits/gn/seed-3")


def test_what_a_kill_kept_from_beginning_is_begun_with_the_rest(tmp_path, job):
    make_run(tmp_path, 1)
    again = jobs.register_resume_job(tmp_path, 1)
    assert (again.kind, again.request, again.runs) == ("resume", WANTED, WANTED.runs)
    assert again.summary.startswith("Going on with digits/gn/seed-1, ")
    assert states(tmp_path, 2) == [(1, "interrupted"), (2, "queued"), (3, "queued")]
    write(again.path, "end.json", state="stopped", reason=None, total_steps=5)
    assert jobs.register_resume_job(tmp_path, 2).runs == WANTED.runs


def test_what_was_trained_and_deleted_is_not_trained_again(tmp_path, job):
    for seed in (1, 2):
        make_run(tmp_path, seed)
    write(job.path, "end.json", state="stopped", reason=None, steps_done=5, total_steps=9)
    assert states(tmp_path) == [(1, "interrupted"), (2, "interrupted")]
    shutil.rmtree(tmp_path / "digits/gn/seed-1")
    assert jobs.register_resume_job(tmp_path, 1).runs == ("digits/gn/seed-2",)


def test_nothing_left_is_said(tmp_path, job):
    for seed in (1, 2, 3):
        make_run(tmp_path, seed, "done")
    write(job.path, "end.json", state="done", reason=None, total_steps=9)
    for _ in range(2):
        with pytest.raises(UsageError, match="Job 1 left nothing to go on with"):
            jobs.register_resume_job(tmp_path, 1)
        shutil.rmtree(tmp_path / "digits", ignore_errors=True)
    with pytest.raises(UsageError, match="no job 9"):
        jobs.register_resume_job(tmp_path, 9)


def test_names_that_lead_elsewhere_are_no_runs(tmp_path, job):
    content = (job.path / "job.json").read_text().replace("digits/gn/seed-1", "../../seed-1")
    (job.path / "job.json").write_text(content)
    assert [run.seed for run in runs_of(find_job(tmp_path, 1), tmp_path)] == [2, 3]
