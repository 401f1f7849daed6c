"""From pictures on the command line to answers: what is read, what networks say, what is odd."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from core.analysis.predict import (
    accuracy_frame,
    agreement,
    agreement_sentence,
    answers_frame,
    describe_logits,
    predict,
)
from core.analysis.typicality import typicality
from core.config import IMAGE_SIZE
from core.data.datasets import DatasetInfo
from core.data.image_gate import read_picture
from core.data.labels import (
    FILE_COLUMNS,
    MAX_TABLE_BYTES,
    labels_from_names,
    labels_from_table,
)
from core.data.preprocess import Preprocessed, find_digits, preprocess, use_as_is
from core.errors import ImageError, LabelError, UsageError
from core.training.checkpoint import load_network
from core.training.runs import Run, find_runs, is_shipped

BY_NAME = "names"
"""The value of `--labels` that asks for the labels that file names tell."""


@dataclass(frozen=True)
class Question:
    """What was asked for: pictures, how to read them, and which networks."""

    pictures: Sequence[Path]
    info: DatasetInfo
    variants: Sequence[str]
    seed: int
    polarity: str
    as_is: bool
    all_digits: bool
    labels: str | None
    runs_dir: Path
    shipped_first: bool


@dataclass(frozen=True, eq=False)
class Reading:
    """One digit, or the reason why the picture was refused; `number` counts a picture's digits."""

    path: Path
    number: int = 1
    digit: Preprocessed | None = None
    error: ImageError | None = None


@dataclass(frozen=True, eq=False)
class Answers:
    """All that was found, of `readings` in the order of the pictures; N of them are digits.

    `logits` (N, 10) of each variant, `frame` by `answers_frame`, `odd` by `typicality`, `labels`
    the N true classes or None, and `accuracy` by `accuracy_frame`.
    """

    question: Question
    runs: Mapping[str, Run]
    readings: Sequence[Reading]
    logits: Mapping[str, np.ndarray]
    frame: pd.DataFrame
    odd: pd.DataFrame
    labels: Sequence[int | None]
    accuracy: pd.DataFrame

    def to_dict(self) -> dict:
        """The document of the command."""
        numbers = itertools.count()
        return {
            "dataset": self.question.info.key,
            "seed": self.question.seed,
            "images": [
                self._digit(one, next(numbers)) if one.digit else _refusal(one)
                for one in self.readings
            ],
            "accuracy": self.accuracy.to_dict("records"),
        }

    def _digit(self, reading: Reading, number: int) -> dict:
        assert reading.digit is not None
        who = agreement(self.frame[self.frame["image"] == number])
        odd = self.odd[self.odd["image"] == number].drop(columns="image").astype(object)
        return {
            "file": str(reading.path),
            "digit": reading.number,
            "error": None,
            "notices": list(reading.digit.notices),
            "box": reading.digit.box,
            "true": self.labels[number],
            "predictions": [
                {
                    "variant": key,
                    "run": self.runs[key].name,
                    "shipped": is_shipped(self.runs[key]),
                    **describe_logits(found[number]),
                }
                for key, found in self.logits.items()
            ],
            "agreement": agreement_sentence(who, self.question.info.class_names),
            "typicality": odd.where(odd.notna(), None).to_dict("records"),
        }


def _refusal(reading: Reading) -> dict:
    assert reading.error is not None
    error = {"code": reading.error.code, "message": str(reading.error)}
    return {"file": str(reading.path), "error": error, "predictions": []}


def answer(question: Question) -> Answers:
    """Answers `question`; a refused picture is part of the answer, other errors are raised."""
    info = question.info
    runs = find_runs(
        *(question.variants, info.key, question.seed, question.runs_dir),
        shipped_first=question.shipped_first,
    )
    networks = {key: load_network(run) for key, run in runs.items()}
    told = _told(question)
    readings = [one for path in question.pictures for one in _read(path, question)]
    images = [one.digit.image for one in readings if one.digit]
    pixels = np.array(images, np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
    logits = predict(networks, pixels, info)
    frame = answers_frame(logits, info.class_names)
    several = {one.path for one in readings if one.number > 1}  # one label does not fit them all
    labels = [None if one.path in several else told.get(one.path) for one in readings if one.digit]
    return Answers(
        question=question,
        runs=runs,
        readings=readings,
        logits=logits,
        frame=frame,
        odd=typicality(pixels, info.key),
        labels=labels,
        accuracy=accuracy_frame(frame, labels),
    )


def _read(path: Path, question: Question) -> list[Reading]:
    """The digits of one picture that are asked for, or why there are none."""
    polarity, centring = question.polarity, question.info.centring
    found: tuple[Preprocessed, ...]
    try:
        picture = read_picture(path)
        if question.as_is:
            found = (use_as_is(picture, polarity=polarity),)
        elif question.all_digits:
            found = find_digits(picture, polarity=polarity, centring=centring)
        else:
            found = (preprocess(picture, polarity=polarity, centring=centring),)
    except ImageError as error:
        return [Reading(path, error=error)]
    # Without the pictures of the steps, which of a thousand files would fill the memory.
    bare = (replace(digit, steps={}) for digit in found)
    return [Reading(path, number, digit) for number, digit in enumerate(bare, start=1)]


def _told(question: Question) -> dict[Path, int | None]:
    """The true classes that file names or a table tell."""
    names = list(map(str, question.pictures))
    if question.labels is None:
        return {}
    if question.labels == BY_NAME:
        return dict(zip(question.pictures, labels_from_names(names), strict=True))
    table = labels_from_table(_read_table(question.labels), question.info.class_names)
    told = {path: table.get(str(path), table.get(path.name)) for path in question.pictures}
    if all(label is None for label in told.values()):
        raise LabelError(
            f"{question.labels} has a label for none of the pictures: write their file names into "
            f"its column {FILE_COLUMNS[0]!r}."
        )
    return told


def _read_table(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_TABLE_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"--labels {name} cannot be read: {error.strerror or error}. "
            f"Name a CSV file, or write {BY_NAME!r} for what file names tell."
        ) from error
