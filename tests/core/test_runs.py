"""Reading run folders: a list that never fails, and a reason for whatever is damaged."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from filelock import FileLock

from core.config import VARIANTS
from core.errors import RunError
from core.training import runs as runs_module
from core.training.runs import (
    COMMITTED_FILES,
    CUT_OFF,
    FINAL_FIELDS,
    METRIC_COLUMNS,
    find_run,
    find_runs,
    is_shipped,
    list_runs,
    read_metrics,
    read_predictions,
    read_run,
)
from core.training.storage import sha256, to_json
from tests.fixtures_runs import write_run

GN = VARIANTS["gn"]


@pytest.fixture
def root(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def path(root):
    """One run that is done."""
    return write_run(root, "mnist", GN, 1)


def the_run(path: Path):
    """That run as the list shows it, beside an intact one."""
    root = path.parents[2]
    if not (root / "mnist/ln").exists():
        write_run(root, "mnist", VARIANTS["ln"], 1)
    found = {run.name: run for run in list_runs(root)}
    assert found["mnist/ln/seed-1"].state == "done"
    return found["mnist/gn/seed-1"]


def assert_damaged(path: Path, *words: str):
    run = the_run(path)
    assert run.state == "damaged"
    assert all(word in run.reason for word in words), run.reason
    assert "\n" not in run.reason
    assert run.to_dict()["variant"] == "gn" and json.dumps(run.to_dict())


def edit_json(file: Path, **changes: object) -> None:
    value = json.loads(file.read_bytes())
    value.update(changes)
    file.write_text(json.dumps({k: v for k, v in value.items() if v != "remove"}))


def recommit(path: Path) -> None:
    """Makes the manifest agree with the files again, as an attacker would."""
    files = {name: sha256((path / name).read_bytes()) for name in COMMITTED_FILES}
    edit_json(path / "manifest.json", files=files)


def make_open(path: Path) -> None:
    """Takes back the commit."""
    (path / "manifest.json").unlink()


# What is intact


def test_runs_are_listed_by_data_set_variant_and_seed(root):
    for dataset, key, seed in (
        *(("mnist", "ln", 2), ("mnist", "ln", 10), ("mnist", "gn", 3)),
        *(("digits", "bn_l1", 1), ("mnist", "bn_l1_l2", 1)),
    ):
        write_run(root, dataset, VARIANTS[key], seed)
    assert [run.name for run in list_runs(root)] == [
        "digits/bn_l1/seed-1",
        "mnist/gn/seed-3",
        "mnist/ln/seed-2",
        "mnist/ln/seed-10",
        "mnist/bn_l1_l2/seed-1",
    ]
    assert [run.seed for run in list_runs(root, "digits")] == [1]


def test_an_empty_or_missing_folder_has_no_runs(root):
    assert list_runs(root) == []
    root.mkdir()
    assert list_runs(root) == []


def test_a_finished_run_shows_what_its_files_say(path):
    run = the_run(path)
    assert (run.state, run.epoch, run.epochs, run.reason) == ("done", 20, 20, None)
    assert run.variant == GN and run.seed == 1 and run.dataset == "mnist"
    assert run.final["errors"] == 5 and run.final["num_images"] == 200
    assert run.to_dict() == {
        "run": "mnist/gn/seed-1",
        "variant": "gn",
        "seed": 1,
        "dataset": "mnist",
        "state": "done",
        "epoch": 20,
        "epochs": 20,
        "reason": None,
    }


def test_the_digest_changes_with_the_committed_files(path):
    before = the_run(path).digest
    assert the_run(path).digest == before
    with (path / "metrics.jsonl").open("a") as file:
        file.write("\n")
    recommit(path)
    assert the_run(path).digest not in ("", before)


def test_predictions_give_back_logits_and_true_labels(path):
    predictions = read_predictions(path)
    assert predictions.logits.shape == (200, 10) and predictions.logits.dtype == np.float32
    assert np.array_equal(predictions.targets, np.arange(200) % 10)
    wrong = predictions.predicted != predictions.targets
    assert wrong.sum() == the_run(path).final["errors"]


# States


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        (None, "interrupted", CUT_OFF),
        ({"state": "stopped", "reason": "stopped in epoch 2"}, "stopped", "stopped in epoch 2"),
        ({"state": "failed", "reason": "no space"}, "failed", "no space"),
        ({"state": "queued"}, "queued", None),
        ({"state": "running"}, "interrupted", CUT_OFF),
        ({"state": "done"}, "interrupted", CUT_OFF),
        ({"state": ["odd"]}, "interrupted", CUT_OFF),
        ({}, "interrupted", CUT_OFF),
    ],
)
def test_the_state_of_an_open_run_is_never_believed_blindly(path, status, state, reason):
    make_open(path)
    if status is not None:
        (path / "status.json").write_bytes(to_json(status))
    run = the_run(path)
    assert (run.state, run.reason, run.epoch) == (state, reason, 20)


def test_running_is_who_holds_the_lock_whatever_files_say(path):
    make_open(path)
    (path / "status.json").write_bytes(to_json({"state": "stopped"}))
    with FileLock(path / "lock"):
        assert the_run(path).state == "running"
    assert the_run(path).state == "stopped"


@pytest.mark.parametrize("status", [False, True])
def test_a_run_that_ends_while_it_is_listed_is_done_and_not_interrupted(path, monkeypatch, status):
    manifest = (path / "manifest.json").read_bytes()
    make_open(path)
    if status:
        (path / "status.json").write_bytes(to_json({"state": "stopped"}))

    def ends_before(lock: Path) -> bool:
        (path / "manifest.json").write_bytes(manifest)
        (path / "status.json").unlink(missing_ok=True)
        return False

    monkeypatch.setattr(runs_module, "is_locked", ends_before)
    assert the_run(path).state == "done"


def test_a_lock_file_that_cannot_be_locked_is_no_trainer(path, monkeypatch):
    make_open(path)
    os.mkfifo(path / "lock")
    assert the_run(path).state == "interrupted"
    (path / "lock").unlink()
    (path / "lock").touch()

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert the_run(path).state == "interrupted"


# Metrics


def test_a_torn_last_line_is_skipped(path):
    make_open(path)
    content = (path / "metrics.jsonl").read_bytes()
    for cut in (1, 2, 30, 150):
        (path / "metrics.jsonl").write_bytes(content[:-cut])
        assert len(read_metrics(path)) == (20 if cut == 1 else 19)
        assert the_run(path).epoch == len(read_metrics(path))


def test_foreign_lines_are_skipped_and_good_ones_kept(path):
    make_open(path)
    good = (path / "metrics.jsonl").read_bytes().splitlines()[:2]
    lines = [b"", b"\xff\xfe", b"null", b"[1]", good[0], b'{"epoch": 1}', b"{" * 2_000, good[1]]
    wrong = json.loads(good[0]) | {"test_loss": "low"}
    (path / "metrics.jsonl").write_bytes(b"\n".join([*lines, json.dumps(wrong).encode()]))
    records = read_metrics(path)
    assert [record["epoch"] for record in records] == [1, 2]
    assert set(METRIC_COLUMNS) <= records[0].keys()


def test_no_metrics_yet_is_no_damage(path):
    make_open(path)
    (path / "metrics.jsonl").unlink()
    assert read_metrics(path) == [] and the_run(path).epoch == 0


# Damage


@pytest.mark.parametrize("name", COMMITTED_FILES)
def test_a_committed_file_that_changed_in_any_way_is_named(path, name):
    content = (path / name).read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for damaged in (content[:-1], content + b"\n", bytes(flipped), b""):
        (path / name).write_bytes(damaged)
        run = the_run(path)
        assert run.state == "damaged" and run.reason
        if name != "run.json":
            assert name in run.reason and "sha256" in run.reason
    (path / name).unlink()
    assert_damaged(path, name, "missing")


@pytest.mark.parametrize("name", [*COMMITTED_FILES, "manifest.json"])
def test_what_is_no_regular_file_is_never_opened(path, name):
    (path / name).unlink()
    os.mkfifo(path / name)
    assert_damaged(path, name, "not a regular file")
    (path / name).unlink()
    (path / name).mkdir()
    assert_damaged(path, name, "not a regular file")


@pytest.mark.parametrize("name", COMMITTED_FILES)
def test_a_huge_file_is_refused_before_it_is_read(path, name):
    with (path / name).open("r+b") as file:
        file.truncate(COMMITTED_FILES[name] + 1)
    assert_damaged(path, name, "bytes")


def test_an_unreadable_file_is_named(path, monkeypatch):
    real = Path.read_bytes

    def refuse(self: Path) -> bytes:
        if self == path / "model.safetensors":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert_damaged(path, "model.safetensors", "Permission denied")


def test_an_unreadable_folder_is_named(path, monkeypatch):
    real = Path.exists

    def refuse(self: Path) -> bool:
        if self.parent == path:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "exists", refuse)
    assert_damaged(path, "Permission denied")


def test_a_link_out_of_the_folder_is_refused(path, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "mnist" / "gn" / "seed-1"
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)
    assert_damaged(path, "leads out")
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to(elsewhere.parent)
    assert_damaged(path, "leads out")


@pytest.mark.parametrize("target", ["nowhere", "seed-1"])
def test_a_link_that_leads_nowhere_or_to_itself_is_listed(path, target):
    shutil.rmtree(path)
    path.symlink_to(target)
    assert_damaged(path)


def test_a_file_in_place_of_a_folder_is_listed(path):
    shutil.rmtree(path)
    path.write_bytes(b"")
    assert_damaged(path, "run.json")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format": 2}, "format 2"),
        ({"format": "remove"}, "format"),
        ({"variant": "remove"}, "variant"),
        ({"variant": None}, "field"),
        ({"variant": ["gn"]}, "field"),
        ({"variant": {}}, "field"),
        ({"variant": {"key": "gn", "norm": "instance"}}, "instance"),
        ({"variant": {"key": "gn", "norm": ["group"]}}, "group"),
        ({"variant": {"key": 7, "norm": "group"}}, "field"),
        ({"variant": {"key": "gn", "norm": "group", "epochs": 10**9}}, "epochs"),
        ({"variant": {"key": "gn", "norm": "group", "epochs": "20"}}, "field"),
        ({"variant": {"key": "gn", "norm": "group", "l1_weight": "x"}}, "field"),
        ({"variant": {"key": "gn", "norm": "group", "odd": 1}}, "odd"),
        ({"variant": {"key": "ln", "norm": "layer"}}, "mnist/ln/seed-1"),
        ({"seed": 2}, "seed-2"),
        ({"dataset": "digits"}, "digits/gn"),
        ({"dataset": "remove"}, "dataset"),
        ({"recipe": "remove"}, "recipe"),
        ({"recipe": {"learning_rate": "fast"}}, "field"),
        ({"recipe": {"batch_size": 0}}, "batch_size"),
        ({"recipe": {"odd": 0}}, "odd"),
        ({"recipe": {"batch_size": 32.5}}, "batch_size"),
        ({"variant": {"key": "gn", "norm": "group", "epochs": True}}, "epochs"),
        ({"dataset": None}, "None/gn"),
        ({"device": "x"}, "device is 'x'"),
        ({"device": None}, "device is None"),
        ({"device": ["cpu"]}, "device"),
        ({"device": {"name": ["a"]}}, "name of the device"),
        ({"device": {"name": None}}, "name of the device"),
        ({"device": {"name": "a", "fallback": 1}}, "fallback of the device"),
    ],
)
def test_a_run_json_that_does_not_fit_is_named(path, changes, named):
    edit_json(path / "run.json", **changes)
    recommit(path)
    assert_damaged(path, named)
    make_open(path)
    assert_damaged(path, named)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": "remove"},
        {"files": []},
        {"files": {}},
        {"final": "remove"},
        {"final": None},
        {"final": {}},
        {"final": {"errors": 5}},
    ],
)
def test_a_manifest_that_lacks_something_is_damage(path, changes):
    edit_json(path / "manifest.json", **changes)
    assert_damaged(path)


@pytest.mark.parametrize("name", FINAL_FIELDS)
@pytest.mark.parametrize(
    "value", ["5", None, float("nan"), float("inf"), [5], True, -1, -0.5, 10**400]
)
def test_a_final_figure_that_is_none_is_named(path, name, value):
    final = json.loads((path / "manifest.json").read_bytes())["final"]
    edit_json(path / "manifest.json", final=final | {name: value})
    assert_damaged(path, "manifest.json", name)


@pytest.mark.parametrize(
    "impossible",
    [{"test_accuracy_percent": 100.5}, {"errors": 201}, {"num_images": 0}, {"errors": 5.0}],
)
def test_figures_that_no_run_can_have_are_named(path, impossible):
    final = json.loads((path / "manifest.json").read_bytes())["final"]
    edit_json(path / "manifest.json", final=final | impossible)
    assert_damaged(path, "manifest.json")


def test_a_run_without_a_device_is_as_good(path):
    edit_json(path / "run.json", device="remove")
    recommit(path)
    assert the_run(path).state == "done"


def test_a_damaged_status_is_named(path):
    make_open(path)
    (path / "status.json").write_bytes(b"{")
    assert_damaged(path, "status.json")


# Tensor files


def logits_file(**changes: object) -> bytes:
    tensors = {
        "logits": np.zeros((4, 10), np.float16),
        "predicted": np.zeros(4, np.uint8),
        "failed_index": np.array([1], np.int32),
        "failed_target": np.array([3], np.uint8),
    }
    tensors.update(changes)
    return safetensors.numpy.save({name: t for name, t in tensors.items() if t is not None})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        b"\xff" * 64,
        (2**63 - 1).to_bytes(8, "little") + b"{}",
        (100).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        pickle.dumps({"logits": [1.0]}),
        b"PK\x03\x04" + b"\x00" * 100,
        logits_file()[:-1],
        logits_file() + b"\x00",
        logits_file(logits=None),
        logits_file(failed_target=None),
        logits_file(failed_index=np.array([99], np.int32)),
        logits_file(failed_index=np.array([0.5])),
        logits_file(failed_index=np.array([1, 2, 3], np.int32), failed_target=np.zeros(2)),
        logits_file(logits=np.zeros((4, 3), np.float16)),
        logits_file(logits=np.zeros((5, 10), np.float16)),
        logits_file(logits=np.full((4, 10), np.nan, np.float16)),
        logits_file(predicted=np.full(4, 11, np.uint8)),
        logits_file(failed_target=np.array([10], np.uint8)),
    ],
    ids=range(20),
)
def test_a_logits_file_that_is_none_is_named(path, content):
    (path / "test_logits.safetensors").write_bytes(content)
    with pytest.raises(RunError, match=r"test_logits\.safetensors"):
        read_predictions(path)


def test_a_good_logits_file_is_read(path):
    (path / "test_logits.safetensors").write_bytes(logits_file())
    assert read_predictions(path).targets.tolist() == [0, 3, 0, 0]


# Finding


def test_a_run_is_found_by_its_name_first_here_then_among_the_shipped(
    path, root, tmp_path, monkeypatch
):
    shipped = tmp_path / "shipped"
    write_run(shipped, "mnist", GN, 1, errors=9)
    write_run(shipped, "mnist", GN, 2, errors=9)
    monkeypatch.setattr(runs_module, "SHIPPED_DIR", shipped)
    assert find_run("mnist/gn/seed-1", root).final["errors"] == 5
    assert find_run("mnist/gn/seed-2", root).final["errors"] == 9
    first = find_run("mnist/gn/seed-1", root, shipped_first=True)
    assert first.final["errors"] == 9 and is_shipped(first)
    assert find_run("mnist/gn/seed-1", shipped, shipped_first=True) == first
    write_run(root, "mnist", GN, 3)
    own = find_runs(["gn"], "mnist", 3, root, shipped_first=True)["gn"]
    assert own.state == "done" and not is_shipped(own)
    (root / "mnist/gn/seed-1/run.json").unlink()
    damaged = find_run("mnist/gn/seed-1", root)
    assert (damaged.state, damaged.reason) == ("damaged", "run.json is missing")


@pytest.mark.parametrize(
    "name",
    [
        *("", "x", "mnist/gn", "mnist/gn/seed-9", "mnist/gn/seed-1/run.json"),
        *("../mnist/gn/seed-1", "mnist/../gn", "x" * 5_000, "/etc/passwd", "mnist/gn/\x00"),
    ],
    ids=lambda name: repr(name[:20]),
)
def test_an_unknown_name_says_where_to_look(path, root, name):
    with pytest.raises(RunError, match=r"No run .* in .* or .*/\.$"):
        find_run(name, root)


def test_an_absolute_path_is_no_name(tmp_path, monkeypatch, root):
    """`Path("/a/b")` has three parts, like a name."""
    real = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: str(self) == "/a/b/run.json" or real(self))
    with pytest.raises(RunError, match="No run"):
        find_run("/a/b", root)


def test_reading_shipped_runs_writes_nothing(path):
    def snapshot() -> list[tuple]:
        files = sorted(path.parents[2].rglob("*"))
        return [(file, file.stat().st_mtime_ns) for file in files]

    write_run(path.parents[2], "mnist", VARIANTS["ln"], 1)
    before = snapshot()
    the_run(path)
    read_metrics(path)
    read_predictions(path)
    assert snapshot() == before
    assert read_run(path, path.parents[2]).state == "done"


def test_a_folder_of_many_runs_is_listed(root):
    """2,000 folders, nine in ten of them empty or foreign."""
    first = write_run(root, "mnist", GN, 1)
    for seed in range(2, 2_001):
        (root / "mnist" / "gn" / f"seed-{seed}").mkdir()
    runs = list_runs(root)
    assert len(runs) == 2_000
    assert [run.path for run in runs if run.state == "done"] == [first]
    assert {run.state for run in runs} == {"done", "damaged"}
