"""A finished run as one file, and the gate that such a file must pass to become a run again.

The file is a zip archive of exactly the committed files and their manifest. Nothing in it decides
where anything is written: the folder follows from `run.json`, once that has been checked.
"""

from __future__ import annotations

import io
import os
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from core.config import MAX_SEED, Recipe, variant_from_dict
from core.data.datasets import DATASETS
from core.errors import RunError, UsageError
from core.training.checks import (
    check_not_shipped,
    check_writable,
    describe_existing,
    describe_unfinished,
)
from core.training.job import JOBS_FOLDER
from core.training.request import check_types, variant_key
from core.training.runs import (
    COMMITTED_FILES,
    OPTIONAL_FILES,
    Run,
    files_of,
    read_manifest,
    read_metrics,
    read_predictions,
    read_run,
    run_path,
)
from core.training.storage import (
    MAX_JSON_BYTES,
    cannot_write,
    make_folder,
    parse_json,
    read_bytes,
    sync_folder,
    write_atomic,
)

MANIFEST = "manifest.json"
MEMBERS = {**COMMITTED_FILES, **OPTIONAL_FILES, MANIFEST: MAX_JSON_BYTES}
"""What an archive holds, in this order, and the most bytes of each; of the optional files those
that the manifest commits."""

MAX_ARCHIVE_BYTES = 16 << 20
MAX_DIRECTORY_BYTES = 4096
LOCATOR_64 = b"PK\x06\x07"
START, END, END_BYTES = b"PK\x03\x04", b"PK\x05\x06", 22
FIRST_DATE = (1980, 1, 1, 0, 0, 0)
LOSS_TOLERANCE = 0.01
"""Nats; the stored logits are in half precision."""

DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError),
    *(NotImplementedError, ValueError, OSError, RuntimeError, OverflowError),
)
"""What reading a damaged zip archive may raise."""


def export_run(run: Run) -> bytes:
    """The run as a zip archive, the same bytes each time; `RunError` unless it is done."""
    if run.state != "done":
        raise RunError(describe_unfinished(run, "can be exported"))
    committed = files_of(read_manifest(run.path)["files"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (*committed, MANIFEST):
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, read_bytes(run.path / name, MEMBERS[name]))
    return buffer.getvalue()


def import_run(content: bytes, runs_dir: Path) -> Run:
    """Adds an exported run below `runs_dir`.

    `RunError` names what is wrong with the file; `UsageError` if that run exists already. Either
    way nothing has changed. The network is loaded and must compute what it did when it was saved.
    """
    files = read_archive(content)
    dataset, key, seed = _identity(files["run.json"])
    target = run_path(runs_dir, dataset, key, seed)
    check_not_shipped(target)
    check_writable(runs_dir)
    if target.exists() or target.is_symlink():
        raise UsageError(describe_existing(target, runs_dir, "delete it to import this one"))
    try:
        make_folder(runs_dir / JOBS_FOLDER)
        with tempfile.TemporaryDirectory(dir=runs_dir / JOBS_FOLDER, prefix=".import-") as folder:
            path = run_path(Path(folder), dataset, key, seed)
            path.mkdir(parents=True)
            for name, part in files.items():
                write_atomic(path / name, part)
            _check_members(files)
            _check_run(read_run(path, Path(folder)))
            make_folder(target.parent)
            # Fails if the run has appeared meanwhile, because its folder is not empty.
            os.rename(path, target)
            sync_folder(target.parent)
    except OSError as error:
        raise cannot_write(target, error) from error
    return read_run(target, runs_dir)


def read_archive(content: bytes) -> dict[str, bytes]:
    """The files in an exported run by name; `RunError` for anything that is not exactly one."""
    if len(content) > MAX_ARCHIVE_BYTES:
        raise RunError(f"The file has {len(content)} bytes, more than {MAX_ARCHIVE_BYTES}")
    _check_kind(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_entries(archive.infolist())
            present = set(archive.namelist())
            return {name: _read_member(archive, name) for name in MEMBERS if name in present}
    except DAMAGE as error:
        raise RunError(f"The file is a damaged zip archive: {error}") from error


def _check_kind(content: bytes) -> None:
    if content[:1] == b"\x80" or (
        content.startswith(START) and b".pkl" in content[-MAX_DIRECTORY_BYTES:]
    ):
        raise RunError("The file is a Python pickle, which could do anything and is never opened")
    if not content.startswith(START):
        raise RunError("The file is no exported run: it does not begin like a zip archive")
    if content[-END_BYTES : -END_BYTES + 4] != END:
        raise RunError("The file is truncated, or something follows the zip archive")
    # Before the list of entries is read, which may be long.
    size = int.from_bytes(content[-10:-6], "little")
    if size > MAX_DIRECTORY_BYTES or content[-42:-38] == LOCATOR_64:
        raise RunError(f"The file holds more than the {len(MEMBERS)} parts of a run")


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if odd := sorted(set(names) - set(MEMBERS)):
        raise RunError(f"The file holds {odd[0][:60]!r}, which is no part of a run")
    if missing := [name for name in MEMBERS if name not in {*names, *OPTIONAL_FILES}]:
        raise RunError(f"The file lacks {missing[0]}")
    if len(names) > len(set(names)):
        raise RunError("The file holds a part of a run twice")
    for entry in entries:
        if entry.flag_bits & 1:
            raise RunError(f"{entry.filename} is encrypted")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RunError(f"{entry.filename} is compressed in an unknown way")


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Reads no more than may be there, whatever size the archive claims."""
    with archive.open(name) as file:
        content = file.read(MEMBERS[name] + 1)
    if len(content) > MEMBERS[name]:
        raise RunError(f"{name} has more than {MEMBERS[name]} bytes")
    return content


def _identity(content: bytes) -> tuple[str, str, int]:
    """(data set, variant key, seed) that `run.json` names, each one checked."""
    info = parse_json(content, "run.json")
    try:
        variant, recipe = variant_from_dict(info["variant"]), Recipe(**info["recipe"])
        dataset, seed = info["dataset"], info["seed"]
        check_types(variant)
        check_types(recipe)
        if dataset not in DATASETS:
            raise RunError(f"run.json names an unknown data set: {str(dataset)[:60]!r}")
        if type(seed) is not int or not 0 <= seed <= MAX_SEED:
            raise RunError(f"run.json names an impossible seed: {str(seed)[:60]}")
        key = variant_key(variant, recipe)
    except (UsageError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"run.json does not say what was trained: {error}") from error
    if variant.key != key:
        raise RunError(f"run.json calls the variant {variant.key!r}, but its settings are {key!r}")
    return dataset, key, seed


def _check_members(files: dict[str, bytes]) -> None:
    """`RunError` for an optional file that the manifest does not commit."""
    committed = parse_json(files[MANIFEST], MANIFEST).get("files")
    for name in OPTIONAL_FILES.keys() & files:
        if not isinstance(committed, dict) or name not in committed:
            raise RunError(f"The file holds {name}, which its manifest does not commit")


def _check_run(run: Run) -> None:
    """`RunError` unless the run is whole, its figures belong together and its network loads."""
    from core.training.checkpoint import load_network  # needs torch, and only this does

    if run.state != "done":
        raise RunError(f"The run is {run.state}: {run.reason}")
    epochs = [record["epoch"] for record in read_metrics(run.path)]
    if epochs != list(range(1, run.epochs + 1)):
        raise RunError(f"metrics.jsonl does not hold the epochs 1 to {run.epochs}, once each")
    _check_figures(run)
    load_network(run)


def _check_figures(run: Run) -> None:
    found = read_predictions(run.path)
    count, wanted = len(found.targets), DATASETS[run.dataset].num_test
    if count != wanted:
        raise RunError(f"test_logits.safetensors has {count} images, {run.dataset} {wanted}")
    errors = int((found.predicted != found.targets).sum())
    logits = found.logits.astype(np.float64)
    shifted = logits - logits.max(1, keepdims=True)
    entropy = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(count), found.targets]
    figures = {
        "num_images": (count, 0.0),
        "errors": (errors, 0.0),
        "test_accuracy_percent": (100 * (1 - errors / count), 1e-6),
        "test_loss": (float(entropy.mean()), LOSS_TOLERANCE),
    }
    for name, (value, tolerance) in figures.items():
        if abs(run.final[name] - value) > tolerance:
            raise RunError(f"manifest.json says {name} is {run.final[name]}, its logits {value:g}")
