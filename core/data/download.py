"""Fetching data sets: torchvision's addresses and checksums, with progress, no half files.

torchvision's own download prints its progress and leaves a truncated file under the final name
when it is interrupted; so its tables are used and the bytes are moved here.
"""

from __future__ import annotations

import hashlib
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from filelock import FileLock, Timeout

from core.data.datasets import (
    DIGITS,
    SPLITS,
    by_hand,
    get_dataset,
    idx_files,
    raw_folder,
    read_idx,
)
from core.data.idx import CHECKSUMS_FILE, IdxFile, read_checksums
from core.errors import DataError

Progress = Callable[[int, int], None]
"""Is given the bytes done and the bytes in all, both counted unpacked."""

CHUNK_BYTES = 1 << 16
TIMEOUT_SECONDS = 30

_import_lock = threading.Lock()
_schemas: list[Any] = []  # kept alive: torch forgets a schema when its Library object goes


class Source(NamedTuple):
    """The addresses of a packed file, best first, and its MD5."""

    urls: list[str]
    md5: str


class _TransferError(Exception):
    """One address did not give the file; the next one may."""


def import_torchvision() -> Any:
    """The torchvision module; every import of torchvision goes through here.

    A torch without CUDA together with torchvision's CUDA wheel cannot load the wheel's compiled
    operators, and the import fails on the schemas of two of them. Nothing here uses them, so in
    that situation, and only then, the schemas are declared and the import works.
    """
    with _import_lock:
        try:
            import torchvision
        except ModuleNotFoundError as error:
            raise DataError(
                "torchvision is not installed: run `pip install -r requirements.txt`."
            ) from error
        except RuntimeError as error:
            if "operator torchvision::nms does not exist" not in str(error):
                raise
            _declare_schemas()
            import torchvision
    return torchvision


def _declare_schemas() -> None:
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _schemas.append(library)


def download_dataset(key: str, root: Path, progress: Progress | None = None) -> None:
    """Fetches what is missing or damaged of a data set into `root`; `digits` needs nothing.

    Each file is unpacked under a temporary name, verified, and then moved into place, so that an
    interrupted download leaves nothing that looks complete. `progress` may raise to cancel.
    Raises `DataError`: not connected, damaged on the way, no space, folder not writable, already
    being downloaded by someone else, or nowhere to be downloaded from.
    """
    if key == DIGITS:
        return
    files = [file for split in SPLITS for file in idx_files(key, root, split)]
    wanted = [file for file in files if not _is_intact(key, file)]
    if not wanted:
        return
    folder, sources = raw_folder(key, root), _sources(key)
    if any(file.path.name not in sources for file in wanted):
        problem = wanted[0].problem() or "is damaged"
        raise DataError(f"{wanted[0].path} {problem}. {by_hand(key, root)}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock", timeout=0):
            _download_files(wanted, sources, progress or (lambda done, total: None))
    except Timeout:
        raise DataError(
            f"{key} is already being downloaded into {folder}: wait until that has ended."
        ) from None
    except OSError as error:
        raise DataError(
            f"Cannot write {folder}: {error.strerror or error}. Free space, or choose a folder "
            "you may write to (NORMLAB_DATA)."
        ) from error


def _download_files(files: list[IdxFile], sources: dict[str, Source], progress: Progress) -> None:
    done, total = 0, sum(file.num_bytes for file in files)
    progress(done, total)
    for file in files:
        report = partial(_report, progress, done, total)
        _download_file(file, sources[file.path.name], report)
        done += file.num_bytes


def _report(progress: Progress, done: int, total: int, size: int) -> None:
    progress(done + size, total)


def _is_intact(key: str, file: IdxFile) -> bool:
    try:
        read_idx(key, file)
    except DataError:
        return False
    return True


def _sources(key: str) -> dict[str, Source]:
    """Raw file name → where torchvision's class itself says that it comes from, if it does.

    What a class inherits is left out: EMNIST is derived from MNIST, whose files are not its own.
    """
    name = get_dataset(key).torchvision
    if name is None:
        return {}
    own = vars(getattr(import_torchvision().datasets, name, object))
    resources, mirrors = own.get("resources", ()), own.get("mirrors", ())
    if isinstance(resources, dict):  # QMNIST: whole addresses, by split
        resources, mirrors = [*resources["train"], *resources["test"]], [""]
    sources = {}
    for address, md5 in resources:
        name = address.rpartition("/")[2].removesuffix(".gz")
        sources[name] = Source([mirror + address for mirror in mirrors], md5)
    return sources


def _download_file(file: IdxFile, source: Source, report: Callable[[int], None]) -> None:
    """From the first address that gives it; replaces the file and records its SHA-256."""
    part = file.path.with_name(f".{file.path.name}.part")
    reasons = []
    try:
        for url in source.urls:
            try:
                sha256 = _unpack(url, source.md5, replace(file, path=part), report)
            except _TransferError as error:
                reasons.append(str(error))
                continue
            os.replace(part, file.path)
            _record_checksum(file.path, sha256)
            return
    finally:
        part.unlink(missing_ok=True)
    raise DataError(
        f"Cannot download {file.path.name}: {'; '.join(dict.fromkeys(reasons))}. Connect to the "
        f"internet and try again, or copy the unpacked file into {file.path.parent}."
    )


def _unpack(url: str, md5: str, part: IdxFile, report: Callable[[int], None]) -> str:
    """Unpacks what `url` sends into `part` and returns its SHA-256.

    Raises `_TransferError` unless all of it arrived and is what torchvision's MD5 promises.
    """
    packed, unpacked = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    gunzip, size = zlib.decompressobj(wbits=31), 0
    with part.path.open("wb") as target:
        for chunk in _chunks(url):
            packed.update(chunk)
            try:
                content = gunzip.decompress(chunk)
            except zlib.error as error:
                raise _TransferError("what arrived is no gzip file") from error
            unpacked.update(content)
            size += target.write(content)
            if size > part.num_bytes:
                break
            report(size)
        target.flush()
        os.fsync(target.fileno())
    if packed.hexdigest() != md5 or part.problem():
        raise _TransferError("what arrived is incomplete or damaged (its MD5 is wrong)")
    return unpacked.hexdigest()


def _chunks(url: str) -> Iterator[bytes]:
    """What `url` sends, piece by piece; whatever goes wrong on the way is a `_TransferError`."""
    request = Request(url, headers={"User-Agent": "normlab"})
    try:
        with urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            while chunk := response.read(CHUNK_BYTES):
                yield chunk
    except HTTPError as error:
        raise _TransferError(f"the server answered {error.code} {error.reason}") from error
    except (URLError, OSError, HTTPException) as error:
        cause = error.reason if isinstance(error, URLError) else error
        text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
        raise _TransferError(f"the connection failed ({text})") from error


def _record_checksum(path: Path, sha256: str) -> None:
    """Adds it to the folder's list, in the form that `sha256sum -c` reads."""
    try:
        checksums = read_checksums(path.parent)
    except (OSError, ValueError):  # a damaged list is made anew
        checksums = {}
    checksums[path.name] = sha256
    part = path.with_name(f".{CHECKSUMS_FILE}.part")
    lines = [f"{checksum}  {name}\n" for name, checksum in sorted(checksums.items())]
    part.write_text("".join(lines))
    os.replace(part, path.parent / CHECKSUMS_FILE)
