"""Results computed from a finished run and kept beside it as `<run folder>/<name>.json`. No torch.

Such a file belongs to one network: it holds the sha256 of the weights it was computed from and is
read only as long as they are the same. No listing, manifest or network depends on it, so it can be
deleted at any time and is then computed anew.
"""

from __future__ import annotations

import json
import re

from core.errors import NormLabError
from core.training.runs import MAX_MODEL_BYTES, Run
from core.training.storage import MAX_JSON_BYTES, read_bytes, read_json, sha256, write_atomic

FORMAT = 1
RESERVED = ("run", "manifest", "status")
"""JSON files of a run folder that mean something else."""

_unwritten: dict[tuple[str, str], dict] = {}
"""What could not be written, by folder and name, for as long as the process lives."""


def read_derived(run: Run, name: str) -> dict | None:
    """What was stored under `name` for this very network, without `format` and `model_sha256`.

    None if there is nothing, if it cannot be read, or if it was computed from other weights or by
    another version of NormLab. Each call returns a document of its own.
    """
    try:
        document = _read(run, name)
        fits = document.pop("format", None) == FORMAT
        return document if document.pop("model_sha256", None) == _weights(run) and fits else None
    except NormLabError:
        return None


def _read(run: Run, name: str) -> dict:
    _check(name)
    kept = _unwritten.get((str(run.path), name))
    return read_json(run.path / f"{name}.json") if kept is None else json.loads(json.dumps(kept))


def write_derived(run: Run, name: str, document: dict) -> bool:
    """Stores `document` under `name`; False if the folder cannot be written.

    Then it is kept in memory, and `read_derived` finds it until the process ends. `document` is
    plain JSON without NaN, at most 1 MiB, else `ValueError`; so is a `name` other than lower-case
    words joined by underscores. `RunError` if the run's weights cannot be read.
    """
    _check(name)
    stored = {"format": FORMAT, "model_sha256": _weights(run), **document}
    content = json.dumps(stored, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if len(content.encode()) >= MAX_JSON_BYTES:
        raise ValueError(f"{name} has more than {MAX_JSON_BYTES} bytes.")
    key = (str(run.path), name)
    try:
        write_atomic(run.path / f"{name}.json", content.encode() + b"\n")
    except NormLabError:
        _unwritten[key] = stored
        return False
    _unwritten.pop(key, None)
    return True


def _weights(run: Run) -> str:
    return sha256(read_bytes(run.path / "model.safetensors", MAX_MODEL_BYTES))


def _check(name: str) -> None:
    if name in RESERVED or not re.fullmatch(r"[a-z]+(_[a-z]+)*", name):
        raise ValueError(f"{name!r} cannot name a derived result.")
