"""Files that are either wholly written or not at all, and readers that trust nothing they find."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import MisnamedError, RunError

MAX_JSON_BYTES = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
RUNS_VARIABLE = "NORMLAB_RUNS"
"""The environment variable with the folder of the runs made here."""


def write_atomic(path: Path, content: bytes, option: str = "", *, durable: bool = True) -> None:
    """Writes `content` durably: a temporary file beside `path`, fsync, replace, fsync the folder.

    After a crash at any moment `path` holds either the old bytes or the new ones. Raises `RunError`
    (no space, read-only folder), which names the `option` that chooses the folder, and then leaves
    the old file as it was. What is out of date a second later need not be `durable`: without the
    two fsyncs it may be lost when the machine goes down, and only then.
    """
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise cannot_write(path, error, option) from error


def append_line(path: Path, line: str) -> None:
    """Appends one line durably; a crash may leave a torn last line, which readers skip."""
    try:
        with path.open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def make_folder(path: Path) -> None:
    """Makes `path` and the parents it lacks durably: each new one is synced into its parent."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Makes renames in `folder` durable, where the system can (Windows cannot open a folder)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError, option: str = "") -> RunError:
    """The error a user sees when `path` cannot be written; `option` chooses its folder."""
    # A place that somebody named and that takes nothing is wrong use; one that is full is not.
    kind = MisnamedError if option and error.errno not in FULL else RunError
    return kind(
        f"Cannot write {path}: {error.strerror or error}. "
        f"Free space or choose a folder you may write to {chosen_by(option)}."
    )


def chosen_by(option: str) -> str:
    """How a folder is chosen: by an option or, that of the runs, by the environment."""
    return f"with {option}" if option else f"({RUNS_VARIABLE})"


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock file `path`, whatever its content.

    Asked with a shared lock, which needs no right to write and is not in the way of others who ask.
    """
    if not path.is_file():
        return False
    if os.name == "nt":
        return _is_locked_there(path)
    import fcntl  # Windows has none

    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def _is_locked_there(path: Path) -> bool:
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file of at most `max_bytes`; `RunError` names what is wrong."""
    try:
        if not path.exists():
            raise RunError(f"{path.name} is missing")
        if not path.is_file():
            raise RunError(f"{path.name} is not a regular file")
        if path.stat().st_size > max_bytes:
            raise RunError(f"{path.name} has {path.stat().st_size} bytes, more than {max_bytes}")
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"{path.name} cannot be read: {error.strerror or error}") from error


def read_json(path: Path) -> dict:
    """The JSON object in `path`; `RunError` if there is none."""
    return parse_json(read_bytes(path, MAX_JSON_BYTES), path.name)


def parse_json(content: bytes, name: str) -> dict:
    """`content` as a JSON object; `RunError` that names the file if it is none."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{name} is not valid JSON") from error
    if not isinstance(value, dict):
        raise RunError(f"{name} does not hold a JSON object")
    return value


def to_json(value: object) -> bytes:
    """`value` as indented JSON, refusing NaN."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sha256(content: bytes) -> str:
    """The SHA-256 of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
