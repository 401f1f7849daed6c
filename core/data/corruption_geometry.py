"""Images moved, turned, sheared and scaled about their centre, bilinearly, and blurred.

N image. Pixels are float32 (N, 28, 28); x runs to the right, y down; beyond the image is black.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.config import IMAGE_SIZE

CENTER = (IMAGE_SIZE - 1) / 2

Matrix = tuple[float, float, float, float]
"""Row by row: where a point of the result, seen from the centre, comes from in the image."""


def warp(pixels: Tensor, matrix: Matrix) -> Tensor:
    """The value at (a·x + b·y, c·x + d·y) of each image, for `matrix` (a, b, c, d)."""
    a, b, c, d = matrix
    pixel = torch.arange(IMAGE_SIZE, dtype=torch.float64) - CENTER
    y, x = torch.meshgrid(pixel, pixel, indexing="ij")
    return _sample(pixels, a * x + b * y + CENTER, c * x + d * y + CENTER)


def _sample(pixels: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Bilinear interpolation at (x, y), both (28, 28) float64, the same for all images."""
    padded = torch.nn.functional.pad(pixels, (1, 1, 1, 1)).flatten(1)
    left, top = x.floor(), y.floor()
    result = torch.zeros_like(pixels)
    for column, across in ((left, left + 1 - x), (left + 1, x - left)):
        for row, down in ((top, top + 1 - y), (top + 1, y - top)):
            # Everything outside lands on the border of one black pixel.
            inside = [place.clamp(-1, IMAGE_SIZE).long() + 1 for place in (row, column)]
            index = (inside[0] * (IMAGE_SIZE + 2) + inside[1]).flatten().to(pixels.device)
            weight = (across * down).to(pixels)
            result.addcmul_(padded.index_select(1, index).view_as(pixels), weight)
    # Weights that add up to 1 may round to more.
    return result.clamp_(max=1)


def shift(pixels: Tensor, right: float, down: float) -> Tensor:
    """The images moved by so many pixels, between whole ones by bilinear interpolation."""
    x, y = math.floor(right), math.floor(down)
    result = torch.zeros_like(pixels)
    for column, across in ((x, x + 1 - right), (x + 1, right - x)):
        for row, along in ((y, y + 1 - down), (y + 1, down - y)):
            if across * along:
                _add_moved(result, pixels, column, row, across * along)
    return result


def _add_moved(result: Tensor, pixels: Tensor, right: int, down: int, weight: float) -> None:
    """Adds the images, moved by whole pixels, times a weight."""
    (to_x, from_x), (to_y, from_y) = _overlap(right), _overlap(down)
    result[:, to_y, to_x].add_(pixels[:, from_y, from_x], alpha=weight)


def _overlap(distance: int) -> tuple[slice, slice]:
    """Where what stays in sight lands, and where it comes from, along one axis."""
    seen = max(IMAGE_SIZE - abs(distance), 0)
    first = slice(0, seen)
    last = slice(IMAGE_SIZE - seen, IMAGE_SIZE)
    return (last, first) if distance > 0 else (first, last)


def rotate(pixels: Tensor, degrees: float) -> Tensor:
    """Counter-clockwise."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return warp(pixels, (cos, -sin, sin, cos))


def scale(pixels: Tensor, factor: float) -> Tensor:
    """Enlarged by the factor, or shrunk; without a low-pass filter before shrinking."""
    return warp(pixels, (1 / factor, 0, 0, 1 / factor))


def shear(pixels: Tensor, degrees: float) -> Tensor:
    """Upright strokes lean to the right by the angle: what is above the centre moves right."""
    return warp(pixels, (1, math.tan(math.radians(degrees)), 0, 1))


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
    return pixels.contiguous().clamp_(max=1)
