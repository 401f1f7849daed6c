"""MNIST-C's fog, spatter and lines: what is laid over the image.

B batch, M line. Pixels are float32 (B, 28, 28), black 0 and white 1.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from core.config import IMAGE_SIZE
from core.data.corruption_draws import Draws
from core.data.corruption_geometry import gaussian_filter

FOG = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))
"""Amount of light, and the factor by which the noise shrinks per halving of its mesh."""
FOG_SIZE = 256
FOG_WIBBLE = 100.0
FOG_BATCH = 25
"""Images at once; the maps of more fall out of a core's cache."""
SPATTER = (
    *((0.65, 0.3, 4, 0.69, 0.6), (0.65, 0.3, 3, 0.68, 0.6), (0.65, 0.3, 2, 0.68, 0.5)),
    *((0.65, 0.3, 1, 0.65, 1.5), (0.67, 0.4, 1, 0.65, 1.5)),
)
"""Mean and standard deviation of the liquid, its blur in px, its threshold, the spots' blur."""
MUD = 63 / 255
LINE_WIDTH = 2.3
"""Vertical distance in px at which a line has faded out."""


def fog(pixels: Tensor, level: int, draws: Draws) -> Tensor:
    """A corner of a cloud map is added, and the sum scaled back to the image's own maximum."""
    amount, decay = FOG[level - 1]
    parts = draws.split(FOG_BATCH)
    clouds = torch.cat([_clouds(part, decay, pixels.device) for part in parts])
    brightest = pixels.amax((1, 2), keepdim=True)
    sum_of_light = pixels + amount * clouds
    return (sum_of_light * brightest / (brightest + amount)).clamp_(0, 1)


def _clouds(draws: Draws, decay: float, device: torch.device) -> Tensor:
    number = FOG_SIZE**2 - 1
    noise = draws.stack(lambda random: random.random(number, dtype=np.float32)).to(device)
    return plasma(noise.mul_(2).sub_(1), decay)


def plasma(noise: Tensor, decay: float) -> Tensor:
    """The corner (B, 28, 28) of cloud maps by the diamond-square algorithm, scaled to [0, 1].

    `noise` (B, 256² − 1) in [−1, 1] is used up from the coarsest mesh to the finest. Opposite
    edges of the map meet; its extremes are those of all 256 × 256 places.
    """
    batch, wibble, used = len(noise), FOG_WIBBLE, 0
    # What is known so far, on a mesh that gets finer; its four kinds of places, each in one block.
    corners = noise.new_zeros(batch, 1, 1)
    low = high = noise.new_zeros(batch)
    while used < noise.shape[1]:
        side = corners.shape[1]
        wibbles = noise[:, used : used + 3 * side**2].view(batch, 3, side, side) * wibble**2
        centers, top, left = _between(corners, wibbles)
        for values in (centers, top, left):
            lowest, highest = values.flatten(1).aminmax(dim=1)
            low, high = torch.minimum(low, lowest), torch.maximum(high, highest)
        used, wibble = used + 3 * side**2, wibble / decay
        if used == noise.shape[1]:  # of the finest mesh only the corner is needed
            kept = (slice(None), slice(IMAGE_SIZE), slice(IMAGE_SIZE))
            corners, centers, top, left = corners[kept], centers[kept], top[kept], left[kept]
        corners = _woven(_woven(corners, top, 2), _woven(left, centers, 2), 1)
    low, high = low.view(-1, 1, 1), high.view(-1, 1, 1)
    return (corners[:, :IMAGE_SIZE, :IMAGE_SIZE] - low) / (high - low)


def _between(corners: Tensor, wibbles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The places amid four corners, and right of and below each corner: mean of four, and noise."""
    rows = corners + corners.roll(-1, 1)
    centers = (rows + rows.roll(-1, 2)).div_(4).add_(wibbles[:, 0])
    top = (centers + centers.roll(1, 1)).add_(corners).add_(corners.roll(-1, 2))
    left = (centers + centers.roll(1, 2)).add_(corners).add_(corners.roll(-1, 1))
    return centers, top.div_(4).add_(wibbles[:, 1]), left.div_(4).add_(wibbles[:, 2])


def _woven(even: Tensor, odd: Tensor, dim: int) -> Tensor:
    """Slices of `even` and `odd` in turn."""
    return torch.stack([even, odd], dim + 1).flatten(dim, dim + 1)


def spatter(pixels: Tensor, level: int, draws: Draws) -> Tensor:
    """Where blurred noise exceeds a threshold lie spots of mud, with soft edges."""
    mean, sd, liquid_blur, threshold, spot_blur = SPATTER[level - 1]
    shape = pixels.shape[1:]
    noise = draws.stack(lambda random: random.standard_normal(shape, np.float32))
    liquid = gaussian_filter(noise.to(pixels.device).mul_(sd).add_(mean), liquid_blur, "replicate")
    spots = gaussian_filter((liquid > threshold).to(pixels.dtype), spot_blur, "replicate")
    cover = torch.where(spots < 0.8, 0.0, spots)
    return (pixels * (1 - cover) + MUD * cover).clamp_(0, 1)


def dotted_line(pixels: Tensor, _: int, draws: Draws) -> Tensor:
    """From a random row at the left to one at the right; two columns off, two on, and so on."""
    ends = draws.stack(lambda random: random.integers(0, 27, 2))
    pairs, which = ends.unique(dim=0, return_inverse=True)
    left, right = pairs.double().unbind(1)
    line = _line(torch.zeros_like(left), left, torch.full_like(right, 27), right)
    line[..., torch.arange(IMAGE_SIZE) % 4 < 2] = 0
    return _add(pixels, line, which)


def zigzag(pixels: Tensor, _: int, draws: Draws) -> Tensor:
    """Teeth of 2 px to either side of a line from column 2 to column 25, up to 5 rows apart."""
    ends = draws.stack(lambda random: np.array([random.integers(0, 27), random.integers(-5, 5)]))
    pairs, which = ends.unique(dim=0, return_inverse=True)
    lines = torch.stack([_zigzag(int(row), int(drop)) for row, drop in pairs])
    return _add(pixels, lines, which)


@cache
def _zigzag(row: int, drop: int) -> Tensor:
    """The line (28, 28) that starts in `row` and ends `drop` rows below."""
    width, tooth = 23, 2.0
    angle = math.atan(drop / width)
    length = width / math.cos(angle)
    number = int((length - tooth) // (2 * tooth)) + 1
    along = [0.0, *((2 * i + 1) * tooth for i in range(number)), length]
    across = [0.0, *((-1) ** i * tooth for i in range(number))]
    across.append(across[-1] / (2 * (length - 2 * tooth * (length // (2 * tooth)))))
    a, b = torch.tensor(along, dtype=torch.float64), torch.tensor(across, dtype=torch.float64)
    columns = a * math.cos(angle) - b * math.sin(angle) + 2
    rows = a * math.sin(angle) + b * math.cos(angle) + row
    return _line(columns[:-1], rows[:-1], columns[1:], rows[1:]).sum(0).clamp_(max=1)


def _line(column: Tensor, row: Tensor, end_column: Tensor, end_row: Tensor) -> Tensor:
    """Straight lines between points (M,) float64 as light (M, 28, 28) that fades vertically."""
    c, r, end_c, end_r = (t.view(-1, 1, 1) for t in (column, row, end_column, end_row))
    pixel = torch.arange(IMAGE_SIZE, dtype=torch.float64)
    height = (end_r - r) / (end_c - c) * (pixel - c) + r
    distance = (pixel.view(-1, 1) - height).abs().clamp_(max=LINE_WIDTH - 1e-10)
    light = (torch.log(1 - distance / LINE_WIDTH) + 1).clamp_(0, 1)
    return light * ((pixel >= c.floor()) & (pixel < end_c.ceil()))


def _add(pixels: Tensor, lines: Tensor, which: Tensor) -> Tensor:
    """To each image the line that `which` (B,) names, clipped at white."""
    return (pixels + lines.to(pixels)[which.to(pixels.device)]).clamp_(max=1)
