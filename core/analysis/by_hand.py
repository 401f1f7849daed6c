"""Batch, layer, group and instance normalization worked out by hand, in float64. No torch.

N images, C channels, H height, W width, G statistics of one image. The kinds differ in which values
share a mean: batch (Ioffe and Szegedy 2015, arXiv 1502.03167), layer (Ba et al. 2016, arXiv
1607.06450), group (Wu and He 2018, arXiv 1803.08494), instance (Ulyanov et al. 2016, arXiv
1607.08022). Layer normalization here is that of images: over C, H and W, γ and β per channel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

BATCH, LAYER, GROUP, INSTANCE = KINDS = ("batch", "layer", "group", "instance")
SYMBOLS = {BATCH: "c", LAYER: "i", GROUP: "ig", INSTANCE: "ic"}
"""The index of μ and σ²: c channel, i image, g group of channels."""
EPS = 1e-5
MOMENTUM = 0.1
"""As torch's layers have them by default, and those of the networks."""


@dataclass(frozen=True)
class Statistics:
    """Means and population variances: (1, C) for batch norm, else (N, G), a row per image.

    `count` values share each of them.
    """

    mean: np.ndarray
    var: np.ndarray
    count: int


@dataclass(frozen=True)
class Normalized:
    """`xhat` = (x - μ) / √(σ² + ε) and `y` = γ · xhat + β, both (N, C, H, W).

    Where σ² + ε is 0 they are NaN: 0 / 0.
    """

    statistics: Statistics
    xhat: np.ndarray
    y: np.ndarray


def channels_per_mean(kind: str, channels: int, per_group: int) -> int:
    """How many channels share a mean, when group normalization takes `per_group` together."""
    return {LAYER: channels, GROUP: per_group}.get(kind, 1)


def sets(kind: str, images: int, channels: int, per_group: int) -> np.ndarray:
    """(N, C) int: values of blocks with the same number share a mean and a variance; from 0.

    Numbers count through the statistics row by row, as `Statistics` holds them.
    """
    groups = np.arange(channels) // channels_per_mean(kind, channels, per_group)
    rows = np.zeros(images, int) if kind == BATCH else np.arange(images)
    return rows[:, None] * (groups[-1] + 1) + groups[None, :]


def statistics(x: np.ndarray, kind: str, per_group: int) -> Statistics:
    """The statistics that x (N, C, H, W) gives itself; `per_group` divides C."""
    images, channels = x.shape[:2]
    together = channels_per_mean(kind, channels, per_group)
    grouped = x.reshape(images, channels // together, -1)
    axis = (0, 2) if kind == BATCH else 2
    mean, var = np.atleast_2d(grouped.mean(axis)), np.atleast_2d(grouped.var(axis))
    return Statistics(mean, var, x.size // mean.size)


def normalize(
    x: np.ndarray, found: Statistics, gamma: np.ndarray, beta: np.ndarray, eps: float = EPS
) -> Normalized:
    """x (N, C, H, W) normalized with the statistics `found`; γ and β (C,) are applied last."""
    mean, var = (over_channels(part, x.shape[1]) for part in (found.mean, found.var))
    with np.errstate(divide="ignore", invalid="ignore"):
        xhat = (x - mean) / np.sqrt(var + eps)
    return Normalized(found, xhat, gamma[:, None, None] * xhat + beta[:, None, None])


def over_channels(part: np.ndarray, channels: int) -> np.ndarray:
    """Statistics (1 or N, G) repeated for each of their channels: (1 or N, C, 1, 1)."""
    return part.repeat(channels // part.shape[1], axis=1)[:, :, None, None]


def statistics_frame(kind: str, found: Statistics) -> pd.DataFrame:
    """One row per mean: `norm, symbol, image, part, values, mean, variance`.

    `image` and `part`, a channel or group, are numbers from 1 as texts, or "all"; `values` is how
    many values share the mean.
    """
    rows, groups = found.mean.shape
    return pd.DataFrame(
        {
            "norm": kind,
            "symbol": SYMBOLS[kind],
            "image": "all" if kind == BATCH else str(row + 1),
            "part": "all" if kind == LAYER else str(group + 1),
            "values": found.count,
            "mean": found.mean[row, group],
            "variance": found.var[row, group],
        }
        for row in range(rows)
        for group in range(groups)
    )


@dataclass(frozen=True)
class Running:
    """Batch norm's stored statistics after each step, (T + 1, C); row 0 is the start: 0 and 1."""

    mean: np.ndarray
    var: np.ndarray

    def after(self, step: int) -> Statistics:
        """What evaluation mode uses after that many steps; `count` 0, as no value is averaged."""
        return Statistics(self.mean[step][None], self.var[step][None], 0)


def running_statistics(batches: list[np.ndarray], momentum: float = MOMENTUM) -> Running:
    """One training step on each of `batches` (N, C, H, W): stored += momentum · (batch - stored).

    The variance that is stored divides by n - 1, the one that normalizes by n, as in torch.
    `ValueError` where n is 1, since n - 1 is then 0.
    """
    channels = batches[0].shape[1]
    means, variances = [np.zeros(channels)], [np.ones(channels)]
    for batch in batches:
        found = statistics(batch, BATCH, 1)
        if found.count < 2:
            raise ValueError("A channel with a single value has no variance to store.")
        unbiased = found.var[0] * found.count / (found.count - 1)
        means.append(means[-1] + momentum * (found.mean[0] - means[-1]))
        variances.append(variances[-1] + momentum * (unbiased - variances[-1]))
    return Running(np.array(means), np.array(variances))
