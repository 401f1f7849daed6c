"""What training must survive, with counts: kills at random times, a full disk, a lost folder.

With CI=true in the environment there are 200 kills and a full disk at each of 50 writes. Nothing
waits for the disk here: what a killed process has written, the system still has.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.errors import DataError, NormLabError, RunError
from core.training import storage
from core.training import trainer as trainer_module
from core.training import writer as writer_module
from core.training.checkpoint import FILE_NAME, load_network
from core.training.resume import read_resume_point
from core.training.runs import list_runs, read_metrics, read_run
from core.training.storage import sha256
from core.training.trainer import resume_runs
from tests.training_helpers import (
    CPU,
    shortened,
    start_tiny,
    tiny_data,
    train_tiny,
    without_seconds,
)

MANY = os.environ.get("CI") == "true"
NUM_KILLS = 200 if MANY else 8
WRITES = range(1, 51) if MANY else (1, 2, 24, 49)
EPOCHS = 24
SPEC = ("bn_l1", 1, EPOCHS)
NAME = "digits/bn_l1/seed-1"
NOBODY = 65_534
FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True, scope="module")
def small():
    """One step an epoch."""
    data = tiny_data(16, 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.training_helpers.tiny_data", lambda *args: data)
        patch.setattr(trainer_module, "load_training_data", lambda *args: data)
        patch.setattr(storage.os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def reference(small, tmp_path_factory) -> tuple[str, list[dict]]:
    """Checksum of the weights and metrics of the run, never interrupted."""
    (path,) = train_tiny(tmp_path_factory.mktemp("reference"), SPEC)
    return summary(path)


@pytest.fixture(scope="module")
def earlier(small, tmp_path_factory) -> Path:
    """A run that was trained before anything went wrong."""
    (path,) = train_tiny(tmp_path_factory.mktemp("earlier"), ("gn", 1, 1))
    return path


def summary(path: Path) -> tuple[str, list[dict]]:
    weights = sha256((path / FILE_NAME).read_bytes())
    return weights, without_seconds(read_metrics(path))


def train_on(root: Path) -> None:
    """Starts the run, or goes on with it, to the end."""
    with ExitStack() as stack:
        found = list_runs(root)
        if found:
            trainer = resume_runs(stack, found, root, root, CPU)
        else:
            trainer = start_tiny(stack, root, SPEC)
        for _ in trainer.run():
            pass


def kill_once(root: Path, delay: float) -> bool:
    """Trains in another process and kills it after `delay` seconds; whether it was still alive."""
    process = FORK.Process(target=train_on, args=(root,))
    process.start()
    process.join(delay)
    was_alive = process.is_alive()
    process.kill()
    process.join()
    return was_alive


def check_interrupted(root: Path) -> None:
    """Right after a kill: interrupted, with a resume point and no metric lost or doubled."""
    (run,) = list_runs(root)
    assert run.state == "interrupted", run.reason
    state, metrics = read_resume_point(run.path, shortened(*SPEC[::2]), 1)
    epochs = [record["epoch"] for record in metrics]
    assert epochs == list(range(1, state.epoch + 1))
    written = [record["epoch"] for record in read_metrics(run.path)]
    # The resume point is written before the line of its epoch.
    assert written in (epochs, epochs[:-1])


def test_kills_at_random_times_leave_a_run_that_ends_as_if_there_had_been_none(tmp_path, reference):
    draw = random.Random(20260101)
    root, kills, runs = tmp_path / "runs", 0, 0
    while kills < NUM_KILLS:
        assert runs < NUM_KILLS
        if kill_once(root, draw.uniform(0.02, 0.3)):
            kills += 1
            if list_runs(root) and read_run(root / NAME, root).state == "interrupted":
                check_interrupted(root)
        elif list_runs(root):
            runs += 1
            assert summary(root / NAME) == reference
            shutil.rmtree(root)
    if not list_runs(root) or read_run(root / NAME, root).state != "done":
        train_on(root)
    (run,) = list_runs(root)
    assert run.state == "done" and summary(run.path) == reference
    assert not list(root.rglob("resume-*"))


def fill_disk_at(patch: pytest.MonkeyPatch, number: int, stays_full: bool) -> None:
    """There is no space at the n-th durable write, nor later if it `stays_full`."""
    written: list[str] = []

    def fsync(descriptor: int) -> None:
        name = os.readlink(f"/proc/self/fd/{descriptor}")
        if os.path.isdir(name):
            return
        written.append(name)
        if len(written) == number or (stays_full and len(written) > number):
            raise OSError(28, "No space left on device")

    patch.setattr(storage.os, "fsync", fsync)


@pytest.mark.parametrize("number", WRITES)
def test_a_disk_that_is_full_at_the_nth_write(tmp_path, number, earlier, reference, monkeypatch):
    """Never done; what was trained before still loads; resumed, it ends as if nothing had been."""
    root, stays_full = tmp_path / "runs", number % 2 == 1
    with monkeypatch.context() as patch, ExitStack() as stack:
        fill_disk_at(patch, number, stays_full)
        with pytest.raises(RunError, match=r"Cannot write .*No space left on device\. Free space"):
            for _ in start_tiny(stack, root, SPEC).run():
                pass
    assert [path for path in root.rglob(".*") if path.is_file()] == []
    load_network(read_run(earlier, earlier.parents[2]))
    found = list_runs(root)
    assert len(found) == (number > 1)
    for run in found:
        # Even the word "failed" cannot be written while the disk stays full.
        assert run.state == ("interrupted" if stays_full else "failed")
        assert ("full disk: resume it" if stays_full else "No space left on device") in run.reason
        assert run.epoch <= number // 2
    train_on(root)
    assert summary(root / NAME) == reference


def as_nobody(root: Path, answers, folder: Path | None) -> None:
    """As an ordinary user, whom permissions bind: trains, and says what came of it.

    `folder` becomes read-only after the first epoch.
    """
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        with ExitStack() as stack:
            for progress in start_tiny(stack, root, SPEC).run():
                if folder and progress.metrics["epoch"] == 1:
                    folder.chmod(0o555)
        answers.put("done")
    except NormLabError as error:
        answers.put(str(error))


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_folder_that_is_read_only_is_refused_or_fails(when):
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        root = Path(top) / "runs"
        root.mkdir()
        root.chmod(0o555 if when == "before" else 0o777)
        answers = FORK.Queue()
        folder = root / NAME if when == "while" else None
        process = FORK.Process(target=as_nobody, args=(root, answers, folder))
        process.start()
        answer = answers.get(timeout=60)
        process.join()
        if when == "before":
            assert "cannot be written: choose another folder (NORMLAB_RUNS)" in answer
            assert list(root.iterdir()) == []
        else:
            assert answer.startswith("Cannot write") and "Permission denied" in answer
            (run,) = list_runs(root)
            assert run.state == "interrupted" and run.epoch == 1
            folder.chmod(0o755)


@pytest.mark.parametrize("gone", ["run.json", "metrics.jsonl", ""])
def test_files_that_are_gone_in_the_middle_end_it_with_a_reason(tmp_path, gone, monkeypatch):
    """Never done, and never a traceback; "" is the whole folder."""
    folder = tmp_path / NAME
    with ExitStack() as stack:
        epochs = start_tiny(stack, tmp_path, (*SPEC[:2], 2)).run()
        next(epochs)
        _remove_before_the_end(folder / gone, monkeypatch)
        with pytest.raises(RunError, match="No such file or directory") as raised:
            next(epochs)
    assert "\n" not in str(raised.value)
    assert [run.state for run in list_runs(tmp_path) if run.state == "done"] == []


def _remove_before_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes a file right before a run is committed, a folder at once."""
    if path.is_dir():
        shutil.rmtree(path)
        return
    plain = writer_module.encode_predictions
    monkeypatch.setattr(
        writer_module, "encode_predictions", lambda *args: (path.unlink(), plain(*args))[1]
    )


def test_data_that_are_gone_are_named_and_what_was_trained_stays(tmp_path, monkeypatch):
    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, SPEC)
        next(iter(trainer.run()))
        trainer.stop()
    before = read_resume_point(tmp_path / NAME, shortened(*SPEC[::2]), 1)[1]

    def missing(*args: object) -> None:
        raise DataError("train-images-idx3-ubyte is missing: fetch it again.")

    with monkeypatch.context() as patch, ExitStack() as stack:
        patch.setattr(trainer_module, "load_training_data", missing)
        with pytest.raises(DataError, match="train-images-idx3-ubyte is missing"):
            resume_runs(stack, list_runs(tmp_path), tmp_path, tmp_path, CPU)
    assert [run.state for run in list_runs(tmp_path)] == ["interrupted"]
    assert read_resume_point(tmp_path / NAME, shortened(*SPEC[::2]), 1)[1] == before
    train_on(tmp_path)
    assert [run.state for run in list_runs(tmp_path)] == ["done"]


@pytest.mark.parametrize("shift", [-86_400, 86_400])
def test_durations_do_not_follow_a_clock_that_jumps_a_day(tmp_path, shift, monkeypatch):
    jumps = iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: 1.8e9 + shift * (next(jumps) % 2))
    (path,) = train_tiny(tmp_path, ("gn", 1, 3))
    seconds = [record["seconds"] for record in read_metrics(path)]
    assert all(0 <= value < 60 for value in seconds)
    assert read_run(path, tmp_path).final["train_seconds"] == pytest.approx(sum(seconds))
