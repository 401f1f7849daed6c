"""Which digit a picture shows, as its file name or a table says; names only, no file is opened."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

import pandas as pd

from core.config import NUM_CLASSES
from core.errors import LabelError

FILE_COLUMNS = ("file", "filename", "file_name", "name", "image", "path")
LABEL_COLUMNS = ("label", "true", "true_label", "target", "class", "digit")
MAX_TABLE_BYTES = 2 * 2**20

ENDING = re.compile(r"\.[a-z]{3,4}$", re.IGNORECASE)
NUMBERED = re.compile(r"(?:(?P<start>.*)[_-])?(?P<number>[0-9]+)", re.DOTALL)
"""A number that stands alone or behind the last "_" or "-"."""


def labels_from_names(names: Sequence[str]) -> list[int | None]:
    """The digit 0 to 9 that each file name tells, or None.

    It is told by `7.png`, a digit alone before the ending; by `photo_7.png` or `mnist-12-7.png`, a
    digit alone behind the last "_" or "-"; or by `7/photo.png`, a folder called like a digit.
    Nothing is told where folder and name differ, nor by numbers that count: where another name has
    the same start and a longer number (`scan_7.png` beside `scan_12.png`).
    """
    parts = [_split(name) for name in names]
    counters = {(folder, start) for folder, start, number in parts if len(number) > 1}
    return [
        _decide({_digit(folder), None if (folder, start) in counters else _digit(number)})
        for folder, start, number in parts
    ]


def _split(name: str) -> tuple[str, str, str]:
    """The innermost folder, and the name's start and the number behind it, "" where none is."""
    *folders, file = re.split(r"[/\\]", name)
    found = NUMBERED.fullmatch(ENDING.sub("", file))
    return (
        folders[-1] if folders else "",
        (found["start"] or "") if found else file,
        found["number"] if found else "",
    )


def _digit(text: str) -> int | None:
    return int(text) if re.fullmatch("[0-9]", text) else None


def _decide(told: set[int | None]) -> int | None:
    digits = told - {None}
    return digits.pop() if len(digits) == 1 else None


def labels_from_table(
    table: bytes | pd.DataFrame, class_names: Sequence[str] = ()
) -> dict[str, int]:
    """File name → class 0 to 9, of a CSV file (UTF-8; comma, semicolon or tab) or a frame.

    One column is called `file` or another of `FILE_COLUMNS`, one `label` or another of
    `LABEL_COLUMNS`, in capitals or not; others are left alone. A label is a number or one of
    `class_names`; a row without one is left out. Raises `LabelError`, which names the row.
    """
    header, rows = _read_frame(table) if isinstance(table, pd.DataFrame) else _read_csv(table)
    file, label = _find(header, FILE_COLUMNS), _find(header, LABEL_COLUMNS)
    found: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        name, text = (row[at].strip() if at < len(row) else "" for at in (file, label))
        if not text:
            continue
        said = _class(text, class_names)
        if said is None or not name:
            what = f"the label {text[:40]!r} is no class" if name else "a label has no file name"
            raise LabelError(f"Row {number} of the table: {what}. Labels are 0 to 9.")
        if found.setdefault(name, said) != said:
            raise LabelError(
                f"Row {number} of the table gives {name[:80]!r} a second label: leave one of them."
            )
    return found


def _read_frame(frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    rows = frame.astype(object).where(frame.notna(), "").astype(str).to_numpy().tolist()
    return [str(name) for name in frame.columns], rows


def _read_csv(content: bytes) -> tuple[list[str], list[list[str]]]:
    if len(content) > MAX_TABLE_BYTES:
        raise LabelError(f"The table is larger than {MAX_TABLE_BYTES >> 20} MB: shorten it.")
    try:
        text = content.decode("utf-8-sig")
        first = text.split("\n", 1)[0]
        delimiter = max(",;\t", key=first.count)
        header, *rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except (UnicodeDecodeError, ValueError, csv.Error) as error:
        raise LabelError("The file is no table: save it as CSV in UTF-8.") from error
    return header, rows


def _find(header: list[str], names: Sequence[str]) -> int:
    """The place of the column; the earlier of `names` goes first."""
    lower = [name.strip().lower() for name in header]
    found = next((lower.index(name) for name in names if name in lower), None)
    if found is None:
        raise LabelError(f"The table has no column {names[0]!r}: call one of its columns so.")
    return found


def _class(text: str, class_names: Sequence[str]) -> int | None:
    if text in class_names:
        return list(class_names).index(text)
    whole = re.fullmatch(r"([0-9]{1,3})(\.0*)?", text)  # spreadsheets make 7.0 of 7
    return int(whole[1]) if whole and int(whole[1]) < NUM_CLASSES else None
