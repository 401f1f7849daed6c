"""Each corruption of a batch by its name; the own ones of tone, stroke and noise.

N image. Pixels are float32 (N, 28, 28), black 0 and white 1. Everything is computed
element by element, so that an image's result does not depend on the batch that it came in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from core.data import corruption_geometry as geometry
from core.data import mnist_c
from core.data.corruption_draws import Draws
from core.data.corruption_geometry import gaussian_filter
from core.data.corruption_kinds import Corruption

AT_A_TIME = 1_000
FEW_AT_A_TIME = {"mnist_c_fog": 8}
"""Of what needs more memory per image."""

DIRECTIONS = 8
"""In which an edge may move. Upright and lying strokes change by just what was asked, slanting ones
of 4 px by 8 % less to 12 % more."""


def as_pixels(images: Tensor) -> Tensor:
    """A copy of uint8 or float32 images as float32 pixels; raises `TypeError` for others."""
    if images.dtype == torch.uint8:
        return images.to(torch.float32).div_(255)
    if images.dtype == torch.float32:
        return images.clone()
    raise TypeError(f"images are {images.dtype}: give uint8, or float32 in [0, 1]")


def corrupt_batch(
    pixels: Tensor, kind: Corruption, severity: float, mean: float, seed: int, places: Sequence[int]
) -> None:
    """One corruption of all images, in place; `places` are their indices.

    Some at a time, which stay in the processor's cache: several times faster for 10,000.
    """
    size = FEW_AT_A_TIME.get(kind.key, AT_A_TIME)
    for start in range(0, len(pixels), size):
        some = slice(start, start + size)
        draws = Draws(seed, kind.key, places[some])
        pixels[some] = _apply(pixels[some], kind, severity, mean, draws)


def _apply(pixels: Tensor, kind: Corruption, severity: float, mean: float, draws: Draws) -> Tensor:
    if kind.family == "mnist_c":
        return mnist_c.apply(pixels, kind.key, int(severity), draws)
    if kind.key == "gaussian_noise":
        return gaussian_noise(pixels, severity, draws)
    if kind.key == "contrast_grey":
        return contrast_grey(pixels, severity, mean)
    return SIMPLE[kind.key](pixels, severity)


def contrast(pixels: Tensor, factor: float) -> Tensor:
    return pixels.mul(factor).clamp_(max=1)


def contrast_grey(pixels: Tensor, factor: float, mean: float) -> Tensor:
    return pixels.sub(mean).mul_(factor).add_(mean)


def brightness(pixels: Tensor, added: float) -> Tensor:
    return pixels.add(added).clamp_(0, 1)


def polarity(pixels: Tensor, share: float) -> Tensor:
    """x + p (1 − 2x): the image at 0, its negative at 1."""
    return pixels.mul(1 - 2 * share).add_(share)


def gaussian_noise(pixels: Tensor, sd: float, draws: Draws) -> Tensor:
    shape = pixels.shape[1:]
    noise = draws.stack(lambda random: random.standard_normal(shape, dtype=np.float32))
    return noise.to(pixels.device).mul_(sd).add_(pixels).clamp_(0, 1)


def blur(pixels: Tensor, sd: float) -> Tensor:
    """Gaussian weights sampled at whole pixels up to 4 sd, black beyond the border."""
    return gaussian_filter(pixels, sd, "constant")


def thickness(pixels: Tensor, change: float) -> Tensor:
    """Strokes thicker by `change` px: every edge moves outwards by half of it, below 0 inwards.

    A grey dilation (erosion) by a circle of radius |change| / 2, that is the largest (smallest)
    value at that distance, between pixels by bilinear interpolation: so an antialiased edge moves
    by fractions of a pixel. Discs add up, therefore a radius above 1 px is gone in steps of 1.
    """
    extreme = torch.maximum if change > 0 else torch.minimum
    radius = abs(change) / 2
    while radius > 0:
        step = min(radius, 1.0)
        result = pixels
        for turn in range(DIRECTIONS):
            angle = 2 * math.pi * turn / DIRECTIONS
            moved = geometry.shift(pixels, step * math.cos(angle), step * math.sin(angle))
            result = extreme(result, moved)
        pixels, radius = result, radius - step
    return pixels


SIMPLE: dict[str, Callable[[Tensor, float], Tensor]] = {
    "scale": geometry.scale,
    "shear": geometry.shear,
    "rotation": geometry.rotate,
    "shift_x": lambda pixels, distance: geometry.shift(pixels, distance, 0),
    "shift_y": lambda pixels, distance: geometry.shift(pixels, 0, distance),
    "thickness": thickness,
    "blur": blur,
    "brightness": brightness,
    "contrast": contrast,
    "polarity": polarity,
}
"""Key → function (pixels, severity) → pixels, of those that need nothing else."""
