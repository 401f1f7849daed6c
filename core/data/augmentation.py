"""Rotation and normalization of whole batches on the device, pixel for pixel what PIL does.

R replica, N image, B batch. `Image.rotate` with nearest neighbour walks the output in 16.16 fixed
point; the same integers are used here, so that the result is equal, not only similar.
"""

from __future__ import annotations

import torch
from torch import Tensor

from core.config import IMAGE_SIZE

PADDED_SIZE = IMAGE_SIZE + 2
FIXED_ONE = 1 << 16


def normalize(images: Tensor, mean: float, std: float) -> Tensor:
    """8-bit images (…, 28, 28) as float32 (…, 1, 28, 28): scaled to [0, 1], less mean, over std."""
    scaled = images.to(torch.float32).div(255)
    return scaled.sub_(mean).div_(std).unsqueeze(-3)


def pad_with_fill(images: Tensor, fill: int) -> Tensor:
    """Images (N, 28, 28) uint8 with a border of one pixel of `fill`, flattened: (N · 900,)."""
    return torch.nn.functional.pad(images, (1, 1, 1, 1), value=fill).reshape(-1)


def rotation_coefficients(degrees: Tensor) -> Tensor:
    """Fixed-point source coordinates for rotations by `degrees` (N,) float64, counter-clockwise.

    Returns (6, N) int32: x = (c₂ + c₀·column + c₁·row) >> 16, y = (c₅ + c₃·column + c₄·row) >> 16.
    """
    radians = -torch.deg2rad(degrees)
    cos, sin = torch.cos(radians), torch.sin(radians)
    center = IMAGE_SIZE / 2
    shift_x = center - cos * center - sin * center
    shift_y = center + sin * center - cos * center
    # PIL samples at pixel centres, hence the halves.
    rows = (cos, sin, shift_x + (cos + sin) / 2, -sin, cos, shift_y + (cos - sin) / 2)
    return torch.floor(torch.stack(rows) * FIXED_ONE + 0.5).to(torch.int32)


def rotate(padded: Tensor, index: Tensor, coefficients: Tensor) -> Tensor:
    """The images at `index`, each rotated by its own coefficients.

    `padded` comes from `pad_with_fill`; `index` (R, B) int64, `coefficients` (6, R, B) int32 from
    `rotation_coefficients`. Returns (R, B, 28, 28) uint8; uncovered pixels hold the fill value.
    """
    pixel = torch.arange(IMAGE_SIZE, device=padded.device, dtype=torch.int32)
    column, row = pixel.view(1, 1, 1, -1), pixel.view(1, 1, -1, 1)
    c = coefficients.unsqueeze(-1).unsqueeze(-1)
    x = (c[2] + c[0] * column + c[1] * row) >> 16
    y = (c[5] + c[3] * column + c[4] * row) >> 16
    # Everything outside lands on the border, which holds the fill value.
    x = x.clamp_(-1, IMAGE_SIZE).add_(1)
    y = y.clamp_(-1, IMAGE_SIZE).add_(1)
    first = (index * PADDED_SIZE**2).view(*index.shape, 1, 1)
    return padded.take(first + (y * PADDED_SIZE + x))
