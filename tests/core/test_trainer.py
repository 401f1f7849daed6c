"""Training into folders: to the end, stopped, out of memory, diverged, and with a full disk."""

from __future__ import annotations

import json
import math
import os
from contextlib import ExitStack
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from core.config import VARIANTS, Recipe
from core.data.augmentation import normalize
from core.errors import DataError, RunError, UsageError
from core.training import storage
from core.training import trainer as trainer_module
from core.training.checkpoint import FILE_NAME, load_network
from core.training.runs import INSIGHTS_FILE, list_runs, read_metrics, read_predictions, read_run
from core.training.shard import Shard
from core.training.storage import sha256
from core.training.trainer import Trainer, resume_runs, start_runs, versions
from tests.training_helpers import (
    CPU,
    RECIPE,
    start_tiny,
    tiny_data,
    train_tiny,
    without_seconds,
)

SPECS = (("bn_l1", 1, 2), ("gn", 1, 1), ("ln_l2", 2, 3))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(trainer_module, "load_training_data", lambda *args: tiny_data())


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Name → (weights' checksum, metrics, insights) of the three runs, never interrupted."""
    root = tmp_path_factory.mktemp("reference")
    paths = train_tiny(root, *SPECS)
    return {path.relative_to(root).as_posix(): summary(path) for path in paths}


def summary(path) -> tuple[str, list[dict], bytes]:
    weights = sha256((path / FILE_NAME).read_bytes())
    return weights, without_seconds(read_metrics(path)), (path / INSIGHTS_FILE).read_bytes()


def resume_all(root) -> Trainer:
    """Resumes whatever is unfinished, to the end."""
    runs = [run for run in list_runs(root) if run.state != "done"]
    with ExitStack() as stack:
        trainer = resume_runs(stack, runs, root, root, CPU)
        for _ in trainer.run():
            pass
    return trainer


def assert_as_if_never_interrupted(root, reference):
    runs = list_runs(root)
    assert all(run.state == "done" for run in runs), [run.reason for run in runs]
    assert {run.name: summary(run.path) for run in runs} == {
        run.name: reference[run.name] for run in runs
    }
    assert not list(root.rglob("resume-*")) and not list(root.rglob("status.json"))
    assert not list(root.rglob(".*"))


def test_every_epoch_is_reported_once_and_the_last_with_its_final_figures(tmp_path):
    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, *SPECS)
        assert (trainer.steps_done, trainer.total_steps) == (0, 3 * 6)
        seen = []
        for progress in trainer.run():
            seen.append((progress.name, progress.metrics["epoch"], progress.final is not None))
            run = read_run(tmp_path / progress.name, tmp_path)
            assert run.epoch == progress.metrics["epoch"]
            assert run.state == ("done" if progress.final else "running")
            assert not progress.final or progress.final == run.final
    assert sorted(seen) == [
        ("digits/bn_l1/seed-1", 1, False),
        ("digits/bn_l1/seed-1", 2, True),
        ("digits/gn/seed-1", 1, True),
        ("digits/ln_l2/seed-2", 1, False),
        ("digits/ln_l2/seed-2", 2, False),
        ("digits/ln_l2/seed-2", 3, True),
    ]
    assert trainer.steps_done == trainer.total_steps


def test_what_a_finished_run_says_is_what_its_network_does(tmp_path):
    (path,) = train_tiny(tmp_path, ("bn_l1", 1, 2))
    run = read_run(path, tmp_path)
    data = tiny_data()
    logits = load_network(run)(normalize(data.test_images, data.mean, data.std)).detach()
    wrong = int((logits.argmax(1) != data.test_targets).sum())
    last = read_metrics(path)[-1]
    assert run.final["errors"] == wrong and run.final["num_images"] == 40
    assert run.final["test_accuracy_percent"] == pytest.approx(last["test_accuracy_percent"])
    assert run.final["test_loss"] == pytest.approx(
        F.cross_entropy(logits, data.test_targets).item(), rel=1e-5
    )
    assert run.final["test_loss"] == pytest.approx(last["test_loss"], rel=1e-4)
    stored = read_predictions(path)
    assert stored.logits == pytest.approx(logits.numpy(), rel=2e-3, abs=2e-3)
    assert stored.targets.tolist() == data.test_targets.tolist()


def test_run_json_holds_all_that_is_needed_to_train_it_again(tmp_path):
    (path,) = train_tiny(tmp_path, ("gn_l1", 7, 1))
    info = json.loads((path / "run.json").read_bytes())
    assert info["variant"]["key"] == "gn_l1" and info["variant"]["epochs"] == 1
    assert info["variant"]["num_groups"] == [4, 4, 6, 6, 6, 6, 8]
    assert Recipe(**info["recipe"]) == RECIPE
    assert (info["seed"], info["dataset"], info["format"]) == (7, "digits", 1)
    assert info["device"] == CPU.to_dict() and info["versions"] == versions()
    assert info["trainable_parameters"] == 7_946 and info["trained_together"] == 1
    assert info["created"].endswith("+00:00")


def test_runs_say_from_the_first_epoch_on_why_steps_were_not_captured(tmp_path):
    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, ("gn", 1, 2), ("ln", 1, 2))
        progress = trainer.run()
        trainer.engine.fallback_reason = "injected"
        next(progress)
        for run in list_runs(tmp_path):
            assert run.info["device"] == {**CPU.to_dict(), "fallback": "injected"}
        list(progress)
    assert [(run.state, run.info["device"]["fallback"]) for run in list_runs(tmp_path)] == [
        ("done", "injected")
    ] * 2


@pytest.mark.parametrize("steps", [1, 6, 11, 16])
def test_a_stop_anywhere_is_resumed_bit_for_bit(tmp_path, steps, reference, monkeypatch):
    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, *SPECS)
        plain, count = Shard.step, iter(range(1, 100))

        def step(self: Shard, batch_size: int) -> None:
            plain(self, batch_size)
            if next(count) == steps:
                trainer.stop()

        monkeypatch.setattr(Shard, "step", step)
        for _ in trainer.run():
            pass
    states = {run.name: run.state for run in list_runs(tmp_path)}
    assert set(states.values()) <= {"stopped", "done"} and "stopped" in states.values()
    resume_all(tmp_path)
    assert_as_if_never_interrupted(tmp_path, reference)


class Killed(BaseException):
    """Nothing catches it, as nothing catches kill -9."""


def fail_at_write(monkeypatch, number: int, error: BaseException, once: bool = True) -> list[str]:
    """Makes the n-th durable write fail; returns the list of what was written."""
    written: list[str] = []

    def fsync(descriptor: int, real=os.fsync) -> None:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if os.path.isdir(name):
            return
        written.append(os.path.basename(name))
        if len(written) == number or (len(written) > number and not once):
            raise error
        real(descriptor)

    monkeypatch.setattr(storage.os, "fsync", fsync)
    return written


def train_until_killed(root, monkeypatch, number: int, *specs: tuple[str, int, int]) -> None:
    """Trains new runs until the n-th durable write after the start."""
    with ExitStack() as stack:
        trainer = start_tiny(stack, root, *specs)
        with monkeypatch.context() as patch:
            fail_at_write(patch, number, Killed())
            with pytest.raises(Killed):
                list(trainer.run())


ONE = SPECS[:1]
# Twice insights, a resume point and a line, then weights, logits and manifest.
NUM_WRITES = 9


def test_there_are_so_many_writes(tmp_path, monkeypatch):
    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, *ONE)
        written = fail_at_write(monkeypatch, 100, Killed())
        list(trainer.run())
    assert len(written) == NUM_WRITES
    assert written[0] == written[3] == INSIGHTS_FILE and written[2] == written[5] == "metrics.jsonl"
    assert written[-1].startswith(".manifest.json")


@pytest.mark.parametrize("number", range(1, NUM_WRITES + 1))
def test_killed_at_any_write_is_interrupted_and_resumed(tmp_path, number, reference, monkeypatch):
    train_until_killed(tmp_path, monkeypatch, number, *ONE)
    (run,) = list_runs(tmp_path)
    assert run.state == "interrupted"
    resume_all(tmp_path)
    assert not list(tmp_path.rglob(".*"))
    assert_as_if_never_interrupted(tmp_path, reference)


@pytest.mark.parametrize("number", range(1, NUM_WRITES + 1))
def test_a_full_disk_at_any_write_fails_with_its_reason(tmp_path, number, reference, monkeypatch):
    full = OSError(28, "No space left on device")
    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, *ONE)
        with monkeypatch.context() as patch:
            fail_at_write(patch, number, full)
            with pytest.raises(RunError, match="No space left on device"):
                list(trainer.run())
    (run,) = list_runs(tmp_path)
    assert run.state == "failed" and "No space left on device" in run.reason
    assert not list(tmp_path.rglob(".*"))
    resume_all(tmp_path)
    assert_as_if_never_interrupted(tmp_path, reference)


def test_a_disk_that_stays_full_leaves_a_run_that_can_be_resumed(tmp_path, reference, monkeypatch):
    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, *ONE)
        with monkeypatch.context() as patch:
            written = fail_at_write(patch, 3, OSError(28, "No space left on device"), once=False)
            with pytest.raises(RunError, match="No space"):
                list(trainer.run())
    assert len(written) == 4  # the failed one, and the status that could not be written either
    assert [run.state for run in list_runs(tmp_path)] == ["interrupted"]
    resume_all(tmp_path)
    assert_as_if_never_interrupted(tmp_path, reference)


def test_a_full_disk_before_the_start_says_so(tmp_path, monkeypatch):
    fail_at_write(monkeypatch, 1, OSError(28, "No space left on device"))
    with ExitStack() as stack, pytest.raises(RunError, match="No space"):
        start_tiny(stack, tmp_path, *ONE)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError("Unable to allocate 2.00 GiB for an array"),
    ],
)
def test_out_of_memory_is_said_in_one_line_and_can_be_resumed(
    tmp_path, error, reference, monkeypatch
):
    def step(self: Shard, batch_size: int) -> None:
        raise error

    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, *SPECS)
        with monkeypatch.context() as patch:
            patch.setattr(Shard, "step", step)
            with pytest.raises(RunError) as raised:
                list(trainer.run())
    said = str(raised.value)
    assert said.startswith("out of memory on Test processor with 3 runs at once: train fewer")
    assert "smaller batches." in said and "CPU" not in said and "\n" not in said
    elsewhere = replace(CPU, type="cuda")
    assert "or on the CPU" in trainer_module.describe_failure(error, elsewhere, 3)
    alone = "out of memory on Test processor: train with smaller batches"
    assert trainer_module.describe_failure(error, CPU, 1) == f"{alone}."
    assert trainer_module.describe_failure(error, elsewhere, 1) == f"{alone}, or on the CPU."
    for run in list_runs(tmp_path):
        assert (run.state, run.reason) == ("failed", said)
    resume_all(tmp_path)
    assert_as_if_never_interrupted(tmp_path, reference)


@pytest.mark.parametrize("words", ["", "CUDA error: unspecified launch failure\nmore"])
def test_any_other_failure_of_torch_is_one_line(tmp_path, words, monkeypatch):
    def step(self: Shard, batch_size: int) -> None:
        raise RuntimeError(words)

    monkeypatch.setattr(Shard, "step", step)
    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, ("gn", 1, 1))
        with pytest.raises(RunError, match="torch failed on Test processor: ") as raised:
            list(trainer.run())
    assert "\n" not in str(raised.value) and words.split("\n")[0] in str(raised.value)
    assert [run.state for run in list_runs(tmp_path)] == ["failed"]


def test_a_run_that_diverges_fails_and_the_others_go_on(tmp_path, reference, monkeypatch):
    plain = Shard.step

    def step(self: Shard, batch_size: int) -> None:
        if 2 in self.states and self.states[2].epoch == 1:
            with torch.no_grad():
                self.parameters[:, 0] = math.nan
        plain(self, batch_size)

    with monkeypatch.context() as patch:
        patch.setattr(Shard, "step", step)
        train_tiny(tmp_path, *SPECS)
    runs = {run.name: run for run in list_runs(tmp_path)}
    diverged = runs.pop("digits/ln_l2/seed-2")
    assert diverged.state == "failed"
    assert diverged.reason.startswith("diverged: the loss was not finite in epoch 2; train it anew")
    assert diverged.epoch == 1
    for name, run in runs.items():
        assert run.state == "done" and summary(run.path) == reference[name]
    # The last finite weights were kept, so that training can go on from them.
    resume_all(tmp_path)
    assert_as_if_never_interrupted(tmp_path, reference)


def test_a_damaged_newest_resume_point_costs_an_epoch(tmp_path, reference):
    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, SPECS[2])
        for progress in trainer.run():
            if progress.metrics["epoch"] == 2:
                break
    points = sorted(tmp_path.rglob("resume-*"))
    assert len(points) == 2
    points[1].write_bytes(points[1].read_bytes()[:-9])
    resume_all(tmp_path)
    assert_as_if_never_interrupted(tmp_path, reference)


# Starting and resuming


def test_nothing_is_made_if_one_run_exists_or_the_data_are_missing(tmp_path, monkeypatch):
    train_tiny(tmp_path, ("gn", 1, 1))
    before = sorted(tmp_path.rglob("*"))
    with ExitStack() as stack, pytest.raises(UsageError, match="gn/seed-1 is already trained"):
        start_tiny(stack, tmp_path, ("ln", 1, 1), ("gn", 1, 1))
    monkeypatch.undo()
    specs = [(VARIANTS["gn"], 2)]
    with ExitStack() as stack, pytest.raises(DataError, match="MNIST is not in|missing"):
        start_runs(stack, specs, "mnist", tmp_path, tmp_path / "data", CPU, Recipe())
    with ExitStack() as stack, pytest.raises(UsageError, match="Unknown data set"):
        start_runs(stack, specs, "cifar", tmp_path, tmp_path, CPU, Recipe())
    assert sorted(tmp_path.rglob("*")) == before


def test_only_unfinished_runs_are_resumed(tmp_path):
    (path,) = train_tiny(tmp_path, ("gn", 1, 1))
    run = read_run(path, tmp_path)
    cases = [
        (run, "is done"),
        (replace(run, state="damaged", reason="because"), r"is damaged \(because\)"),
        (replace(run, state="running"), "is running"),
        (replace(run, state="queued"), "is queued"),
    ]
    for case, words in cases:
        with ExitStack() as stack, pytest.raises(UsageError, match=words):
            resume_runs(stack, [case], tmp_path, tmp_path, CPU)


def test_a_run_named_twice_is_refused_with_nothing_changed(tmp_path, monkeypatch):
    monkeypatch.setattr("core.training.writer.LOCK_SECONDS", 0.1)
    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, ("gn", 1, 1))
        trainer.stop()
        list(trainer.run())
    (run,) = list_runs(tmp_path)
    assert run.state == "stopped"
    with ExitStack() as stack, pytest.raises(UsageError, match="already being trained"):
        resume_runs(stack, [run, run], tmp_path, tmp_path, CPU)
    assert list_runs(tmp_path) == [run]


def test_data_that_do_not_fit_into_memory_are_told(monkeypatch):
    monkeypatch.undo()

    def place(*args: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(trainer_module, "_place", place)
    with pytest.raises(RunError, match="out of memory on Test processor"):
        trainer_module.load_training_data("digits", None, CPU)


def test_real_data_arrive_as_they_are(monkeypatch):
    monkeypatch.undo()
    data = trainer_module.load_training_data("digits", None, CPU)
    assert data.train_images.shape == (1_437, 28, 28) and data.test_images.shape == (360, 28, 28)
    assert data.train_images.dtype == torch.uint8 and data.train_targets.dtype == torch.int64
    assert (data.mean, data.std) == (0.1580, 0.2935)
    assert data.num_batches(64) == 23


def test_resuming_what_was_complete_but_not_committed_only_commits(tmp_path, monkeypatch):
    train_until_killed(tmp_path, monkeypatch, 6, ("gn", 1, 1))
    monkeypatch.setattr(Shard, "step", lambda *args: pytest.fail("trained again"))
    trainer = resume_all(tmp_path)
    assert [run.state for run in list_runs(tmp_path)] == ["done"]
    assert trainer.writers[0].committed
