"""Any picture of one digit as the networks see digits: 28×28, light ink on black, centred.

As MNIST was made (LeCun, Cortes and Burges, 1998): the digit's longer side scaled to 20 pixels,
its centre of mass put in the centre of the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from core.config import IMAGE_SIZE
from core.data.image_gate import MIN_CONTRAST, Picture, read_picture
from core.errors import ImageError, UsageError

POLARITIES = ("auto", "dark_on_light", "light_on_dark")
DIGIT_SIZE = 20
"""Longer side of a digit in the 28×28 field, in pixels."""
CENTER = IMAGE_SIZE / 2
"""Where MNIST's centres of mass lie, to the nearest whole pixel, counting pixels from 0."""
MIN_INK = 0.1
"""Part of the strongest ink from which a pixel counts as the digit's; less is blur and noise."""
RESAMPLING = Image.Resampling.HAMMING
"""Without ringing, and sharper than bilinear."""
STEP_SIZE = 256
"""Longest side of the pictures of steps, in pixels; they are for the eye only."""


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """`image` (28, 28) uint8, light ink on black (0), as the data sets hold them.

    `notices` say in sentences what a user should know of the way there. `steps` shows it: name →
    (H, W) uint8 of at most 256 pixels a side, in the order of `STEPS`; a step that was not taken
    is left out. `box` is the digit's place (top, left, bottom, right) in pixels of `steps["grey"]`,
    bottom and right excluded; None where nothing was cropped.
    """

    image: np.ndarray
    notices: tuple[str, ...]
    steps: Mapping[str, np.ndarray]
    box: tuple[int, int, int, int] | None = None


STEPS = ("grey", "evened", "ink", "cropped", "centred")
"""The picture as it came; uneven light evened out; light ink on black without specks; one digit
of it; the same on 28×28 with its centre of mass in the centre."""


def read_image(source: Path | bytes, *, polarity: str = "auto") -> Preprocessed:
    """A picture file, by its path or its content, as the networks see it.

    What has 28×28 pixels already is not moved or scaled: a data set's digit, saved as a picture,
    comes out unchanged. `polarity` is one of `POLARITIES`; for "auto" the background, most of the
    border, decides. Raises `ImageError` for a picture that is refused.
    """
    return preprocess(read_picture(source), polarity=polarity)


def preprocess(picture: Picture, *, polarity: str = "auto") -> Preprocessed:
    """Like `read_image`, for grey levels that are at hand."""
    if polarity not in POLARITIES:
        raise UsageError(f"Unknown polarity {polarity!r}: choose from {', '.join(POLARITIES)}.")
    levels, notices, steps = picture.levels, picture.notices, {"grey": picture.levels}
    if polarity == "auto":
        polarity = find_polarity(levels)
        if polarity == "dark_on_light":
            notices += ("The ink is darker than the paper: the picture was inverted.",)
    if polarity == "dark_on_light":
        levels = steps["inverted"] = 255 - levels
    if levels.shape == (IMAGE_SIZE, IMAGE_SIZE):
        image = levels.copy()  # Pillow's arrays cannot be written, which torch warns of
    else:
        steps["cropped"] = cropped = crop_to_ink(levels)
        image = center(scale(cropped))
    return Preprocessed(image, notices, {name: _reduce(step) for name, step in steps.items()})


def find_digits(picture: Picture, *, polarity: str = "auto") -> tuple[Preprocessed, ...]:
    """All digits in `picture` in reading order; one, unchanged, for a picture of 28×28.

    Raises `ImageError` where none is found.
    """
    return (preprocess(picture, polarity=polarity),)


def use_as_is(picture: Picture, *, polarity: str = "light_on_dark") -> Preprocessed:
    """`picture` with nothing cropped or centred, brought to 28×28 if it has another size."""
    raise NotImplementedError


def find_polarity(levels: np.ndarray) -> str:
    """Whether the background of `levels` (H, W) is nearer to its brightest or darkest pixel."""
    paper = background(levels)
    is_light = paper - levels.min() > levels.max() - paper
    return "dark_on_light" if is_light else "light_on_dark"


def background(levels: np.ndarray) -> int:
    """The median level along the border."""
    border = (levels[0], levels[-1], levels[1:-1, 0], levels[1:-1, -1])
    return int(np.median(np.concatenate(border)))


def crop_to_ink(levels: np.ndarray) -> np.ndarray:
    """The smallest part of `levels` (H, W) that holds all light ink; the background becomes 0."""
    paper = background(levels)
    ink = np.maximum(levels, paper) - paper
    if ink.max() < MIN_CONTRAST // 2:
        raise ImageError(
            "Nothing in the picture stands out from its background with this polarity: "
            "choose the other one.",
            "blank",
        )
    inked = ink >= MIN_INK * ink.max()
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def scale(ink: np.ndarray) -> np.ndarray:
    """`ink` with its longer side brought to 20 pixels and its strongest level to 255; uint8."""
    height, width = (max(1, round(side * DIGIT_SIZE / max(ink.shape))) for side in ink.shape)
    # As float: of a thin stroke in a large picture only a few levels are left.
    resized = Image.fromarray(ink.astype(np.float32)).resize((width, height), RESAMPLING)
    scaled = np.asarray(resized)
    return np.rint(scaled * (255 / scaled.max())).astype(np.uint8)


def center(digit: np.ndarray) -> np.ndarray:
    """`digit` (at most 28×28) in the field, its centre of mass at the centre if there is room."""
    field = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    slices = []
    for axis, side in enumerate(digit.shape):
        mass = digit.sum(axis=1 - axis, dtype=np.float64)
        start = round(CENTER - np.average(np.arange(side), weights=mass))
        start = min(max(start, 0), IMAGE_SIZE - side)
        slices.append(slice(start, start + side))
    field[tuple(slices)] = digit
    return field


def _reduce(step: np.ndarray) -> np.ndarray:
    image = Image.fromarray(step)
    image.thumbnail((STEP_SIZE, STEP_SIZE))
    return np.asarray(image)
