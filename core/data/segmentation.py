"""Which ink belongs to which digit: connected marks, put together and in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np

SPECK = 0.1
"""Part of the tallest mark's height below which, in both directions, a mark is dirt."""
MIN_HEIGHT = 0.35
"""Part of the tallest digit's height that a digit has at least; dashes and dots have less."""
GAP = 0.05
"""Part of the tallest mark's height that a stroke may be interrupted for."""
FRAGMENT = 0.6
"""Part of a digit's height up to which a mark can be a detached part of it."""
STACKED_GAP, BESIDE_GAP = 0.25, 0.08
"""Parts of a digit's height that such a mark may lie above or below it, and to its side."""
OVERLAP = 0.25
"""Part of the narrower width over which marks of one digit lie above each other."""
EIGHT = np.ones((3, 3))
"""Neighbours of a pixel: also those that it touches with a corner."""
MAX_MARKS = 100
"""Of the largest marks; more are paper or a text, and cost time."""

Box = tuple[int, int, int, int]
"""Top, left, bottom, right, in pixels; bottom and right excluded."""


@dataclass(frozen=True)
class Mark:
    """Pixels that belong together: those with one of `labels`, `area` in number, within `box`."""

    labels: tuple[int, ...]
    box: Box
    area: int

    @property
    def height(self) -> int:
        return self.box[2] - self.box[0]

    @property
    def width(self) -> int:
        return self.box[3] - self.box[1]


def find_marks(inked: np.ndarray) -> tuple[np.ndarray, tuple[Mark, ...], int]:
    """The digits among the pixels `inked` (H, W) bool.

    Returns labels (H, W) int, 0 where nothing is inked; the digits in reading order; and how many
    marks were left out because they are too small beside the tallest. Digits that touch count as
    one: nothing is cut.
    """
    labels, marks = label_marks(inked)
    digits = put_together(marks)
    tallest = max((mark.height for mark in digits), default=0)
    kept = [mark for mark in digits if mark.height >= MIN_HEIGHT * tallest]
    return labels, reading_order(kept), len(digits) - len(kept)


def label_marks(inked: np.ndarray) -> tuple[np.ndarray, list[Mark]]:
    """Labels (H, W) int and the connected marks, over short gaps too, without specks."""
    from scipy import ndimage

    labels, _ = ndimage.label(inked, EIGHT)
    reach = round(GAP * max((mark.height for mark in _measure(labels)), default=0))
    if reach:
        groups, _ = ndimage.label(ndimage.maximum_filter(inked, reach + 1), EIGHT)
        labels = np.where(inked, groups, 0)
    marks = _measure(labels)
    speck = SPECK * max((mark.height for mark in marks), default=0)
    return labels, [mark for mark in marks if max(mark.height, mark.width) >= speck]


def _measure(labels: np.ndarray) -> list[Mark]:
    """The largest marks of `labels` (H, W), with the largest first."""
    from scipy import ndimage

    areas = np.bincount(labels.ravel())
    marks = [
        Mark((label,), (rows.start, columns.start, rows.stop, columns.stop), int(areas[label]))
        for label, (rows, columns) in enumerate(ndimage.find_objects(labels), 1)
    ]
    return sorted(marks, key=lambda mark: -mark.area)[:MAX_MARKS]


def put_together(marks: Sequence[Mark]) -> list[Mark]:
    """`marks` with detached parts, such as the bar of a 5, joined to what they belong to."""
    whole: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: -mark.height):
        near = [other for other in whole if belongs_to(mark, other)]
        if near:
            other = min(near, key=lambda one: _distance(mark, one))
            whole[whole.index(other)] = _join(other, mark)
        else:
            whole.append(mark)
    # What has grown may now be large and near enough for another part.
    return whole if len(whole) == len(marks) else put_together(whole)


def belongs_to(part: Mark, digit: Mark) -> bool:
    """Whether `part` is small and near enough to be a detached part of `digit`."""
    above, beside = (_gap(part, digit, axis) for axis in (0, 1))
    is_stacked = -beside >= OVERLAP * min(part.width, digit.width)
    is_near = (is_stacked and above <= STACKED_GAP * digit.height) or (
        above <= 0 and beside <= BESIDE_GAP * digit.height
    )
    return is_near and part.height <= FRAGMENT * digit.height


def _gap(one: Mark, other: Mark, axis: int) -> int:
    """Pixels between two boxes along `axis`; negative where they overlap."""
    return max(one.box[axis], other.box[axis]) - min(one.box[axis + 2], other.box[axis + 2])


def _distance(one: Mark, other: Mark) -> float:
    return hypot(max(0, _gap(one, other, 0)), max(0, _gap(one, other, 1)))


def _join(one: Mark, other: Mark) -> Mark:
    (top, left, bottom, right), (upper, first, lower, last) = one.box, other.box
    box = (min(top, upper), min(left, first), max(bottom, lower), max(right, last))
    return Mark(one.labels + other.labels, box, one.area + other.area)


def reading_order(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """Lines from top to bottom, each from left to right; a line may climb or fall.

    A mark goes on a line if the middle of one, it or the line's last mark, lies level with the
    other.
    """
    lines: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda mark: mark.box[1]):
        line = next((line for line in lines if _are_level(line[-1], mark)), None)
        if line is None:
            lines.append([mark])
        else:
            line.append(mark)
    lines.sort(key=lambda line: sum(map(_middle, line)) / len(line))
    return tuple(mark for line in lines for mark in line)


def _middle(mark: Mark) -> float:
    return (mark.box[0] + mark.box[2]) / 2


def _are_level(one: Mark, other: Mark) -> bool:
    return any(a.box[0] <= _middle(b) < a.box[2] for a, b in ((one, other), (other, one)))
