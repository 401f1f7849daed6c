"""How light falls on paper: evenly or not, what is darker than the paper, and how much."""

from __future__ import annotations

import numpy as np
from PIL import Image

EVEN = 0.05
"""Part of the picture's contrast by which an evenly lit border stays near its median."""
DRAWN = 0.9
"""Part of a drawing's border, at least, that is its paper's one level or its strongest ink."""
SMALL = 200
"""Longest side in pixels of the picture in which the light is looked for."""
WINDOW = 0.3
"""Part of the picture's longer side than which a stroke is narrower and a shadow wider."""
DIM = 64
"""Level of light on paper below which dividing by it would enlarge the noise of the camera."""
DARK = 8
"""Added to levels before their logarithm is taken, so that noise near black does not count."""


def border(levels: np.ndarray) -> np.ndarray:
    """The outermost pixels of `levels` (H, W), each once."""
    return np.concatenate((levels[0], levels[-1], levels[1:-1, 0], levels[1:-1, -1]))


def background(levels: np.ndarray) -> int:
    """The median level along the border."""
    return int(np.median(border(levels)))


def is_even(levels: np.ndarray) -> bool:
    """Whether 95 % of the border of `levels` (H, W) lie near one level, as in drawings and scans.

    Ink that covers more of the border counts as uneven, unless all paper there has the same level,
    as no camera leaves it.
    """
    away = _from_paper(levels)
    is_drawn = np.mean((away == 0) | (away >= 1 - EVEN)) >= DRAWN
    return bool(is_drawn or np.mean(away <= EVEN) >= 0.95)


def grain(levels: np.ndarray) -> float:
    """By how many levels the border of `levels` (H, W) goes up and down where there is no ink."""
    away = _from_paper(levels)
    return float(np.percentile(away[away <= EVEN], 95) * np.ptp(levels))


def _from_paper(levels: np.ndarray) -> np.ndarray:
    """How far each pixel of the border is from its median, as part of the picture's contrast."""
    return np.abs(border(levels).astype(float) - background(levels)) / max(np.ptp(levels), 1)


def find_polarity(levels: np.ndarray) -> str:
    """Whether `levels` (H, W) uint8 show "dark_on_light" or "light_on_dark".

    In even light the background is nearer to the brightest or to the darkest pixel. In uneven
    light a plane through the logarithms along the border takes its place: ink and shadow both
    divide the light, and ink does so by more.
    """
    if is_even(levels):
        differences = levels.astype(float) - background(levels)
    else:
        logarithms = np.log(reduce(levels, SMALL).astype(float) + DARK)
        differences = logarithms - _plane(logarithms)
    return "dark_on_light" if -differences.min() > differences.max() else "light_on_dark"


def even_light(levels: np.ndarray) -> np.ndarray:
    """What dark ink takes of the light (H, W) float32, from 0 on paper to 1 where none is left.

    The light on the paper is estimated by a morphological closing, which fills all that is dark
    and narrow and keeps edges of what is wide; what is missing is divided by it.
    """
    from scipy import ndimage

    small = ndimage.gaussian_filter(reduce(levels, SMALL).astype(np.float32), 1)
    window = max(3, round(WINDOW * max(small.shape)))
    # A shadow at the border is as wide as the page goes on beyond it.
    beyond = np.pad(small, window, mode="edge")
    light = ndimage.grey_closing(beyond, (window, window))[window:-window, window:-window]
    height, width = levels.shape
    light = np.asarray(Image.fromarray(light).resize((width, height), Image.Resampling.BILINEAR))
    return np.maximum(light - levels, 0) / np.maximum(light, DIM)


def reduce(levels: np.ndarray, side: int) -> np.ndarray:
    """`levels` (H, W) averaged over squares so that no side is longer than `side` pixels."""
    factor = -(-max(levels.shape) // side)
    return levels if factor == 1 else np.asarray(Image.fromarray(levels).reduce(factor))


def _plane(values: np.ndarray) -> np.ndarray:
    """The plane (H, W) nearest to `values` along their border, by least squares."""
    rows, columns = np.indices(values.shape)
    places = np.stack([np.ones(values.shape), rows, columns], axis=-1)
    sides = np.concatenate([border(places[..., axis])[:, None] for axis in range(3)], axis=1)
    return places @ np.linalg.lstsq(sides, border(values), rcond=None)[0]
