"""The corruptions of MNIST-C at their published severities (Mu and Gilmer 2019, arXiv 1906.02337).

N image, B batch. Pixels are float32 (B, 28, 28), black 0 and white 1. Written anew from the
definitions; differing from the published generator in this: seeded per image, computed in float32
and not rounded to 8 bits at the end, and drawing other random numbers of the same distributions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from core.config import IMAGE_SIZE
from core.data import corruption_geometry as geometry
from core.data import mnist_c_edges, mnist_c_overlays
from core.data.corruption_draws import Draws

PHOTONS = (60, 25, 12, 5, 3)
IMPULSE_SHARES = (0.03, 0.06, 0.09, 0.17, 0.27)
GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
"""Standard deviation of the blur, farthest swap in px, rounds of swapping."""
MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
"""Radius and standard deviation of the trail in px."""
ANGLES = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Of shear and rotation, in radians."""
SCALES = (0.9, 0.8, 0.7, 0.6, 0.5)


def apply(pixels: Tensor, key: str, level: int, draws: Draws) -> Tensor:
    """The corruption "mnist_c_…" at a level from 1; values outside [0, 1] are clipped before."""
    return FUNCTIONS[key.removeprefix("mnist_c_")](pixels.clamp(0, 1), level, draws)


def shot_noise(pixels: Tensor, level: int, draws: Draws) -> Tensor:
    """Poisson counts of which white expects so many, over that number, clipped."""
    photons = PHOTONS[level - 1]
    expected = (pixels * photons).cpu().numpy()
    pairs = zip(draws.generators(), expected, strict=True)
    counts = np.stack([random.poisson(image) for random, image in pairs]).astype(np.float32)
    return torch.from_numpy(counts).to(pixels.device).div_(photons).clamp_(max=1)


def impulse_noise(pixels: Tensor, level: int, draws: Draws) -> Tensor:
    """A share of the pixels, half of them black and half white ("salt and pepper")."""
    share, shape = IMPULSE_SHARES[level - 1], pixels.shape[1:]
    number = draws.stack(lambda random: random.random(shape, np.float32)).to(pixels.device)
    salted = torch.where(number < share / 2, 1.0, pixels)
    return torch.where((number >= share / 2) & (number < share), 0.0, salted)


def glass_blur(pixels: Tensor, level: int, draws: Draws) -> Tensor:
    """Blurred, cut down to 256 grey levels, pixels swapped with neighbours, blurred again."""
    sd, farthest, rounds = GLASS[level - 1]
    blurred = geometry.gaussian_filter(pixels, sd, "replicate").mul_(255).floor_().div_(255)
    places = range(IMAGE_SIZE - farthest, farthest, -1)
    targets = [row * IMAGE_SIZE + column for row in places for column in places] * rounds
    shuffled = _swap(blurred, targets, _swap_offsets(len(targets), farthest, draws))
    return geometry.gaussian_filter(shuffled, sd, "replicate").clamp_(0, 1)


def _swap_offsets(number: int, farthest: int, draws: Draws) -> Tensor:
    """From each of `number` pixels to its partner in row-major order, (number, B) int64.

    Half of them stay; of the others both coordinates move by −farthest … farthest − 1 px.
    """
    moves = np.arange(-farthest, farthest)
    offsets = (moves[:, None] * IMAGE_SIZE + moves).ravel()
    table = np.concatenate([offsets, np.zeros_like(offsets)])
    drawn = draws.stack(lambda random: table[random.integers(0, len(table), number, np.uint8)])
    return drawn.T.contiguous()


def _swap(pixels: Tensor, targets: Sequence[int], offsets: Tensor) -> Tensor:
    """Each target in turn changes places with the pixel at its offset."""
    flat = pixels.flatten(1).T.contiguous()
    for target, offset in zip(targets, offsets.to(pixels.device), strict=True):
        partner = (offset + target).unsqueeze(0)
        theirs = flat.gather(0, partner)
        flat.scatter_(0, partner, flat[target : target + 1].clone())
        flat[target] = theirs[0]
    return flat.T.reshape(pixels.shape)


def motion_blur(pixels: Tensor, level: int, draws: Draws) -> Tensor:
    """A one-sided Gaussian trail at a random angle, as ImageMagick's motion blur computes it.

    Every step of the trail takes the nearest pixel; beyond the border lie the border's pixels.
    """
    radius, sd = MOTION[level - 1]
    degrees = draws.stack(lambda random: np.asarray(random.uniform(-45, 45)))
    cos, sin = torch.deg2rad(degrees).cos(), torch.deg2rad(degrees).sin()
    steps = range(2 * radius + 1)
    weights = [math.exp(-((step / sd) ** 2) / 2) for step in steps]
    # Farther than this, all pixels are the border's.
    reach = min(steps[-1], IMAGE_SIZE - 1)
    padded = torch.nn.functional.pad(pixels.unsqueeze(1), (0, reach, reach, reach), "replicate")
    windows = padded[:, 0].unfold(1, IMAGE_SIZE, 1).unfold(2, IMAGE_SIZE, 1)
    image = torch.arange(len(pixels), device=pixels.device)
    result = torch.zeros_like(pixels)
    for step, weight in zip(steps, weights, strict=True):
        right = (step * cos - 0.5).ceil().long().clamp(-reach, reach).to(pixels.device)
        down = (step * sin - 0.5).ceil().long().clamp(-reach, reach).to(pixels.device)
        result.add_(windows[image, down + reach, right], alpha=weight / sum(weights))
    return result


def _one_of(pixels: Tensor, draws: Draws, choices: Sequence[Callable[[Tensor], Tensor]]) -> Tensor:
    """Each image as changed by one of the functions, drawn with equal chances."""
    which = draws.stack(lambda random: random.integers(0, len(choices), ())).to(pixels.device)
    result = torch.empty_like(pixels)
    for number, change in enumerate(choices):
        result[which == number] = change(pixels[which == number])
    return result


def _warps(*matrices: geometry.Matrix) -> list[Callable[[Tensor], Tensor]]:
    return [partial(geometry.warp, matrix=matrix) for matrix in matrices]


def shear(pixels: Tensor, level: int, draws: Draws) -> Tensor:
    """Vertical lengths grow by 1 / cos(angle) while strokes lean, as the generator's library had
    it in 2019.
    """
    cos, sin = math.cos(ANGLES[level - 1]), math.sin(ANGLES[level - 1])
    return _one_of(pixels, draws, _warps((1, -sin, 0, cos), (1, sin, 0, cos)))


def rotate(pixels: Tensor, level: int, draws: Draws) -> Tensor:
    cos, sin = math.cos(ANGLES[level - 1]), math.sin(ANGLES[level - 1])
    return _one_of(pixels, draws, _warps((cos, -sin, sin, cos), (cos, sin, -sin, cos)))


def translate(pixels: Tensor, level: int, draws: Draws) -> Tensor:
    """By `level` px along both axes, each direction with equal chances."""
    ways = (-level, level)
    moves = [partial(geometry.shift, right=x, down=y) for x in ways for y in ways]
    return _one_of(pixels, draws, moves)


def scale(pixels: Tensor, level: int, _: Draws) -> Tensor:
    return geometry.scale(pixels, SCALES[level - 1])


def brightness(pixels: Tensor, level: int, _: Draws) -> Tensor:
    """Added to the value of hue, saturation and value, which for grey is the grey level."""
    return pixels.add(level / 10).clamp_(max=1)


def stripe(pixels: Tensor, _: int, __: Draws) -> Tensor:
    result = pixels.clone()
    for side in (slice(0, 7), slice(21, 28)):
        result[..., side] = 1 - pixels[..., side]
    return result


FUNCTIONS: dict[str, Callable[[Tensor, int, Draws], Tensor]] = {
    "shot_noise": shot_noise,
    "impulse_noise": impulse_noise,
    "glass_blur": glass_blur,
    "motion_blur": motion_blur,
    "shear": shear,
    "scale": scale,
    "rotate": rotate,
    "brightness": brightness,
    "translate": translate,
    "stripe": stripe,
    "fog": mnist_c_overlays.fog,
    "spatter": mnist_c_overlays.spatter,
    "dotted_line": mnist_c_overlays.dotted_line,
    "zigzag": mnist_c_overlays.zigzag,
    "canny_edges": mnist_c_edges.canny_edges,
}
"""Bare name → function (pixels, level, draws) → pixels."""
