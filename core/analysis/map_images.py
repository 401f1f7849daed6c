"""Attribution maps as images: one symmetric diverging colour scale, white where nothing counts.

Positive attributions are orange, negative ones blue: two hues that people with any of the common
colour-vision deficiencies tell apart, and equally light, so that the same size looks the same
whatever its sign. Enlarged, a negative pixel also carries a minus, which needs no colour. No torch.

H height, W width.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image

from core.errors import NormLabError

NEUTRAL = np.array((255, 255, 255), float)
POSITIVE = np.array((188, 72, 4), float)
NEGATIVE = np.array((0, 114, 178), float)
SCALE = 8
"""How often an enlarged image repeats each pixel, in both directions."""

MARKED_SHARE = 0.1
"""From this share of the limit on, a negative pixel gets its minus."""


def common_limit(maps: Iterable[np.ndarray]) -> float:
    """The largest absolute attribution of all `maps`, the end of the scale they share.

    So nothing is cut off. 0 without maps or if all are zero; `NormLabError` if a value is not
    finite.
    """
    return max((float(np.abs(_finite(one)).max()) for one in maps), default=0.0)


def to_rgb(attributions: np.ndarray, limit: float) -> np.ndarray:
    """Colours (H, W, 3) uint8 of `attributions` (H, W) on the scale from -limit to +limit.

    0 is white; the colour grows linearly with the value and is cut off at the limit. A limit of 0
    makes everything white. `NormLabError` if a value or the limit is not finite.
    """
    signed = _share_of_limit(attributions, limit)
    ends = np.where(signed[..., None] < 0, NEGATIVE, POSITIVE)
    share = np.abs(signed)[..., None]
    return np.rint(NEUTRAL + (ends - NEUTRAL) * share).astype(np.uint8)


def to_enlarged_rgb(attributions: np.ndarray, limit: float, scale: int = SCALE) -> np.ndarray:
    """`to_rgb`, each pixel `scale` (at least 4) wide and high: (H · scale, W · scale, 3) uint8.

    Pixels at or below -10 % of the limit carry a minus, white on dark and dark on light colours.
    """
    rgb = enlarge(to_rgb(attributions, limit), scale)
    signed = _share_of_limit(attributions, limit)
    quarter = scale // 4
    for row, column in np.argwhere(signed <= -MARKED_SHARE):
        y, x = row * scale + scale // 2, column * scale
        color = NEUTRAL if signed[row, column] < -0.5 else NEGATIVE
        rgb[y, x + quarter : x + scale - quarter] = color
    return rgb


def enlarge(image: np.ndarray, scale: int = SCALE) -> np.ndarray:
    """An image (H, W) or (H, W, 3) with each pixel repeated `scale` times in both directions."""
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


def to_png(image: np.ndarray) -> bytes:
    """A grey (H, W) or coloured (H, W, 3) uint8 image as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG")
    return buffer.getvalue()


def _share_of_limit(attributions: np.ndarray, limit: float) -> np.ndarray:
    """`attributions` in units of `limit`, float64 in [-1, 1]."""
    if not np.isfinite(limit) or limit < 0:
        raise NormLabError(f"The colour scale would end at {limit}: this map cannot be drawn.")
    values = _finite(attributions)
    return np.clip(values / limit, -1, 1) if limit else np.zeros_like(values)


def _finite(attributions: np.ndarray) -> np.ndarray:
    values = np.asarray(attributions, float)
    if not np.isfinite(values).all():
        raise NormLabError("This map holds values that are not finite: it cannot be drawn.")
    return values
