"""Files are wholly written or not at all, and whatever is read is checked first."""

from __future__ import annotations

import errno
import os

import pytest

from core.errors import RunError
from core.training import storage
from core.training.storage import (
    append_line,
    make_folder,
    read_bytes,
    read_json,
    sha256,
    to_json,
    write_atomic,
)

FULL = OSError(errno.ENOSPC, "No space left on device")


def fail(monkeypatch, name: str, error: OSError = FULL) -> None:
    def raise_error(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(storage.os, name, raise_error)


def test_content_is_written_and_replaced(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", ["fsync", "replace", "chmod", "fdopen"])
def test_a_failure_at_any_moment_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch, name):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    fail(monkeypatch, name)
    with pytest.raises(RunError, match="No space left on device.*NORMLAB_RUNS") as error:
        write_atomic(path, b"new")
    monkeypatch.undo()
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_the_order_is_write_sync_replace_sync(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            storage.os, name, lambda *args, n=name, real=real: (calls.append(n), real(*args))[1]
        )
    write_atomic(tmp_path / "file", b"x")
    assert calls == ["fsync", "replace", "fsync"]
    append_line(tmp_path / "lines", "x")
    assert calls[3:] == ["fsync"]


def test_each_new_folder_is_synced_into_its_parent(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(storage, "sync_folder", synced.append)
    for _ in range(2):
        make_folder(tmp_path / "runs" / "mnist" / "gn")
        assert synced == [tmp_path, tmp_path / "runs", tmp_path / "runs" / "mnist"]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "file" / "runs")


def test_writing_where_nothing_can_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "absent" / "x", tmp_path / "file" / "x"):
        with pytest.raises(RunError, match="Cannot write"):
            write_atomic(path, b"")
        with pytest.raises(RunError, match="Cannot write"):
            append_line(path, "")


def test_lines_are_appended_and_failures_named(tmp_path, monkeypatch):
    path = tmp_path / "lines"
    append_line(path, "a")
    append_line(path, "b")
    assert path.read_bytes() == b"a\nb\n"
    fail(monkeypatch, "fsync", OSError("no reason given"))
    with pytest.raises(RunError, match="no reason given"):
        append_line(path, "c")


def test_reading_refuses_what_is_not_a_small_regular_file(tmp_path):
    (tmp_path / "big").write_bytes(b"12345")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert read_bytes(tmp_path / "big", 5) == b"12345"
    with pytest.raises(RunError, match="big has 5 bytes, more than 4"):
        read_bytes(tmp_path / "big", 4)
    with pytest.raises(RunError, match="absent is missing"):
        read_bytes(tmp_path / "absent", 4)
    for name in ("fifo", "."):
        with pytest.raises(RunError, match="is not a regular file"):
            read_bytes(tmp_path / name, 4)
    with pytest.raises(RunError, match="loop"):
        read_bytes(tmp_path / "loop", 4)


def test_an_unreadable_file_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    denied = PermissionError(errno.EACCES, "Permission denied")

    def refuse(self: object) -> bytes:
        raise denied

    monkeypatch.setattr(type(tmp_path), "read_bytes", refuse)
    with pytest.raises(RunError, match="file cannot be read: Permission denied"):
        read_bytes(tmp_path / "file", 4)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[1]", b"null", b'"x"', b"[" * 100_000, b"1" * 5_000]
)
def test_anything_but_a_json_object_is_refused_by_name(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json"):
        read_json(tmp_path / "run.json")


def test_json_is_written_for_people_and_refuses_nan():
    assert to_json({"a": "é"}) == '{\n  "a": "é"\n}\n'.encode()
    with pytest.raises(ValueError, match="JSON"):
        to_json({"a": float("nan")})


def test_sha256_of_the_standard_example():
    assert sha256(b"abc").startswith("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61")
