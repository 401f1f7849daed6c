"""What a user has brought, in the session's memory only, and the digits that are read from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import streamlit as st

from core.data.image_gate import TOO_LARGE, read_picture
from core.data.labels import labels_from_names
from core.data.preprocess import Preprocessed, find_digits, use_as_is
from core.errors import ImageError
from ui import own_images, state
from ui.own_images import OwnImage, Way, labelled

MAX_FILES = 200
MAX_TOTAL = 64 * 2**20
"""Bytes of all files that a session keeps."""
MAX_NAME = 80
UPLOADS, PHOTO = "predict-uploads", "predict-photo"


@dataclass(frozen=True)
class Entry:
    """One picture file as it came, or why its content was not even kept.

    `name` is for showing: no other upload has it; `file` is what the file is called. A sample is
    test image `index`; `true` is the class where it is known.
    """

    name: str
    way: Way
    content: bytes
    file: str = ""
    refused: str = ""
    index: int | None = None
    true: int | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


class Preparation(NamedTuple):
    """One of `preprocess.POLARITIES`, whether nothing is to be cropped and centred, and else one
    of `preprocess.CENTRINGS`, that of the data set, and whether it was drawn on the black board.
    """

    polarity: str = "auto"
    as_is: bool = False
    centring: str = "mass"
    on_board: bool = False


class Brought(NamedTuple):
    """The digits that were read, in order, and by name of the picture why others were refused."""

    owns: list[OwnImage]
    refused: dict[str, str]


def uploads() -> list[Entry]:
    """The files of this session, those first that came last."""
    return state.value(UPLOADS, [])


def take(files: Iterable[tuple[str, bytes]], too_large: Iterable[str] = ()) -> None:
    """Puts `files` (name, content) before those of the session, as far as there is room.

    The first of them will be shown, and no longer what was. Files that the browser did not even
    send for their size are in `too_large`, by name.
    """
    old = [entry for entry in uploads() if not entry.refused]
    kept, size = len(old), sum(len(entry.content) for entry in old)
    new: list[Entry] = []
    for file, content in files:
        reason = _no_room(kept, size + len(content))
        if not reason:
            kept, size = kept + 1, size + len(content)
        new.append(_uploaded(file, content, reason, [*old, *new]))
    for file in too_large:
        new.append(_uploaded(file, b"", TOO_LARGE, [*old, *new]))
    state.put(UPLOADS, [*new, *old])
    if kept > len(old):
        own_images.forget("upload")


def _uploaded(file: str, content: bytes, reason: str, others: Iterable[Entry]) -> Entry:
    """`reason` says why it is refused, "" if it is not."""
    name = _unique(printable(file), {entry.name for entry in others})
    return Entry(name, "upload", b"" if reason else content, file, reason)


def _no_room(kept: int, size: int) -> str:
    remedy = "Remove the others and bring it again."
    if kept >= MAX_FILES:
        return f"Only {MAX_FILES} files are kept at once. {remedy}"
    return f"All files together may have {MAX_TOTAL >> 20} MB. {remedy}" if size > MAX_TOTAL else ""


def printable(name: str) -> str:
    """A file's name as it can be shown: without control characters, and only the end if long."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in name)
    return shown if len(shown) <= MAX_NAME else "…" + shown[1 - MAX_NAME :]


def _unique(name: str, taken: set[str]) -> str:
    numbers = (f"{name} ({number})" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(one for one in numbers if one not in taken)


def remove(name: str, way: Way) -> None:
    """Lets go of the entries under `name`, which came in by `way`, and what was read from them."""
    state.put(name, [])
    own_images.forget(way)
    _read.clear()


def bring(
    entries: Sequence[Entry],
    preparation: Preparation,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Brought:
    """Reads every entry; one that is refused does not keep the others from going on."""
    brought = Brought([], {})
    told = labels_from_names([entry.file for entry in entries])
    for done, (entry, label) in enumerate(zip(entries, told, strict=True), 1):
        found = _read(entry.digest, preparation, entry.content) if not entry.refused else None
        if isinstance(found, tuple):
            by_name = label is not None and entry.true is None and len(found) == 1
            entry = replace(entry, true=label) if by_name else entry
            brought.owns.extend(_digits(entry, found, by_name))
        else:
            brought.refused[entry.name] = entry.refused or str(found)
        on_progress(done)
    return brought


def _digits(entry: Entry, found: tuple[Preprocessed, ...], by_name: bool) -> Iterable[OwnImage]:
    own = OwnImage(
        *(found[0].image, entry.name, entry.way, entry.true),
        index=entry.index,
        digits=found,
        by_name=by_name,
    )
    for place, one in enumerate(found):
        name = f"{entry.name}, digit {place + 1} of {len(found)}" if found[1:] else entry.name
        yield labelled(
            replace(own, image=one.image, name=name, notices=tuple(one.notices), place=place)
        )


@st.cache_resource(scope="session", max_entries=MAX_FILES, show_spinner=False)
def _read(
    digest: str, preparation: Preparation, _content: bytes
) -> tuple[Preprocessed, ...] | ImageError:
    """The digits in a picture, or why it is refused; kept for as long as the session lasts."""
    polarity, as_is, centring, on_board = preparation
    try:
        picture = read_picture(_content)
        if as_is:  # turned over only if that is asked for
            return (use_as_is(picture, polarity=polarity.replace("auto", "light_on_dark")),)
        return find_digits(picture, polarity=polarity, centring=centring, on_board=on_board)
    except ImageError as error:
        return error
