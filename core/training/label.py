"""The name and the note that a person gave a run: `label.json`, the one file that may change."""

from __future__ import annotations

from pathlib import Path

from core.errors import NormLabError, UsageError
from core.training.request import check_label
from core.training.storage import read_json, to_json, write_atomic

FILE_NAME = "label.json"


def write_label(path: Path, name: str, note: str) -> None:
    """Gives the run in folder `path` a name and a note; `UsageError` for one that is not possible.

    Both "" takes them away.
    """
    check_label(name, note)
    if name or note:
        write_atomic(path / FILE_NAME, to_json({"name": name, "note": note}))
    else:
        (path / FILE_NAME).unlink(missing_ok=True)


def read_label(path: Path) -> tuple[str, str]:
    """(name, note) of the run in folder `path`; what is damaged or missing counts as ""."""
    try:
        found = read_json(path / FILE_NAME)
        name, note = found["name"], found["note"]
        if not (isinstance(name, str) and isinstance(note, str)):
            return "", ""
        check_label(name, note)
    except (NormLabError, UsageError, KeyError):
        return "", ""
    return name, note
