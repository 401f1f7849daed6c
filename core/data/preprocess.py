"""Any picture of digits as the networks see them: each 28×28, light ink on black, centred.

As MNIST was made (LeCun, Cortes and Burges, 1998): the digit's longer side scaled to 20 pixels,
its centre of mass put in the centre of the field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from core.config import IMAGE_SIZE
from core.data.image_gate import Picture, read_picture
from core.data.ink import Ink, find_ink
from core.data.lighting import background, find_polarity, reduce
from core.data.segmentation import Box, Mark, find_marks
from core.errors import ImageError, UsageError

POLARITIES = ("auto", "dark_on_light", "light_on_dark")
CENTRINGS = ("mass", "box")
"""What of a digit lies in the centre of the field: its centre of mass, or its middle."""
DIGIT_SIZE = 20
"""Longer side of a digit in the 28×28 field, in pixels."""
CENTER = IMAGE_SIZE / 2
"""Where MNIST's centres of mass lie, to the nearest whole pixel, counting pixels from 0."""
RESAMPLING = Image.Resampling.HAMMING
"""Without ringing, and sharper than bilinear."""
MAX_SIDE = 1000
"""Longest side of the picture in which digits are looked for, in pixels."""
STEP_SIZE = 256
"""Longest side of the pictures of steps, in pixels; they are for the eye only."""
STEPS = ("grey", "evened", "ink", "cropped", "centred")
"""The picture as it came; uneven light evened out; light ink on black without specks; one digit
of it; the same on 28×28, centred."""

BLANK = "Nothing in the picture stands out from its background like a digit: give it more contrast."
BLANK_SO = (
    "Nothing in the picture stands out from its background with this polarity: "
    "choose the other one, or give more contrast."
)
INVERTED = "The ink is darker than the paper: the picture was inverted."


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
    box: Box | None = None


def read_image(
    source: Path | bytes, *, polarity: str = "auto", centring: str = "mass"
) -> Preprocessed:
    """The largest digit of a picture file, given by its path or its content: see `find_digits`.

    Raises `ImageError` for a picture that is refused.
    """
    return preprocess(read_picture(source), polarity=polarity, centring=centring)


def preprocess(picture: Picture, *, polarity: str = "auto", centring: str = "mass") -> Preprocessed:
    """The largest digit in `picture`, with a notice where there are several: see `find_digits`."""
    digits = find_digits(picture, polarity=polarity, centring=centring)
    if len(digits) == 1:
        return digits[0]
    chosen = largest(digits)
    notice = f"The picture shows {len(digits)} digits: this is the largest."
    return replace(chosen, notices=(*chosen.notices, notice))


def largest(digits: Sequence[Preprocessed]) -> Preprocessed:
    """The digit whose box covers most of the picture."""
    return max(digits, key=_covered)


def _covered(digit: Preprocessed) -> int:
    top, left, bottom, right = digit.box or (0, 0, 0, 0)
    return (bottom - top) * (right - left)


def find_digits(
    picture: Picture, *, polarity: str = "auto", centring: str = "mass", on_board: bool = False
) -> tuple[Preprocessed, ...]:
    """All digits in `picture` in reading order; digits that touch each other count as one.

    What has 28×28 pixels already is not moved or scaled: a data set's digit, saved as a picture,
    comes out unchanged. `polarity` is one of `POLARITIES`; for "auto" the background, most of the
    border, decides. `centring` is one of `CENTRINGS`, as the data set has it that the networks
    know (`DatasetInfo.centring`). `on_board` says that light ink was drawn on black: nothing is
    to be found out then, and ink may cover the border. Raises `ImageError` where there is no ink.
    """
    if centring not in CENTRINGS:
        raise UsageError(f"Unknown centring {centring!r}: choose from {', '.join(CENTRINGS)}.")
    if picture.levels.shape == (IMAGE_SIZE, IMAGE_SIZE):
        return (use_as_is(picture, polarity=polarity),)
    grey = reduce(picture.levels, MAX_SIDE)
    bright, was_inverted = _light_on_dark(grey, "light_on_dark" if on_board else polarity)
    ink = find_ink(255 - bright, 255 if on_board else None)
    labels, marks, number_small = find_marks(ink.inked)
    if not marks:
        raise ImageError(BLANK if polarity == "auto" else BLANK_SO, "blank")
    digits = [cut_out(ink, labels, mark) for mark in marks]
    notices = picture.notices + _notices(was_inverted, ink.is_photographed, number_small)
    steps = _shared_steps(grey, ink, np.isin(labels, [n for mark in marks for n in mark.labels]))
    return tuple(
        _finish(digit, mark.box, notices, steps, centring, max(grey.shape))
        for digit, mark in zip(digits, marks, strict=True)
    )


def use_as_is(picture: Picture, *, polarity: str = "light_on_dark") -> Preprocessed:
    """All of `picture`, with nothing cropped or centred.

    What has another size than 28×28 is scaled to it with its proportions kept, which a notice
    says; the background's median level fills the rest.
    """
    levels, was_inverted = _light_on_dark(picture.levels, polarity)
    notices = picture.notices + _notices(was_inverted)
    steps = {"grey": _for_the_eye(picture.levels)}
    if levels is not picture.levels:
        steps["ink"] = _for_the_eye(levels)
    if levels.shape != (IMAGE_SIZE, IMAGE_SIZE):
        height, width = levels.shape
        notices += (f"The whole picture of {width}×{height} pixels was scaled to 28×28.",)
        field, paper = (IMAGE_SIZE, IMAGE_SIZE), background(levels)
        levels = np.asarray(ImageOps.pad(Image.fromarray(levels), field, RESAMPLING, color=paper))
        steps["centred"] = levels
    # Pillow's arrays cannot be written, which torch warns of.
    return Preprocessed(levels.copy(), notices, steps)


def _light_on_dark(levels: np.ndarray, polarity: str) -> tuple[np.ndarray, bool]:
    """`levels` with light ink, and whether that was found out and took inverting them."""
    if polarity not in POLARITIES:
        raise UsageError(f"Unknown polarity {polarity!r}: choose from {', '.join(POLARITIES)}.")
    is_dark_ink = (find_polarity(levels) if polarity == "auto" else polarity) == "dark_on_light"
    return 255 - levels if is_dark_ink else levels, is_dark_ink and polarity == "auto"


def _notices(
    was_inverted: bool, is_photographed: bool = False, number_small: int = 0
) -> tuple[str, ...]:
    notices = {
        INVERTED: was_inverted,
        "The light is uneven: it was evened out.": is_photographed,
        f"Marks too small for a digit were left out: {number_small}.": number_small,
    }
    return tuple(notice for notice, applies in notices.items() if applies)


def _shared_steps(grey: np.ndarray, ink: Ink, kept: np.ndarray) -> dict[str, np.ndarray]:
    """The pictures up to light ink on black, of which only the pixels `kept` (H, W) are left."""
    steps = {"grey": grey}
    if ink.is_photographed:
        steps["evened"] = np.rint(255 * (1 - ink.values)).astype(np.uint8)
    shown = ink.values * kept
    steps["ink"] = np.rint(shown * (255 / shown.max())).astype(np.uint8)
    return {name: _for_the_eye(step) for name, step in steps.items()}


def _finish(
    digit: np.ndarray,
    box: Box,
    notices: tuple[str, ...],
    steps: Mapping[str, np.ndarray],
    centring: str,
    side: int,
) -> Preprocessed:
    image = center(scale(digit), centring)
    cropped = np.rint(digit * (255 / digit.max())).astype(np.uint8)
    steps = {**steps, "cropped": _for_the_eye(cropped), "centred": image}
    shrink = max(steps["grey"].shape) / side
    top, left, bottom, right = box
    corner = (floor(top * shrink), floor(left * shrink))
    return Preprocessed(
        image, notices, steps, (*corner, ceil(bottom * shrink), ceil(right * shrink))
    )


def cut_out(ink: Ink, labels: np.ndarray, mark: Mark) -> np.ndarray:
    """The ink of one mark (h, w) float32 with its soft edges, and nothing of its neighbours."""
    from scipy import ndimage

    edge = max(1, round(mark.height / DIGIT_SIZE))
    top, left, bottom, right = mark.box
    region = (slice(max(0, top - edge), bottom + edge), slice(max(0, left - edge), right + edge))
    own = np.isin(labels[region], mark.labels)
    near = ndimage.maximum_filter(own, 2 * edge + 1) & (own | (labels[region] == 0))
    values = ink.values[region] * near
    inked = values >= ink.edge * values.max()
    rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
    return values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def scale(ink: np.ndarray) -> np.ndarray:
    """`ink` with its longer side brought to 20 pixels and its strongest level to 255; uint8."""
    height, width = (max(1, round(side * DIGIT_SIZE / max(ink.shape))) for side in ink.shape)
    # As float: of a thin stroke in a large picture only a few levels are left.
    resized = Image.fromarray(ink.astype(np.float32)).resize((width, height), RESAMPLING)
    scaled = np.asarray(resized)
    return np.rint(scaled * (255 / scaled.max())).astype(np.uint8)


def center(digit: np.ndarray, centring: str = "mass") -> np.ndarray:
    """`digit` (at most 28×28) in the field, centred in one of `CENTRINGS` if there is room."""
    field = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    slices = []
    for axis, side in enumerate(digit.shape):
        mass = digit.sum(axis=1 - axis, dtype=np.float64)
        middle = np.average(np.arange(side), weights=mass) if centring == "mass" else side / 2
        start = min(max(round(CENTER - middle), 0), IMAGE_SIZE - side)
        slices.append(slice(start, start + side))
    field[tuple(slices)] = digit
    return field


def _for_the_eye(step: np.ndarray) -> np.ndarray:
    image = Image.fromarray(step)
    image.thumbnail((STEP_SIZE, STEP_SIZE))
    return np.asarray(image)
