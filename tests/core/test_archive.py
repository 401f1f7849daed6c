"""A run as a file: there and back, and every way in which such a file can be bad."""

from __future__ import annotations

import io
import json
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch

from core.config import VARIANTS
from core.errors import RunError, UsageError
from core.training.archive import (
    MANIFEST,
    MAX_ARCHIVE_BYTES,
    MEMBERS,
    export_run,
    import_run,
    read_archive,
)
from core.training.checkpoint import FILE_NAME
from core.training.runs import (
    COMMITTED_FILES,
    INSIGHTS_FILE,
    SHIPPED_DIR,
    files_of,
    list_runs,
    read_run,
)
from core.training.storage import sha256
from tests.fixtures_runs import write_run

NAME = "digits/bn_l1/seed-1"


@pytest.fixture(scope="module")
def exported() -> bytes:
    return export_run(read_run(SHIPPED_DIR / NAME, SHIPPED_DIR))


@pytest.fixture(scope="module")
def files(exported) -> dict[str, bytes]:
    return read_archive(exported)


@pytest.fixture(scope="module")
def bare(files) -> dict[str, bytes]:
    """The files of a run that recorded no insights."""
    return read_archive(recommit({n: part for n, part in files.items() if n != INSIGHTS_FILE}))


def pack(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def recommit(files: dict[str, bytes], **final: object) -> bytes:
    """An archive whose manifest agrees with its files, as an attacker would make it."""
    manifest = json.loads(files["manifest.json"])
    manifest["files"] = {name: sha256(files[name]) for name in files_of(files)}
    manifest["final"] |= final
    return pack({**files, "manifest.json": json.dumps(manifest).encode()})


def refuse(content: bytes, root: Path, words: str) -> None:
    """The file is refused with these words, and nothing has changed."""
    with pytest.raises(RunError, match=words) as raised:
        import_run(content, root)
    assert "\n" not in str(raised.value)
    assert list_runs(root) == []
    assert not [path for path in root.rglob("*") if path.name != ".jobs"]


# What is intact


def test_a_run_comes_back_as_it_was(tmp_path, exported, files):
    assert set(files) == {*COMMITTED_FILES, INSIGHTS_FILE, MANIFEST}
    run = import_run(exported, tmp_path)
    assert (run.name, run.state) == (NAME, "done")
    shipped = read_run(SHIPPED_DIR / NAME, SHIPPED_DIR)
    assert run.digest == shipped.digest and run.final == shipped.final
    assert {path.name for path in run.path.iterdir()} == set(files)
    assert export_run(run) == exported
    assert list((tmp_path / ".jobs").iterdir()) == []


def test_what_a_run_recorded_of_its_training_comes_along(tmp_path, files):
    content = recommit({**files, INSIGHTS_FILE: b"{}\n"})
    run = import_run(content, tmp_path)
    assert (run.path / INSIGHTS_FILE).read_bytes() == b"{}\n"
    assert read_archive(export_run(run)) == read_archive(content)


def test_a_file_that_the_manifest_does_not_commit_is_refused(tmp_path, bare):
    content = pack({**bare, INSIGHTS_FILE: b"{}\n"})
    refuse(content, tmp_path, "insights.jsonl, which its manifest does not commit")


def test_a_run_without_insights_comes_back_without(tmp_path, bare):
    run = import_run(pack(bare), tmp_path)
    assert run.state == "done" and {path.name for path in run.path.iterdir()} == set(bare)


def test_a_file_that_the_manifest_commits_must_be_there(tmp_path, bare):
    manifest = json.loads(bare[MANIFEST])
    manifest["files"][INSIGHTS_FILE] = sha256(b"{}\n")
    content = pack({**bare, MANIFEST: json.dumps(manifest).encode()})
    refuse(content, tmp_path, "insights.jsonl is missing")


def test_what_exists_is_not_replaced(tmp_path, exported):
    path = import_run(exported, tmp_path).path
    before = {file: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(UsageError, match="already trained"):
        import_run(exported, tmp_path)
    (path / "manifest.json").unlink()
    with pytest.raises(UsageError, match="interrupted"):
        import_run(exported, tmp_path)
    del before[path / "manifest.json"]
    assert {file: file.read_bytes() for file in path.iterdir()} == before


def test_a_link_in_the_way_is_not_followed(tmp_path, exported):
    root, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    (root / NAME).parent.mkdir(parents=True)
    (root / NAME).symlink_to(elsewhere)
    with pytest.raises(UsageError, match="damaged"):
        import_run(exported, root)
    assert not elsewhere.exists()


@pytest.mark.parametrize("state", ["interrupted", "damaged"])
def test_only_a_finished_run_is_exported(tmp_path, state):
    path = write_run(tmp_path, "digits", VARIANTS["gn"], 1)
    (path / ("manifest.json" if state == "interrupted" else "run.json")).unlink()
    with pytest.raises(RunError, match=f"is {state}: .*(resume it|delete it)"):
        export_run(read_run(path, tmp_path))


# The file


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "does not begin like a zip"),
        (b"hello", "does not begin like a zip"),
        (pickle.dumps({"a": 1}), "pickle"),
        (b"PK\x03\x04" + b"\x00" * 100, "truncated"),
        (b"PK\x03\x04PK\x05\x06" + b"\xff" * 18, "holds more than"),
        (b"PK\x03\x04PK\x05\x06" + b"\x00" * 8 + b"\x64" + b"\x00" * 9, "damaged zip"),
        (b"PK\x03\x04" + b"\x00" * MAX_ARCHIVE_BYTES, "more than"),
    ],
    ids=range(7),
)
def test_what_is_no_archive_is_refused(tmp_path, content, words):
    refuse(content, tmp_path, words)


def test_a_torch_checkpoint_is_refused_by_its_content(tmp_path):
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(2)}, buffer)
    refuse(buffer.getvalue(), tmp_path, "pickle")


def test_a_truncated_or_longer_file_is_refused(tmp_path, exported):
    for content in (exported[:-1], exported[: len(exported) // 2], exported[:30], exported + b"x"):
        refuse(content, tmp_path, "truncated|follows")
    refuse(b"#!/bin/sh\n" + exported, tmp_path, "does not begin")


def test_a_flipped_bit_is_refused_or_changes_nothing(exported, files):
    """Some bits, such as those of dates, are read by nobody."""
    positions = random.Random(1).sample(range(len(exported)), 300)
    refused = 0
    for position in positions:
        damaged = bytearray(exported)
        damaged[position] ^= 1 << position % 8
        try:
            assert read_archive(bytes(damaged)) == files
        except RunError:
            refused += 1
    assert refused > 250


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"../../evil": b"x"}, r"'../../evil', which is no part"),
        ({"/etc/passwd": b"x"}, "/etc/passwd"),
        ({"run.json/": b""}, "run.json/"),
        ({"data.pkl": b"x"}, "pickle"),
        ({FILE_NAME: None}, f"lacks {FILE_NAME}"),
        ({"manifest.json": None}, "lacks manifest.json"),
        ({"run.json": b"{" + b" " * (1 << 20) + b"}"}, "run.json has more than"),
        ({FILE_NAME: b"\x00" * (64 << 20)}, f"{FILE_NAME} has more than"),
    ],
    ids=range(8),
)
def test_other_parts_than_those_of_a_run_are_refused(tmp_path, files, changes, words):
    wanted = {
        name: content for name, content in {**files, **changes}.items() if content is not None
    }
    refuse(pack(wanted), tmp_path, words)


def test_a_part_that_is_there_twice_is_refused(tmp_path, files):
    buffer = io.BytesIO(pack(files))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("run.json", b"{}")
    refuse(buffer.getvalue(), tmp_path, "twice")


def test_ten_thousand_parts_are_refused_before_they_are_listed(tmp_path, files, monkeypatch):
    content = pack({**files, **{f"{number}.json": b"" for number in range(10_000)}})
    small, locator = pack(files), b"PK\x06\x07" + b"\x00" * 16
    monkeypatch.setattr(zipfile, "ZipFile", lambda *args: pytest.fail("listed"))
    refuse(content, tmp_path, f"holds more than the {len(MEMBERS)} parts of a run")
    refuse(small[:-22] + locator + small[-22:], tmp_path, "holds more than")


# What is in it


def edit(content: bytes, **changes: object) -> bytes:
    return json.dumps({**json.loads(content), **changes}).encode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": "../../etc"}, "unknown data set"),
        ({"dataset": ["digits"]}, "what was trained"),
        ({"seed": -1}, "impossible seed"),
        ({"seed": "1/../../x"}, "impossible seed"),
        ({"seed": True}, "impossible seed"),
        ({"variant": {"key": "../x", "norm": "batch"}}, "../x"),
        ({"variant": {"key": "gn", "norm": "batch", "l1_weight": 5e-5}}, "'gn', but .* 'bn_l1'"),
        ({"variant": {"key": "bn_l1", "norm": "layer", "l1_weight": 5e-5}}, "but .* 'ln_l1'"),
        ({"recipe": {"learning_rate": 0.5}}, "its settings are 'bn_l1_"),
        ({"recipe": None}, "what was trained"),
        ({"format": 2}, "format 2"),
        ({"variant": {"key": "bn_l1", "norm": "batch", "l1_weight": 5e-5, "epochs": 3}}, "epochs"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_run_that_is_not_what_it_says_is_refused(tmp_path, files, changes, words):
    changed = {**files, "run.json": edit(files["run.json"], **changes)}
    refuse(recommit(changed), tmp_path, words)


def weights(files, **changes: torch.Tensor | None) -> bytes:
    tensors = safetensors.torch.load(files[FILE_NAME])
    tensors.update({name.replace("__", "."): tensor for name, tensor in changes.items()})
    variant = json.loads(files["run.json"])["variant"]
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    return safetensors.torch.save(kept, {"variant": json.dumps(variant, sort_keys=True)})


def test_weights_that_are_not_the_networks_are_refused(tmp_path, files):
    tensors = safetensors.torch.load(files[FILE_NAME])
    name, first = min((n, t) for n, t in tensors.items() if t.dim() == 4)
    variance = next(n for n in tensors if n.endswith("running_var"))
    other = json.loads(files["run.json"])["variant"] | {"key": "bn"}
    cases = {
        "missing or unknown": {name: None},
        "unknown keys": {"extra": torch.zeros(1)},
        "is torch.float64": {name: first.double()},
        "not torch.float32": {name: first.flatten()},
        "not finite": {name: torch.full_like(first, torch.nan)},
        "negative variance": {variance: -tensors[variance]},
        "probe batch": {name: first * 3},
    }
    for words, changes in cases.items():
        refuse(recommit({**files, FILE_NAME: weights(files, **changes)}), tmp_path, words)
    content = safetensors.torch.save(tensors, {"variant": json.dumps(other, sort_keys=True)})
    refuse(recommit({**files, FILE_NAME: content}), tmp_path, "holds variant 'bn', not bn_l1")
    plain = safetensors.torch.save(tensors)
    refuse(recommit({**files, FILE_NAME: plain}), tmp_path, "an unnamed variant")
    for content in (b"", b"\xff" * 64, plain[:-1], plain + b"\x00"):
        refuse(recommit({**files, FILE_NAME: content}), tmp_path, FILE_NAME)


def test_figures_that_do_not_follow_from_the_logits_are_refused(tmp_path, files):
    final = json.loads(files["manifest.json"])["final"]
    for name, value in (
        *(("errors", final["errors"] - 1), ("num_images", 361)),
        *(("test_accuracy_percent", 100.0), ("test_loss", final["test_loss"] + 0.05)),
    ):
        refuse(recommit(files, **{name: value}), tmp_path, f"manifest.json says {name}")
    lines = files["metrics.jsonl"].splitlines(keepends=True)
    for wrong in (lines[:-1], lines + lines[-1:], lines[::-1]):
        refuse(recommit({**files, "metrics.jsonl": b"".join(wrong)}), tmp_path, "the epochs 1 to")
    few = safetensors.torch.save(
        {
            "logits": torch.zeros(4, 10, dtype=torch.float16),
            "predicted": torch.zeros(4, dtype=torch.uint8),
            "failed_index": torch.zeros(0, dtype=torch.int32),
            "failed_target": torch.zeros(0, dtype=torch.uint8),
        }
    )
    refuse(recommit({**files, "test_logits.safetensors": few}), tmp_path, "4 images")


@pytest.mark.parametrize("device", ["x", None, ["cpu"], {"name": ["a"]}])
def test_a_device_that_is_none_is_refused(tmp_path, files, device):
    info = json.loads(files["run.json"]) | {"device": device}
    content = recommit({**files, "run.json": json.dumps(info).encode()})
    refuse(content, tmp_path, "run.json says .*device")


@pytest.mark.parametrize("name", ["train_seconds", "errors", "test_loss", "test_accuracy_percent"])
@pytest.mark.parametrize("value", [True, -1])
def test_figures_that_no_run_can_have_are_refused(tmp_path, files, name, value):
    refuse(recommit(files, **{name: value}), tmp_path, f"manifest.json says {name} is {value}")


def test_a_changed_part_is_noticed_by_its_checksum(tmp_path, files):
    for name in COMMITTED_FILES:
        if name != "run.json":
            refuse(pack({**files, name: files[name] + b"\n"}), tmp_path, name)


def test_an_import_is_synced_into_every_folder_above_it(tmp_path, exported, monkeypatch):
    synced = []
    monkeypatch.setattr("core.training.storage.sync_folder", synced.append)
    monkeypatch.setattr("core.training.archive.sync_folder", synced.append)
    root = tmp_path / "runs"
    run = import_run(exported, root)
    folders = (tmp_path, root, run.path.parents[1], run.path.parent)
    assert all(folder in synced for folder in folders)
    assert synced.index(root) < synced.index(run.path.parents[1]) < synced.index(run.path.parent)


def test_a_full_disk_leaves_nothing(tmp_path, exported, monkeypatch):
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.training.storage.os.fsync", full)
    refuse(exported, tmp_path, "No space left")
