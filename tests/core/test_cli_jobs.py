"""Jobs from the command line, and real processes in the background that are stopped and killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from core.__main__ import app
from core.cli import training
from core.device import DeviceChoice
from core.errors import DataError
from core.training import jobs
from core.training import trainer as trainer_module
from core.training.job import Job, find_job, list_jobs
from core.training.process import identify, identity_from_dict
from core.training.request import make_request
from core.training.runs import list_runs, read_run
from core.training.shard import Shard
from core.training.storage import read_json
from tests.job_helpers import dead_process
from tests.training_helpers import REPOSITORY, start_tiny, tiny_data, train_tiny

DIGITS = ("--dataset", "digits", "--epochs", "1")


def run_cli(*arguments: object, **options: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


def document(result: Result, exit_code: int = 0):
    assert result.exit_code == exit_code, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NORMLAB_DATA", "NORMLAB_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("core.training.runs.SHIPPED_DIR", tmp_path / "checkpoints")
    monkeypatch.setattr(trainer_module, "load_training_data", lambda *args: tiny_data())
    return tmp_path


# In this process


def test_a_training_in_a_terminal_is_a_job_that_others_see(home, monkeypatch):
    seen: list[Job] = []
    plain = Shard.step

    def step(self: Shard, batch_size: int) -> None:
        seen.extend(list_jobs(home / "runs"))
        plain(self, batch_size)

    monkeypatch.setattr(Shard, "step", step)
    run_cli("train", "gn", *DIGITS, "--name", "First", "--note", "So")
    assert {(job.id, job.state) for job in seen} == {(1, "running")}
    (job,) = document(run_cli("jobs", "--json"))["jobs"]
    assert (job["job"], job["state"], job["runs"]) == (1, "done", ["digits/gn/seed-1"])
    assert job["steps_done"] == job["total_steps"] > 0 and job["epoch"] == job["epochs"] == 1
    assert (
        job["request"]
        == make_request("digits", ["gn"], epochs=1, name="First", note="So").to_dict()
    )
    (run,) = document(run_cli("runs", "--json"))["runs"]
    assert (run["title"], run["note"]) == ("First", "So")
    assert "Group norm" in run_cli("jobs").stdout


def test_every_setting_of_a_request_can_be_given(home):
    result = run_cli(
        *("train", "gn", "--norm", "group", "--channels-per-group", 4, "--l1", 1e-4),
        *("--weight-decay", 1e-3, "--batch-size", 32, "--learning-rate", 0.02, "--momentum", 0.8),
        *("--step-size", 2, "--gamma", 0.5, "--rotation", 5, "--seeds", "1,2", *DIGITS, "--json"),
    )
    runs = document(result)["runs"]
    assert [run["variant"].rsplit("_", 1)[0] for run in runs] == ["gn", "gn", *["gn_l1_l2"] * 2]
    run = read_run(home / "runs" / runs[2]["run"], home / "runs")
    own = run.variant
    assert (own.channels_per_group, own.l1_weight, own.weight_decay) == (4, 1e-4, 1e-3)
    assert run.info["recipe"] == {
        "learning_rate": 0.02,
        "momentum": 0.8,
        "step_size": 2,
        "gamma": 0.5,
        "batch_size": 32,
        "rotation_degrees": 5.0,
        "fill": 1,
    }
    plain = document(run_cli("train", "gn", *DIGITS, "--json"))["runs"]
    assert plain[0]["run"] == "digits/gn/seed-1" and len(list_runs(home / "runs")) == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--learning-rate", "nan"), "--learning-rate is nan"),
        (("--batch-size", "0"), "--batch-size is 0"),
        (("--momentum", "1"), "--momentum is 1.0"),
        (("--gamma", "inf"), "gamma"),
        (("--rotation", "nan"), "--rotation is nan"),
        (("--name", "../x"), "--name is '../x'"),
        (("--epochs", "1000000000"), "epochs is 1000000000"),
        (("--seeds", "-1"), "'-1'"),
        (("--l1", "1e-4"), "without --norm"),
        (("--norm", "instance"), "norm 'instance'"),
        (("--norm", "group", "--channels-per-group", "3"), "--channels-per-group is 3"),
        (("--norm", "batch", "--channels-per-group", "2"), "nothing to --norm batch: leave"),
        (("--norm", "batch", "--weight-decay", "nan"), "--weight-decay is nan"),
        (("--device", "tpu"), "device 'tpu'"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("detach", [(), ("--detach",)], ids=["here", "detached"])
def test_absurd_settings_are_refused_before_anything_starts(home, arguments, words, detach):
    result = run_cli("train", "gn", "--dataset", "digits", *arguments, *detach)
    assert result.exit_code == 2 and result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert words in line and list(home.iterdir()) == []


def test_failures_are_told_by_the_job_too(home, monkeypatch):
    def step(self: Shard, batch_size: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    def fetch(*args: object) -> None:
        raise DataError("train-images-idx3-ubyte is truncated: fetch it again.")

    with monkeypatch.context() as patch:
        patch.setattr(Shard, "step", step)
        choice = DeviceChoice("cuda", "a GPU", "the first choice")
        patch.setattr(training, "select_device", lambda asked: choice)
        assert run_cli("train", "gn", *DIGITS).exit_code == 1
    with monkeypatch.context() as patch:
        patch.setattr(training, "_fetch_if_missing", fetch)
        assert run_cli("train", "ln", *DIGITS).exit_code == 1
    with monkeypatch.context() as patch:
        patch.setattr(Shard, "evaluate", lambda self: (torch.full((1,), torch.nan), torch.ones(1)))
        assert run_cli("train", "bn_l1", *DIGITS).exit_code == 1
    found = {job["job"]: job for job in document(run_cli("jobs", "--json"))["jobs"]}
    assert {job["state"] for job in found.values()} == {"failed"}
    assert found[1]["reason"].startswith("out of memory") and "--device cpu" in found[1]["reason"]
    assert found[2]["reason"] == "train-images-idx3-ubyte is truncated: fetch it again."
    assert "diverged: the loss was not finite in epoch 1; train it anew" in found[3]["reason"]
    assert found[3]["reason"].endswith("with a lower --learning-rate")


def test_a_stopped_job_is_resumed_as_another(home, monkeypatch):
    plain = Shard.step

    def step(self: Shard, batch_size: int) -> None:
        plain(self, batch_size)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.02)

    with monkeypatch.context() as patch:
        patch.setattr(Shard, "step", step)
        run_cli("train", "gn", *DIGITS)
    assert find_job(home / "runs", 1).reason == "digits/gn/seed-1: stopped in epoch 1"
    document(run_cli("resume", "--json"))
    job = find_job(home / "runs", 2)
    assert (job.state, job.kind, job.runs) == ("done", "resume", ("digits/gn/seed-1",))
    assert job.summary == "Going on with digits/gn/seed-1."


def test_a_job_is_resumed_by_its_number(home):
    root = home / "runs"
    wanted = make_request("digits", ["gn", "ln"], epochs=1, name="Mine")
    for seed in (1, 2):
        lost = jobs.register(replace(wanted, seeds=(seed,)), root)
        jobs.write_owner(lost.path, dead_process())
    for job in document(run_cli("jobs", "--json"))["jobs"]:
        assert job["reason"].endswith(f": go on with `python -m core resume {job['job']}`")
    # The first never began; of the second, one run did.
    runs = document(run_cli("resume", 1, "--json"))["runs"]
    assert {(run["run"], run["state"], run["title"]) for run in runs} == {
        ("digits/gn/seed-1", "done", "Mine"),
        ("digits/ln/seed-1", "done", "Mine"),
    }
    (path,) = train_tiny(root, ("gn", 2, 1))
    (path / "manifest.json").unlink()
    runs = document(run_cli("resume", 2, "--json"))["runs"]
    assert [(run["run"], run["state"]) for run in runs] == [
        ("digits/gn/seed-2", "done"),
        ("digits/ln/seed-2", "done"),
    ]
    assert [job.state for job in list_jobs(root)][:2] == ["done", "done"]
    first, second = reversed(document(run_cli("jobs", "--json"))["jobs"][2:])
    for job in (first, second):
        assert job["state"] == "interrupted" and "resume" not in job["reason"]
        assert job["reason"].endswith("; its runs are done, deleted or in another job")
    again = run_cli("resume", 2)
    assert again.exit_code == 2 and "left nothing to go on with" in again.stderr
    assert "number of one job" in run_cli("resume", 1, 2).stderr


def test_what_goes_into_the_background_names_its_runs(home, monkeypatch):
    """With the job of another process before it, so that it waits."""
    jobs.register(make_request("digits", ["ln"]), home / "runs")
    monkeypatch.setattr(jobs, "launcher", lambda *args: lambda path: identify())
    found = document(run_cli("train", "gn", *DIGITS, "--seeds", "1,2", "--detach", "--json"))
    assert [(run["run"], run["state"], run["epochs"]) for run in found["runs"]] == [
        ("digits/gn/seed-1", "queued", 1),
        ("digits/gn/seed-2", "queued", 1),
    ]
    assert found["job"]["runs"] == [run["run"] for run in found["runs"]]


def test_waiting_jobs_are_listed_moved_and_left_alone(home):
    root = home / "runs"
    for key in ("gn", "ln"):
        jobs.register(make_request("digits", [key]), root)
    rows = document(run_cli("runs", "--json"))["runs"]
    assert [(row["run"], row["state"]) for row in rows] == [
        ("digits/gn/seed-1", "queued"),
        ("digits/ln/seed-1", "queued"),
    ]
    moved = document(run_cli("queue", 2, 1, "--json"))["jobs"]
    assert [(job["job"], job["position"]) for job in moved] == [(2, 1), (1, 2)]
    busy = run_cli("train", "gn", *DIGITS)
    assert busy.exit_code == 2 and "Job 1 waits to train digits/gn/seed-1" in busy.stderr
    for arguments in ((), ("1", "--all"), ("7",), ("digits/gn/seed-9",), ("x" * 300,)):
        refused = run_cli("stop", *arguments)
        assert refused.exit_code == 2 and len(refused.stderr.splitlines()) == 1
    assert document(run_cli("stop", "--all", "--runs-dir", "none", "--json")) == {"jobs": []}


def test_runs_are_named_exported_deleted_and_imported(home):
    root = home / "runs"
    (path,) = train_tiny(root, ("gn", 1, 1))
    name = "digits/gn/seed-1"
    (row,) = document(run_cli("label", name, "--name", "Good", "--json"))["runs"]
    assert row["title"] == "Good"
    assert run_cli("label", name).exit_code == 2
    exported = document(run_cli("export", name, "--json"))
    assert exported["runs"][0]["shipped"] is False
    assert exported["file"] == "digits-gn-seed-1.zip" and (home / exported["file"]).is_file()
    assert run_cli("export", name).exit_code == 2  # it exists
    assert "Nothing was deleted" in run_cli("delete", name, input="n\n").stderr and path.exists()
    unanswered = run_cli("delete", name, input="")
    assert unanswered.exit_code == 2 and unanswered.stdout == "" and path.exists()
    assert unanswered.stderr.endswith("give --yes to say so.\n")
    deleted = document(run_cli("delete", name, "--json", input="y\n"))["runs"]
    assert [run["run"] for run in deleted] == [name] and not path.exists()
    # Trained on a part of the data, which no imported run may be.
    refused = run_cli("import", exported["file"])
    assert refused.exit_code == 1 and "was not imported" in refused.stderr
    assert refused.stderr.endswith(". Export the run again.\n")
    assert list_runs(root) == []


def test_an_exported_run_is_imported(home, monkeypatch):
    monkeypatch.setattr("core.training.runs.SHIPPED_DIR", REPOSITORY / "checkpoints")
    name = "digits/gn/seed-1"
    said = run_cli("export", name, "--to", "here.zip").stdout
    assert said == f"written to here.zip: {name} (shipped)\n"
    assert [r["run"] for r in document(run_cli("import", "here.zip", "--json"))["runs"]] == [name]
    again = run_cli("import", "here.zip")
    assert again.exit_code == 2 and "already trained" in again.stderr
    assert document(run_cli("delete", name, "--yes", "--json"))["runs"][0]["run"] == name


# Real processes

STARTER = """
import sys, time
from pathlib import Path
from core.training import jobs
from core.training.request import make_request
from core.training.runs import list_runs
root = Path(sys.argv[1])
unfinished = list_runs(root)
jobs.start(make_request("digits", ["gn"], epochs=500, device="cpu"), root)
jobs.start_resume(unfinished, root, device="cpu")
print("started", flush=True)
time.sleep(600)
"""


def wait_for(root: Path, number: int, wanted, seconds: float = 120) -> Job:
    deadline = time.monotonic() + seconds
    while not wanted(job := find_job(root, number)):
        assert time.monotonic() < deadline, (job, job.log.read_text())
        time.sleep(0.02)
    return job


@pytest.mark.thorough
def test_jobs_outlive_their_starter_and_the_queue_outlives_a_kill(home):
    root = home / "runs"
    with ExitStack() as stack:
        next(start_tiny(stack, root, ("ln", 1, 500)).run())
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(root)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert starter.stdout.readline() == b"started\n"
    os.killpg(starter.pid, signal.SIGKILL)
    starter.communicate()
    try:
        _outlive(root)
    finally:
        for job in list_jobs(root):
            identity = identity_from_dict(read_json(job.path / "process.json"))
            identity.send(signal.SIGKILL)


def _outlive(root: Path) -> None:
    assert find_job(root, 2).position in (1, 2)
    first = wait_for(root, 1, lambda job: bool(job.seconds_left))
    assert first.state == "running" and find_job(root, 2).position == 1
    assert first.seconds_left > 1 and first.total_steps == 500 * 23
    with pytest.raises(jobs.UsageError, match="is being trained right now"):
        jobs.start(first.request, root)
    # kill -9: seen at once, and the next one's turn comes by itself.
    identity_from_dict(read_json(first.path / "process.json")).send(signal.SIGKILL)
    wait_for(root, 1, lambda job: job.state == "interrupted")
    assert read_run(root / "digits/gn/seed-1", root).state == "interrupted"
    begun = wait_for(root, 2, lambda job: job.epoch > 1)
    assert begun.kind == "resume" and begun.runs == ("digits/ln/seed-1",)
    started = time.monotonic()
    jobs.stop(root, 2)
    second = jobs.wait_until_ended(root, 2, 30)
    assert second.state == "stopped" and time.monotonic() - started < 5
    run = read_run(root / "digits/ln/seed-1", root)
    assert run.state == "stopped" and run.epoch >= begun.epoch
    assert "digits/ln/seed-1" in second.log.read_text()
