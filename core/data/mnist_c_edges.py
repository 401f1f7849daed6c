"""MNIST-C's edges: the detector of Canny 1986 with the settings of scikit-image, in batches.

B batch. Pixels are float32 (B, 28, 28), black 0 and white 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from core.config import IMAGE_SIZE
from core.data.corruption_draws import Draws
from core.data.corruption_geometry import gaussian_filter

SD = 1.0
LOW, HIGH = 0.1, 0.2
"""Thresholds of the gradient's magnitude, by Sobel's operator without its factor 1/8."""


def canny_edges(pixels: Tensor, _: int, __: Draws) -> Tensor:
    """1 on edges, 0 elsewhere: gradients above `LOW`, thinned, connected to one above `HIGH`.

    Computed in float64. Where two gradients tie, rounding decides, so that single pixels may
    differ from the published data.
    """
    down, right = _gradient(_smooth(pixels.double()))
    magnitude = torch.hypot(down, right)
    thin = _is_maximum(magnitude, down, right)
    weak, strong = thin & (magnitude >= LOW), thin & (magnitude >= HIGH)
    return _connected(weak, strong).to(pixels.dtype)


def _smooth(pixels: Tensor) -> Tensor:
    """Gaussian means of the pixels that lie in the image."""
    inside = gaussian_filter(torch.ones_like(pixels[:1]), SD, "constant")
    return gaussian_filter(pixels, SD, "constant") / inside


def _gradient(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Sobel's differences downwards and to the right; the border is repeated beyond itself."""
    p = pad(pixels.unsqueeze(1), (1, 1, 1, 1), "replicate")[:, 0]
    rows = p[:, :, :-2] + 2 * p[:, :, 1:-1] + p[:, :, 2:]
    columns = p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]
    return rows[:, 2:] - rows[:, :-2], columns[:, :, 2:] - columns[:, :, :-2]


def _is_maximum(magnitude: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Where neither of the values one step along the gradient is greater; never on the border.

    Such a value is interpolated between the neighbour along the longer component and the diagonal
    one.
    """
    steep = down.abs() >= right.abs()
    share = torch.minimum(down.abs(), right.abs()) / torch.maximum(down.abs(), right.abs())
    result = magnitude > 0
    result[:, (0, -1)] = False
    result[..., (0, -1)] = False
    agree = (down >= 0) == (right >= 0)
    for way in (1, -1):
        straight = torch.where(steep, _neighbour(magnitude, way, 0), _neighbour(magnitude, 0, way))
        falling, rising = _neighbour(magnitude, way, way), _neighbour(magnitude, -way, way)
        rising = torch.where(steep, _neighbour(magnitude, way, -way), rising)
        diagonal = torch.where(agree, falling, rising)
        result &= diagonal * share + straight * (1 - share) <= magnitude
    return result


def _neighbour(values: Tensor, down: int, right: int) -> Tensor:
    """The value so many places below and to the right of each; 0 beyond the border."""
    padded = pad(values, (1, 1, 1, 1))
    return padded[:, 1 + down :, 1 + right :][:, :IMAGE_SIZE, :IMAGE_SIZE]


def _connected(weak: Tensor, strong: Tensor) -> Tensor:
    """The weak places that weak neighbours, diagonal ones too, connect to a strong one."""
    reached = strong
    while True:
        spread = weak & (max_pool2d(reached.float(), 3, stride=1, padding=1) > 0)
        if torch.equal(spread, reached):
            return reached
        reached = spread
