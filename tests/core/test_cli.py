"""The command line: documents, tables, progress, signals, and real processes that are killed."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from core.__main__ import app
from core.cli import fetch, training
from core.config import VARIANTS
from core.data import datasets
from core.training import trainer as trainer_module
from core.training.checkpoint import FILE_NAME
from core.training.engine import Engine
from core.training.job import KILLED, list_jobs
from core.training.runs import INSIGHTS_FILE, list_runs, read_metrics, read_run
from core.training.shard import Shard
from core.training.storage import sha256
from tests.training_helpers import start_process, tiny_data, train_tiny, without_seconds


def run_cli(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def document(result: Result, exit_code: int = 0):
    """What is on standard output, which must be one JSON document and nothing else."""
    assert result.exit_code == exit_code, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in, without data sets and without shipped runs."""
    monkeypatch.chdir(tmp_path)
    for name in ("NORMLAB_DATA", "NORMLAB_DEVICE", "NORMLAB_CHECKPOINTS", "NORMLAB_RUNS"):
        monkeypatch.delenv(name, raising=False)
    for module in ("core.training.runs", "core.cli.reports", "core.cli.doctor"):
        monkeypatch.setattr(f"{module}.SHIPPED_DIR", tmp_path / "checkpoints")
    return tmp_path


@pytest.fixture
def small(monkeypatch):
    """Training takes a moment."""
    monkeypatch.setattr(trainer_module, "load_training_data", lambda *args: tiny_data())


# Reports


def test_variants_as_a_document_and_as_a_table():
    rows = document(run_cli("variants", "--json"))
    keys = ["key", "norm", "num_groups", "l1_weight", "weight_decay", "epochs"]
    assert [list(row) for row in rows] == [keys] * 6
    assert rows[0] == dict(zip(keys, ("gn", "group", [4, 4, 6, 6, 6, 6, 8], 0, 0, 20), strict=True))
    assert [row["key"] for row in rows] == list(VARIANTS)
    assert rows[2]["num_groups"] is None
    table = run_cli("variants").stdout
    assert all(key in table for key in (*VARIANTS, *keys, "4,4,6,6,6,6,8", "5e-05"))


@pytest.mark.parametrize("key", VARIANTS)
def test_summary(key):
    found = document(run_cli("summary", key, "--json"))
    assert found["variant"] == key
    for name in ("trainable_parameters", "buffers", "multiply_adds"):
        assert sum(layer[name] for layer in found["layers"]) == found[name]
    assert found["trainable_parameters"] == 7_946
    wanted = {"name", "type", "output_shape", "trainable_parameters", "buffers", "multiply_adds"}
    assert all(wanted <= layer.keys() for layer in found["layers"])
    table = run_cli("summary", key).stdout
    assert VARIANTS[key].label in table and "7946" in table and "conv7" in table


def test_runs_are_listed_with_their_state_and_reason(home):
    assert document(run_cli("runs", "--json")) == {"runs": []}
    (path,) = train_tiny(home / "runs", ("gn", 3, 1))
    (home / "runs/digits/ln/seed-1").mkdir(parents=True)
    first, second = document(run_cli("runs", "--json"))["runs"]
    accuracy = read_run(path, home / "runs").final["test_accuracy_percent"]
    assert first == {
        "run": "digits/gn/seed-3",
        "variant": "gn",
        "seed": 3,
        "dataset": "digits",
        "state": "done",
        "epoch": 1,
        "epochs": 1,
        "reason": None,
        "accuracy_percent": accuracy,
        "shipped": False,
    }
    assert second["accuracy_percent"] is None
    assert second["state"] == "damaged" and second["reason"] == "run.json is missing"
    table = run_cli("runs").stdout
    assert table.split("\n")[0].rstrip() == "Runs in runs"
    assert f"{accuracy:.2f}" in table and "1/1" in table and "run.json is missing" in table
    assert document(run_cli("runs", "--shipped", "--json")) == {"runs": []}
    train_tiny(home / "checkpoints", ("ln", 2, 1))
    shipped = document(run_cli("runs", "--shipped", "--json"))["runs"]
    assert [(run["run"], run["shipped"]) for run in shipped] == [("digits/ln/seed-2", True)]
    assert "Runs that came with NormLab" in run_cli("runs", "--shipped").stdout
    elsewhere = document(run_cli("runs", "--runs-dir", home / "checkpoints", "--json"))["runs"]
    assert elsewhere == shipped


def test_evaluate_finds_what_training_said(home):
    """Trained on few images, evaluated on all 360; and by name or all that are shipped."""
    train_tiny(home / "runs", ("bn_l1", 1, 1))
    by_name = document(run_cli("evaluate", "digits/bn_l1/seed-1", "--dataset", "digits", "--json"))
    assert by_name["dataset"] == "digits"
    (row,) = by_name["runs"]
    wanted = ["run", "variant", "seed", "num_images", "errors", "accuracy_percent", "cross_entropy"]
    assert list(row) == [*wanted, "low_percent", "high_percent", "shipped"]
    assert 0 < row["low_percent"] < row["accuracy_percent"] < row["high_percent"]
    assert (row["run"], row["variant"], row["seed"]) == ("digits/bn_l1/seed-1", "bn_l1", 1)
    assert row["num_images"] == 360
    assert row["accuracy_percent"] == pytest.approx(100 * (1 - row["errors"] / 360))
    train_tiny(home / "checkpoints", ("gn", 1, 1), ("bn_l1", 1, 1))
    shipped = document(run_cli("evaluate", "--dataset", "digits", "--json"))["runs"]
    assert [found["variant"] for found in shipped] == ["gn", "bn_l1"]
    # The one made here was taken; the other is the same network.
    assert (row["shipped"], shipped[1]) == (False, {**row, "shipped": True})
    interval = f"{row['low_percent']:.2f} to {row['high_percent']:.2f} (Wilson)"
    taken = run_cli("evaluate", "digits/bn_l1/seed-1").stdout
    assert "│ runs " in taken and "shipped" not in taken and interval in taken
    table = run_cli("evaluate", "--dataset", "digits").stdout
    assert f"{row['accuracy_percent']:.2f}" in table and "│ shipped " in table
    assert document(run_cli("evaluate", "digits/bn_l1/seed-1", "--json")) == by_name


def test_evaluate_does_not_guess_between_data_sets(home):
    for dataset in ("digits", "mnist"):
        train_tiny(home / "runs", ("gn", 1, 1), dataset=dataset)
    result = run_cli("evaluate", "digits/gn/seed-1", "mnist/gn/seed-1")
    assert result.exit_code == 2 and "of digits and mnist: choose one" in result.stderr


def test_doctor_says_what_is_here_and_what_is_missing(home, monkeypatch):
    report = document(run_cli("doctor", "--json"), exit_code=1)
    assert list(report) == [*("versions", "device", "datasets", "runs_intact", "problems", "notes")]
    assert {"python", "torch", "streamlit", "safetensors"} <= report["versions"].keys()
    assert set(report["device"]) == {"type", "name", "reason"}
    present = {found["name"]: found["present"] for found in report["datasets"]}
    assert present == {key: key == "digits" for key in datasets.DATASETS}
    assert all(set(found) == {"name", "present", "damaged", "path"} for found in report["datasets"])
    assert report["runs_intact"] == 0
    # Data that are simply not here are no problem; runs that must be here are.
    assert [line[:16] for line in report["problems"]] == ["no shipped mnist", "no shipped digit"]
    said = run_cli("doctor")
    assert said.exit_code == 1 and "problem: no shipped mnist run of gn, ln" in said.stdout
    assert "not here" in said.stdout


def test_doctor_is_content_with_a_whole_installation(home, small, monkeypatch):
    monkeypatch.setattr(training, "_fetch_if_missing", lambda *args: None)
    for dataset in ("mnist", "digits"):
        command = ("train", "--all", "--epochs", 1, "--runs-dir", "made")
        assert run_cli(*command, "--dataset", dataset).exit_code == 0
    (home / "made").rename(home / "checkpoints")
    report = document(run_cli("doctor", "--json"))
    assert report["runs_intact"] == 12 and report["problems"] == []
    assert "no problems" in run_cli("doctor").stdout


def test_doctor_names_damage(home, write_dataset, monkeypatch):
    files = write_dataset("mnist", home / "data")
    damaged = next(iter(files))
    damaged.write_bytes(damaged.read_bytes()[:-1])
    (path,) = train_tiny(home / "checkpoints", ("gn", 1, 1))
    (path / FILE_NAME).write_bytes(b"")
    monkeypatch.setenv("NORMLAB_DEVICE", "tpu")
    report = document(run_cli("doctor", "--json"), exit_code=1)
    problems = "\n".join(report["problems"])
    assert str(damaged.relative_to(home)) in problems and "Unknown device 'tpu'" in problems
    assert f"digits/gn/seed-1 is damaged: {FILE_NAME}" in problems
    assert report["device"]["type"] is None and report["runs_intact"] == 0


# Training


def test_train_reports_one_document_and_its_progress_apart(home, small):
    result = run_cli(
        *("train", "gn", "bn_l1", "gn", "--seeds", "1,3", "--epochs", 2),
        *("--dataset", "digits", "--device", "cpu", "--json"),
    )
    runs = document(result)["runs"]
    assert [run["run"] for run in runs] == [
        *("digits/gn/seed-1", "digits/gn/seed-3"),
        *("digits/bn_l1/seed-1", "digits/bn_l1/seed-3"),
    ]
    keys = ["run", "variant", "seed", "dataset", "state", "epoch", "epochs", "reason"]
    assert all(list(run) == [*keys, "accuracy_percent", "shipped"] for run in runs)
    assert {(run["state"], run["epoch"], run["epochs"]) for run in runs} == {("done", 2, 2)}
    assert [run.name for run in list_runs(home / "runs")] == [run["run"] for run in runs]
    assert "4 runs on cpu" in result.stderr and "asked for by --device" in result.stderr
    lines = [line for line in result.stderr.splitlines() if " epoch " in line]
    assert len(lines) == 8
    assert all(" train " in line and " test " in line and " % " in line for line in lines)
    assert any(line.rstrip().endswith("left") for line in lines)


def test_all_means_the_six(home, small):
    runs = document(run_cli("train", "--all", "--epochs", 1, "--dataset", "digits", "--json"))
    assert [run["variant"] for run in runs["runs"]] == list(VARIANTS)


def test_train_prints_the_published_figure_beside_its_own(home, small, monkeypatch):
    monkeypatch.setattr(training, "_fetch_if_missing", lambda *args: None)
    for key in ("gn", "ln_l2"):  # as if that were the length of the recipe
        monkeypatch.setitem(VARIANTS, key, replace(VARIANTS[key], epochs=1))
    result = run_cli("train", "gn", "ln_l2")
    assert result.exit_code == 0, result.stderr
    for key, published in (("gn", "99.40"), ("ln_l2", "99.40")):
        (run,) = (run for run in list_runs(home / "runs") if run.variant.key == key)
        (row,) = (line for line in result.stdout.splitlines() if f"mnist/{key}/seed-1" in line)
        ours = f"{run.final['test_accuracy_percent']:.2f}"
        assert row.index(ours) < row.index(published)
        assert "published %" in result.stdout
    others = [
        ("--dataset", "digits"),
        ("--epochs", 2, "--seeds", 2),
        ("--gamma", 0.5, "--seeds", 3),
    ]
    for other in others:
        assert "99.40" not in run_cli("train", "gn", *other).stdout


def test_data_are_fetched_on_first_use(home, small, monkeypatch):
    fetched = []

    def download(key: str, root: Path, progress) -> None:
        fetched.append((key, root))
        progress(5, 10)
        progress(10, 10)

    monkeypatch.setattr(fetch, "download_dataset", download)
    result = run_cli("train", "gn", "--epochs", 1, "--dataset", "kmnist", "--data-dir", "here")
    assert result.exit_code == 0, result.stderr
    assert fetched == [("kmnist", Path("here"))]
    assert "downloading kmnist into here" in result.stderr
    run_cli("train", "gn", "--epochs", 1, "--dataset", "digits")
    assert len(fetched) == 1


def test_the_reason_of_a_fallback_is_shown(home, small, monkeypatch):
    plain = Engine.fit

    said = "step not captured as a CUDA graph: [injected]"

    def fit(self: Engine):
        for record in plain(self):
            self.fallback_reason = said
            yield record

    monkeypatch.setattr(Engine, "fit", fit)
    result = run_cli("train", "gn", "--epochs", 2, "--dataset", "digits")
    lines = [line for line in result.stderr.splitlines() if "epoch  " in line or line == said]
    assert len(lines) == 3 and lines[1] == said and "epoch   2/2" in lines[2]


def test_a_failure_is_one_line_and_the_run_says_it_too(home, small, monkeypatch):
    def step(self: Shard, batch_size: int) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    monkeypatch.setattr(Shard, "step", step)
    result = run_cli("train", "gn", "--epochs", 1, "--dataset", "digits", "--json")
    assert result.exit_code == 1 and result.stdout == ""
    assert result.stderr.rstrip().splitlines()[-1].startswith("normlab: out of memory on")
    (run,) = document(run_cli("runs", "--json"))["runs"]
    assert run["state"] == "failed" and run["reason"].startswith("out of memory")


def test_a_run_that_diverged_ends_with_status_1_and_its_reason(home, small, monkeypatch):
    plain = trainer_module.new_state

    def spoiled(variant, seed):
        state = plain(variant, seed)
        state.parameters[0] = float("nan")
        return state

    monkeypatch.setattr(trainer_module, "new_state", spoiled)
    result = run_cli("train", "gn", "--epochs", 3, "--dataset", "digits", "--json")
    (run,) = document(result, exit_code=1)["runs"]
    assert (run["state"], run["epoch"]) == ("failed", 0) and "diverged" in run["reason"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_after_the_step_and_handlers_are_given_back(
    home, small, monkeypatch, number
):
    before = signal.getsignal(number)
    plain, count = Shard.step, iter(range(1, 1_000))

    def step(self: Shard, batch_size: int) -> None:
        plain(self, batch_size)
        if next(count) == 3:
            os.kill(os.getpid(), number)
            time.sleep(0.05)

    monkeypatch.setattr(Shard, "step", step)
    result = run_cli("train", "gn", "--epochs", 500, "--dataset", "digits", "--json")
    (run,) = document(result, exit_code=128 + number)["runs"]
    assert run["state"] == "stopped" and run["epoch"] < 500
    said = "normlab: Job 1 was stopped: go on with `python -m core resume 1`."
    assert result.stderr.splitlines()[-1] == said
    assert signal.getsignal(number) == before
    monkeypatch.setattr(Shard, "step", lambda *args: os.kill(os.getpid(), number))
    assert run_cli("resume", 1).exit_code == 128 + number


def test_resume_goes_on_with_all_that_is_unfinished(home, small, monkeypatch):
    result = run_cli("resume")
    assert result.exit_code == 0 and "Nothing in runs is unfinished." in result.stderr
    assert document(run_cli("resume", "--json")) == {"runs": []}
    train_tiny(home / "runs", ("gn", 1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "fit", lambda self: iter(()))
        document(run_cli("train", "ln", "bn_l1", "--epochs", 1, "--dataset", "digits", "--json"))
    runs = document(run_cli("resume", "--json"))["runs"]
    assert [(run["run"], run["state"]) for run in runs] == [
        ("digits/ln/seed-1", "done"),
        ("digits/bn_l1/seed-1", "done"),
    ]
    again = run_cli("resume", "digits/ln/seed-1")
    assert again.exit_code == 2 and "is done: only an unfinished run" in again.stderr


def test_resume_trains_runs_of_different_recipes_and_a_name_given_twice(home, small, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "fit", lambda self: iter(()))
        run_cli("train", "gn", "ln", "--epochs", 1, "--dataset", "digits")
    path = home / "runs/digits/ln/seed-1/run.json"
    info = json.loads(path.read_bytes())
    info["recipe"]["learning_rate"] = 0.02
    path.write_text(json.dumps(info))
    names = ["digits/gn/seed-1", "digits/ln/seed-1", "digits/gn/seed-1"]
    runs = document(run_cli("resume", *names, "--json"))["runs"]
    assert [(run["variant"], run["state"]) for run in runs] == [("gn", "done"), ("ln", "done")]
    rates = {
        run.variant.key: read_metrics(run.path)[0]["learning_rate"]
        for run in list_runs(home / "runs")
    }
    assert rates == {"gn": 0.01, "ln": 0.02}


# Real processes

EPOCHS = 4
COMMAND = ("train", "bn_l1", "--epochs", str(EPOCHS), "--dataset", "digits", "--json")
RUN = "digits/bn_l1/seed-1"


def summary(root: Path) -> tuple[str, list[dict], bytes]:
    weights = sha256((root / RUN / FILE_NAME).read_bytes())
    insights = (root / RUN / INSIGHTS_FILE).read_bytes()
    return weights, without_seconds(read_metrics(root / RUN)), insights


def terminate(process, root: Path) -> dict:
    """Meets a trainer at work, then stops it; the run as its document shows it."""
    busy = run_cli(*COMMAND, "--runs-dir", root)
    assert busy.exit_code == 2 and f"{RUN} is being trained right now" in busy.stderr
    also = run_cli("resume", RUN, "--runs-dir", root)
    assert also.exit_code == 2 and f"{RUN} is running" in also.stderr
    process.terminate()
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, stderr
    (run,) = json.loads(stdout)["runs"]
    return run


def kill(process, root: Path) -> dict:
    """Kills a trainer at a random moment; the run as a listing shows it."""
    time.sleep(random.uniform(0, 0.2))
    process.kill()
    process.communicate(timeout=120)
    (job,) = list_jobs(root)
    assert (job.state, job.reason) == ("interrupted", KILLED)
    (run,) = list_runs(root)
    return run.to_dict()


@pytest.mark.thorough
def test_processes_that_are_stopped_or_killed_end_up_as_if_they_had_not_been(home):
    ends = {"stopped": terminate, "interrupted": kill}
    processes = {state: start_process(*COMMAND, "--runs-dir", str(home / state)) for state in ends}
    deadline = time.monotonic() + 300
    try:
        while ends:
            time.sleep(0.01)
            assert time.monotonic() < deadline
            for state in [state for state in ends if read_metrics(home / state / RUN)]:
                run = ends.pop(state)(processes[state], home / state)
                assert run["state"] == state and 1 <= run["epoch"] < EPOCHS
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    document(run_cli(*COMMAND, "--runs-dir", home / "whole"))
    for state in processes:
        (run,) = document(run_cli("resume", "--runs-dir", home / state, "--json"))["runs"]
        assert (run["state"], run["epoch"]) == ("done", EPOCHS)
        assert summary(home / state) == summary(home / "whole"), state
