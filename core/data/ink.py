"""Where there is ink on paper and how much of it, in drawings and scans and in photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.data.image_gate import MIN_CONTRAST
from core.data.lighting import background, border, even_light, grain, is_even

MIN_INK = 0.1
"""Part of the strongest ink from which a pixel counts as ink; less is blur and dirt."""
MIN_INK_PHOTOGRAPHED = 0.4
"""The same in photographs, where there is also the print of lined paper."""
BLURRED_EDGE = 0.3
"""Part of the strongest ink in a photograph at which a digit is taken to begin and end."""
MIN_DARKNESS = 0.15
"""Part of the light that strong ink takes in a photograph, at least; less are spots of paper."""
MIN_SIDE, MIN_PART = 8, 0.03
"""Height or width of the largest mark in a photograph, at least, in pixels and as part of the
picture's longer side; less is the paper's grain."""
NOISE = 5
"""Standard deviations of the paper's grain that ink is darker by, after slight smoothing."""
STRONG = 98
"""Percentile of the ink found that counts as strong."""
FRAME = 0.25
"""Part of a side of the picture that something other than a digit covers at its border."""


@dataclass(frozen=True, eq=False)
class Ink:
    """`values` (H, W) float32, 0 on paper, at most 1; `inked` (H, W) bool, where a stroke is."""

    values: np.ndarray
    inked: np.ndarray
    is_photographed: bool

    @property
    def edge(self) -> float:
        """Part of the strongest ink at which a stroke ends; a lens blurs it beyond."""
        return BLURRED_EDGE if self.is_photographed else MIN_INK


def find_ink(levels: np.ndarray, paper: int | None = None) -> Ink:
    """The dark ink in `levels` (H, W) uint8; nothing is inked where there is none.

    `paper` is its level in a drawing that was made on it; then ink may cover any of the border.
    Else the border tells the level, and whether this is a photograph.
    """
    if paper is not None:
        return _drawn(levels, paper)
    if not is_even(levels):
        return _photographed(levels)
    return _drawn(levels, background(levels), grain(levels))


def _drawn(levels: np.ndarray, paper: int, noise: float = 0) -> Ink:
    values = np.maximum(paper - levels.astype(np.float32) - noise, 0) / 255
    strongest = values.max()
    if strongest * 255 < MIN_CONTRAST // 2:
        return Ink(values, np.zeros(values.shape, bool), False)
    return Ink(values, values >= MIN_INK * strongest, False)


def _photographed(levels: np.ndarray) -> Ink:
    from scipy import ndimage

    values = even_light(levels)
    values = values - np.median(values)
    smooth = ndimage.gaussian_filter(values, 1)
    found = smooth > NOISE * _spread(smooth)
    strong = np.percentile(smooth[found], STRONG) if found.any() else 0
    if strong < MIN_DARKNESS:
        strong = np.inf
    found = without_frame(found & (smooth > MIN_INK_PHOTOGRAPHED * strong))
    return Ink(np.maximum(values - 2 * _spread(values), 0), without_grain(found), True)


def _spread(values: np.ndarray) -> float:
    """The standard deviation of what is near 0, as most of a page is."""
    return 1.4826 * float(np.median(np.abs(values)))


def without_frame(inked: np.ndarray) -> np.ndarray:
    """`inked` (H, W) bool without what lies along the border, such as a table beside the paper."""
    from scipy import ndimage

    labels, number = ndimage.label(inked, np.ones((3, 3)))
    covered = np.bincount(border(labels), minlength=number + 1)
    is_frame = covered >= FRAME * min(inked.shape)
    return inked & ~is_frame[labels]


def without_grain(inked: np.ndarray) -> np.ndarray:
    """`inked` (H, W) bool if any mark is large enough for a digit, else nothing."""
    from scipy import ndimage

    least = max(MIN_SIDE, MIN_PART * max(inked.shape))
    places = ndimage.find_objects(ndimage.label(inked, np.ones((3, 3)))[0])
    is_large = any(side.stop - side.start >= least for place in places for side in place)
    return inked & is_large
