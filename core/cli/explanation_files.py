"""An explanation as files: PNG to look at, .npy to compute with, explanation.json last."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np

from core.analysis.map_images import enlarge, to_enlarged_rgb, to_png
from core.cli.explanation import Explanation, Question
from core.errors import UsageError
from core.training.checks import check_writable
from core.training.storage import cannot_write, to_json, write_atomic

OPTION = "--out"
DOCUMENT = "explanation.json"
IMAGE = "image.png"


def file_names(question: Question) -> list[str]:
    """Every file that answers to `question` may write."""
    maps = [f"{key}-{method}" for key in question.variants for method in question.methods]
    return [IMAGE, *(f"{name}{ending}" for name in maps for ending in (".npy", ".png")), DOCUMENT]


def check_folder(folder: Path, question: Question) -> None:
    """`UsageError` unless `folder` can be written and none of the files is there."""
    check_writable(folder, OPTION)
    if found := [name for name in file_names(question) if (folder / name).exists()]:
        raise UsageError(
            f"{folder / found[0]} exists: choose another folder with {OPTION}, or delete it."
        )


def write_files(folder: Path, found: Explanation) -> None:
    """Writes all files or none; `RunError` names the one that could not be written."""
    new_folders = [path for path in (folder, *folder.parents) if not path.exists()]
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in render(found).items():
            write_atomic(folder / name, content, OPTION)
            written.append(folder / name)
    except BaseException as error:
        _remove(written, new_folders)
        if isinstance(error, OSError):
            raise cannot_write(folder, error, OPTION) from error
        raise


def _remove(files: list[Path], folders: list[Path]) -> None:
    """Removes what was written, and of the folders, inner ones first, those that are empty."""
    for path in files:
        path.unlink(missing_ok=True)
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def render(found: Explanation) -> dict[str, bytes]:
    """The content of every file by its name; maps that are not valid have none."""
    limits = found.limits()
    files = {IMAGE: to_png(enlarge(found.subject.image))}
    for one in found.maps:
        if one.attributions is None:
            continue
        name = f"{one.variant}-{one.method}"
        files[f"{name}.npy"] = _to_npy(one.attributions)
        files[f"{name}.png"] = to_png(to_enlarged_rgb(one.attributions, limits[one.method]))
    return {**files, DOCUMENT: to_json(found.to_dict())}


def _to_npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
