"""Writing one run folder: started once, committed last, told apart by its lock."""

from __future__ import annotations

import json
import multiprocessing

import numpy as np
import pytest
import torch

from core.config import VARIANTS
from core.errors import RunError, UsageError
from core.model.network import build_network
from core.training import checks, storage
from core.training import writer as writer_module
from core.training.resume import write_resume_point
from core.training.runs import (
    COMMITTED_FILES,
    OPTIONAL_FILES,
    read_metrics,
    read_predictions,
    read_run,
)
from core.training.state import new_state
from core.training.storage import sha256
from core.training.writer import RunWriter, encode_predictions
from tests.fixtures_runs import default_records, run_info, write_run

GN = VARIANTS["gn"]
INFO = run_info("mnist", GN, 1)
RECORDS = default_records(GN, 1, 5, 200)


@pytest.fixture
def writer(tmp_path):
    with RunWriter(tmp_path, "mnist", GN, 1) as writer:
        yield writer


def finish(writer: RunWriter) -> dict:
    logits = torch.eye(10).repeat(2, 1) * 8
    targets = torch.arange(20) % 10
    targets[3] = 4
    return writer.finish(build_network(GN, 1).eval(), logits, targets)


def state_of(writer: RunWriter) -> str:
    return read_run(writer.path, writer.root).state


def test_a_run_from_start_to_commit(writer):
    writer.start(INFO)
    assert state_of(writer) == "running"
    for epoch, record in enumerate(RECORDS, start=1):
        state = new_state(GN, 1)
        state.epoch = epoch
        writer.record(state, record)
    assert read_metrics(writer.path) == RECORDS
    assert len(list(writer.path.glob("resume-*"))) == 2
    final = finish(writer)
    assert final["errors"] == 1 and final["num_images"] == 20 and final["epoch"] == 20
    assert final["test_accuracy_percent"] == pytest.approx(95.0)
    log_sum = np.log(np.exp(8) + 9)
    assert final["test_loss"] == pytest.approx((19 * (log_sum - 8) + log_sum) / 20)
    assert final["train_seconds"] == pytest.approx(400)
    assert state_of(writer) == "done"
    assert writer.committed
    names = {path.name for path in writer.path.iterdir()}
    assert names - {"lock"} == {*COMMITTED_FILES, *OPTIONAL_FILES, "manifest.json"}
    manifest = json.loads((writer.path / "manifest.json").read_bytes())
    assert manifest["files"] == {
        name: sha256((writer.path / name).read_bytes())
        for name in (*COMMITTED_FILES, *OPTIONAL_FILES)
    }
    assert np.array(manifest["probe_logits"]).shape == (4, 10)
    predictions = read_predictions(writer.path)
    assert np.flatnonzero(predictions.predicted != predictions.targets).tolist() == [3]


def test_predictions_are_decided_on_full_precision():
    """In half precision 1 and 1.0001 are equal, and the first of equals would be predicted."""
    logits = np.zeros((1, 10), np.float32)
    logits[0, :2] = 1.0, 1.0001
    content = encode_predictions(logits, logits.argmax(1), np.array([1]))
    assert len(content) < 1_000
    assert logits.astype(np.float16).argmax(1) == [0] and logits.argmax(1) == [1]


def test_stored_predictions_and_logits(tmp_path):
    random = np.random.default_rng(0)
    logits = random.normal(0, 5, (300, 10)).astype(np.float32)
    targets = random.integers(0, 10, 300)
    content = encode_predictions(logits, logits.argmax(1), targets)
    (tmp_path / "test_logits.safetensors").write_bytes(content)
    back = read_predictions(tmp_path)
    assert np.array_equal(back.predicted, logits.argmax(1))
    assert np.array_equal(back.targets, targets)
    assert back.logits == pytest.approx(logits, rel=1e-3, abs=1e-3)


def test_status_of_what_was_stopped_or_failed(tmp_path):
    with RunWriter(tmp_path, "mnist", GN, 1) as writer:
        writer.start(INFO)
        state = new_state(GN, 1)
        state.step = 7
        writer.stopped(state)
    assert state_of(writer) == "stopped"
    with RunWriter(tmp_path, "mnist", GN, 1) as writer:
        assert writer.resume(GN, 1).step == 7
        assert state_of(writer) == "running"
        writer.failed("no space")
    run = read_run(writer.path, tmp_path)
    assert (run.state, run.reason) == ("failed", "no space")


def test_resuming_cuts_the_metrics_back_to_what_the_state_has_seen(writer):
    """A kill between the resume point and the line, or in the line, loses and doubles nothing."""
    writer.start(INFO)
    state = new_state(GN, 1)
    state.epoch = 3
    write_resume_point(writer.path, state, RECORDS[:3])
    lines = [json.dumps(record) for record in RECORDS[:5]]
    for kept in ("", "\n".join(lines[:2]), "\n".join(lines), "\n".join(lines[:2]) + '\n{"epo'):
        (writer.path / "metrics.jsonl").write_text(kept)
        assert writer.resume(GN, 1).epoch == 3
        assert read_metrics(writer.path) == RECORDS[:3] == writer.metrics


def test_a_run_is_started_once(writer):
    writer.start(INFO)
    before = (writer.path / "run.json").read_bytes()
    with pytest.raises(UsageError, match="mnist/gn/seed-1"):
        writer.start({**INFO, "seed": 2})
    assert (writer.path / "run.json").read_bytes() == before


def test_a_run_that_was_finished_meanwhile_is_not_resumed(tmp_path):
    path = write_run(tmp_path, "mnist", GN, 1)
    before = {file: file.read_bytes() for file in path.iterdir()}
    with (
        RunWriter(tmp_path, "mnist", GN, 1) as writer,
        pytest.raises(UsageError, match="already trained"),
    ):
        writer.resume(GN, 1)
    assert all(file.read_bytes() == content for file, content in before.items())


def hold_lock(root, ready, done) -> None:
    """In another process: holds the run until told."""
    with RunWriter(root, "mnist", GN, 1):
        ready.set()
        done.wait(60)


def test_two_writers_of_one_run_in_two_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "LOCK_SECONDS", 0.1)
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold_lock, args=(tmp_path, ready, done))
    other.start()
    assert ready.wait(60)
    with pytest.raises(UsageError, match="mnist/gn/seed-1 is already being trained by another"):
        RunWriter(tmp_path, "mnist", GN, 1)
    RunWriter(tmp_path, "mnist", GN, 2).close()
    done.set()
    other.join()
    RunWriter(tmp_path, "mnist", GN, 1).close()


def test_a_lock_dies_with_its_process(tmp_path):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    other = context.Process(target=hold_lock, args=(tmp_path, ready, context.Event()))
    other.start()
    assert ready.wait(60)
    other.kill()
    other.join()
    RunWriter(tmp_path, "mnist", GN, 1).close()


def test_failing_to_say_why_is_not_another_failure(writer, monkeypatch):
    def full(*args: object) -> None:
        raise RunError("no space")

    monkeypatch.setattr(writer_module, "write_atomic", full)
    writer.failed("diverged")
    assert not (writer.path / "status.json").exists()


def test_a_folder_that_cannot_be_written_is_refused_by_name(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    for root in (file, file / "below", file / "far" / "below"):
        with pytest.raises(UsageError, match=f"{file} is not a folder.*NORMLAB_RUNS"):
            checks.check_writable(root)
    with pytest.raises(UsageError, match="File name too long"):
        checks.check_writable(tmp_path / ("x" * 300))
    checks.check_writable(tmp_path)
    checks.check_writable(tmp_path / "not" / "yet" / "there")
    monkeypatch.setattr(checks.os, "access", lambda *args: False)
    for root in (tmp_path, tmp_path / "not" / "there"):
        with pytest.raises(UsageError, match=f"{tmp_path} cannot be written"):
            checks.check_writable(root)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path):
    (tmp_path / "mnist").touch()
    with pytest.raises(UsageError, match="Cannot write"):
        RunWriter(tmp_path, "mnist", GN, 1)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("done", ("already trained (20 epochs)", "choose other seeds, or delete it")),
        ("stopped", ("stopped after epoch 20", "resume it, or delete it")),
        ("interrupted", ("interrupted after epoch 20", "resume it, or delete it")),
        ("damaged", ("damaged", "metrics.jsonl", "delete it")),
    ],
)
def test_what_is_said_of_a_run_that_exists(tmp_path, state, words):
    path = write_run(tmp_path, "mnist", GN, 1)
    if state in ("stopped", "interrupted"):
        (path / "manifest.json").unlink()
    if state == "stopped":
        (path / "status.json").write_text('{"state": "stopped"}')
    if state == "damaged":
        (path / "metrics.jsonl").write_bytes(b"")
    said = checks.describe_existing(path, tmp_path)
    assert all(word in said for word in ("mnist/gn/seed-1", *words)), said
    assert ("resume" in said) == (state in ("stopped", "interrupted"))


def test_a_folder_in_which_nothing_was_started_goes(tmp_path):
    with RunWriter(tmp_path, "digits", VARIANTS["gn"], 1) as writer:
        assert (writer.path / "lock").is_file()
    assert list(tmp_path.iterdir()) == []


def test_a_new_run_is_synced_into_every_folder_above_it(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(storage, "sync_folder", synced.append)
    with RunWriter(tmp_path / "runs", "mnist", GN, 1) as writer:
        writer.start(INFO)
    above = [tmp_path, *(tmp_path / "runs" / name for name in ("", "mnist", "mnist/gn"))]
    assert synced == [*above, writer.path]


LEFTOVERS = (".resume-0003-000000.safetensors.x7_a9q2z", ".run.json.abcdefgh")
OTHERS = (".label.json.abcdefgh", ".hidden", ".nfs0000000000000001", "notes.txt.abcdefgh")


def test_what_a_kill_left_half_written_goes_when_a_run_is_gone_on_with(tmp_path):
    with RunWriter(tmp_path, "mnist", GN, 1) as writer:
        writer.start(INFO)
    for name in (*LEFTOVERS, *OTHERS):
        (writer.path / name).write_bytes(b"half")
    with RunWriter(tmp_path, "mnist", GN, 1) as writer:
        with pytest.raises(UsageError):
            writer.start(INFO)
        assert all((writer.path / name).exists() for name in LEFTOVERS)
        writer.resume(GN, 1)
    assert not any((writer.path / name).exists() for name in LEFTOVERS)
    assert all((writer.path / name).exists() for name in OTHERS)


def test_what_a_kill_left_of_a_run_that_had_not_begun_goes_when_it_begins(tmp_path):
    with RunWriter(tmp_path, "mnist", GN, 1) as writer:
        (writer.path / LEFTOVERS[1]).write_bytes(b"half")
        writer.start(INFO)
    assert sorted(path.name for path in writer.path.iterdir()) == ["lock", "run.json"]
