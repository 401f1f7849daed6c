"""Folders as people write them."""

from __future__ import annotations

from pathlib import Path

from core.errors import UsageError


def expand_home(folder: str | Path) -> Path:
    """`folder` with the home folder in place of a leading ~ or ~name; `UsageError` for no one's."""
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:
        user = Path(folder).parts[0]
        raise UsageError(f"{folder} is nowhere: {user} has no home. Name it in full.") from error
