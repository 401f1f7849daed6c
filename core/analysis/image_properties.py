"""What can be measured of a picture of a digit without any network. No torch.

N image. All measures look at the ink: light on black, values scaled to the image's own largest
where they ask for shape, so that a faint digit has the shape of a strong one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.config import IMAGE_SIZE


@dataclass(frozen=True)
class Property:
    """One measure: its name in words, its unit, and its definition in a sentence.

    `less` and `more` say which images have little or much of it: "thicker strokes".
    """

    key: str
    label: str
    unit: str
    less: str
    more: str
    definition: str


PROPERTIES: dict[str, Property] = {
    found.key: found
    for found in (
        Property(
            *("contrast", "Contrast", "of full scale"),
            *("lower contrast", "higher contrast"),
            "Mean value of the pixels at least half as bright as the brightest, less that of the "
            "others; black is 0 and white 1.",
        ),
        Property(
            *("brightness", "Brightness", "of full scale"),
            *("less ink", "more ink"),
            "Mean value of all pixels; black is 0 and white 1.",
        ),
        Property(
            *("thickness", "Stroke thickness", "px"),
            *("thinner strokes", "thicker strokes"),
            "The width of a straight stroke with as much ink and as long an outline.",
        ),
        Property(
            *("size", "Size", "px"),
            *("a smaller size", "a larger size"),
            "Square root of height times width of the box about all pixels at least half as "
            "bright as the brightest.",
        ),
        Property(
            *("slant", "Slant", "°"),
            *("a slant to the left", "a slant to the right"),
            "The angle by which the ink leans to the right: of the line that follows its mean "
            "position from row to row.",
        ),
        Property(
            *("position", "Off centre", "px"),
            *("ink closer to the middle", "ink further off the middle"),
            "Distance of the ink's centre of mass from the middle of the image.",
        ),
    )
}


def image_properties(images: np.ndarray) -> pd.DataFrame:
    """One row per image (N, 28, 28) uint8, one column for each of `PROPERTIES`, in their units.

    A black image has contrast and brightness 0, and NaN for everything that needs ink.
    """
    values = images.astype(np.float32) / 255
    peak = values.max(axis=(1, 2), keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        ink = values / peak
        strong = values >= np.where(peak > 0, peak / 2, np.inf)
        columns = {
            "contrast": _contrast(values, strong),
            "brightness": values.mean(axis=(1, 2)),
            "thickness": _thickness(ink),
            "size": np.sqrt(_extent(np.any(strong, axis=1)) * _extent(np.any(strong, axis=2))),
            **_moments(ink),
        }
    return pd.DataFrame({key: columns[key].astype(np.float64) for key in PROPERTIES})


def _contrast(values: np.ndarray, strong: np.ndarray) -> np.ndarray:
    def mean(of: np.ndarray) -> np.ndarray:
        return (values * of).sum(axis=(1, 2)) / np.maximum(1, of.sum(axis=(1, 2)))

    return mean(strong) - mean(~strong)


def _thickness(ink: np.ndarray) -> np.ndarray:
    """The shorter side of the rectangle with the ink's area A and outline P.

    P is the total variation, which for a picture of two values is the length of the edges between
    them (the coarea formula). The sides w and l solve w·l = A and 2(w + l) = P. What is rounder
    than a square has no such rectangle and gets P / 4. Strokes of one pixel that lie across two
    count as up to twice as thick, since the brightest pixel sets the scale.
    """
    area, outline = ink.sum(axis=(1, 2)), _outline(ink)
    return outline / 4 - np.sqrt(np.maximum(0, (outline / 4) ** 2 - area))


def _outline(ink: np.ndarray) -> np.ndarray:
    """Total variation (N,) by the gradient in every 2×2 square; edges at 0°, 45° and 90° exact."""
    padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    a, b = padded[:, :-1, :-1], padded[:, :-1, 1:]
    c, d = padded[:, 1:, :-1], padded[:, 1:, 1:]
    return np.hypot(b - a + d - c, c - a + d - b).sum(axis=(1, 2)) / 2


def _extent(occupied: np.ndarray) -> np.ndarray:
    """Length (N,) from the first to the last occupied place of rows (N, 28); NaN for none."""
    first, last = occupied.argmax(axis=1), occupied[:, ::-1].argmax(axis=1)
    return np.where(occupied.any(axis=1), occupied.shape[1] - last - first, np.nan)


def _moments(ink: np.ndarray) -> dict[str, np.ndarray]:
    """Slant in degrees and distance from the middle in pixels, by first and second moments."""
    place = np.arange(IMAGE_SIZE) - (IMAGE_SIZE - 1) / 2
    by_row, by_column, total = ink.sum(axis=2), ink.sum(axis=1), ink.sum(axis=(1, 2))
    x, y = by_column @ place / total, by_row @ place / total
    covariance = (ink @ place) @ place / total - x * y
    variance = by_row @ place**2 / total - y**2
    lean = np.divide(covariance, variance, out=np.zeros_like(x), where=variance > 1e-9)
    return {
        "slant": np.where(np.isnan(x), np.nan, np.degrees(np.arctan(-lean))),
        "position": np.hypot(x, y),
    }
