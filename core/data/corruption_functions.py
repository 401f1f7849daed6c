"""The own corruptions of tone, stroke and noise, and the dice of all random ones.

N image, P pixel. Pixels are float32 (N, 28, 28), black 0 and white 1. Everything is computed
element by element, so that an image's result does not depend on the batch that it came in.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core.config import IMAGE_SIZE
from core.data import corruption_geometry as geometry
from core.data.corruption_kinds import Corruption

DIRECTIONS = 16
"""Directions in which an edge may move; between two of them it falls short by 2 % at most."""


@dataclass(frozen=True)
class Draws:
    """The random numbers of one corruption: one generator per image, on the CPU."""

    seed: int
    key: str
    indices: Sequence[int]

    def generators(self) -> Iterator[np.random.Generator]:
        """One per image, from the seed, the corruption's name and the image's index."""
        stream = zlib.crc32(self.key.encode())
        for index in self.indices:
            yield np.random.default_rng((self.seed, stream, index))

    def stack(self, draw: Callable[[np.random.Generator], np.ndarray]) -> Tensor:
        """What `draw` makes of each image's generator, (N, …)."""
        return torch.from_numpy(np.stack([draw(generator) for generator in self.generators()]))


def as_pixels(images: Tensor) -> Tensor:
    """A copy of uint8 or float32 images as float32 pixels; raises `TypeError` for others."""
    if images.dtype == torch.uint8:
        return images.to(torch.float32).div_(255)
    if images.dtype == torch.float32:
        return images.clone()
    raise TypeError(f"images are {images.dtype}: give uint8, or float32 in [0, 1]")


def apply(pixels: Tensor, kind: Corruption, severity: float, mean: float, draws: Draws) -> Tensor:
    """One corruption, by the name of its function."""
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


def gaussian_filter(pixels: Tensor, sd: float, border: str) -> Tensor:
    """As scipy.ndimage.gaussian_filter; `border` is "constant" (black) or "replicate"."""
    reach = int(4 * sd + 0.5)
    weights = [math.exp(-0.5 * (offset / sd) ** 2) for offset in range(reach + 1)]
    total = 2 * sum(weights) - weights[0]
    for _ in range(2):
        padded = torch.nn.functional.pad(pixels, (reach, reach), mode=border)
        pixels = pixels * (weights[0] / total)
        for offset in range(1, reach + 1):
            left = padded[..., reach - offset :][..., :IMAGE_SIZE]
            right = padded[..., reach + offset :][..., :IMAGE_SIZE]
            pixels.add_(left + right, alpha=weights[offset] / total)
        pixels = pixels.transpose(-1, -2)
    return pixels.contiguous()


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
