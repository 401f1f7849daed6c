"""The statistics of one normalization layer over many images, and the place of one among them.

N images, C channels, H height, W width, G groups (a channel each for batch norm).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from core.analysis.normalizing import Norm, Statistics, frozen_copy, image_statistics
from core.model.network import Network

BATCH_SIZE = 250


@dataclass(frozen=True)
class LayerPopulation:
    """What enters one layer, float32. Variances are population variances.

    `mean` and `var` (N, G) are each image's own, also for batch norm, which normalizes with
    `stored_mean` and `stored_var` (C,) instead; those are None for group and layer norm. `gamma`
    and `beta` (C,) are learned.
    """

    mean: np.ndarray
    var: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray
    eps: float
    stored_mean: np.ndarray | None
    stored_var: np.ndarray | None

    @property
    def channels_per_group(self) -> int:
        """How many channels share a mean."""
        return len(self.gamma) // self.mean.shape[1]


@torch.no_grad()
def layer_populations(network: Network, images: Tensor) -> list[LayerPopulation]:
    """The seven layers in order, over normalized `images` (N, 1, 28, 28), in evaluation mode.

    The network is not changed.
    """
    frozen = frozen_copy(network)
    norms = [m for m in frozen.children() if isinstance(m, nn.BatchNorm2d | nn.GroupNorm)]
    batches = [_own_statistics(frozen, batch) for batch in images.split(BATCH_SIZE)]
    return [
        _population(norm, [batch[number] for batch in batches]) for number, norm in enumerate(norms)
    ]


def _own_statistics(network: nn.Module, x: Tensor) -> list[Statistics]:
    found = []
    for module in network.children():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            found.append(image_statistics(module, x))
        x = module(x)
    return found


def _population(norm: Norm, parts: list[Statistics]) -> LayerPopulation:
    stored = (
        (norm.running_mean, norm.running_var) if isinstance(norm, nn.BatchNorm2d) else (None,) * 2
    )
    return LayerPopulation(
        mean=torch.cat([part.mean for part in parts]).numpy(),
        var=torch.cat([part.var for part in parts]).numpy(),
        gamma=norm.weight.numpy(),
        beta=norm.bias.numpy(),
        eps=norm.eps,
        stored_mean=_array(stored[0]),
        stored_var=_array(stored[1]),
    )


def _array(tensor: Tensor | None) -> np.ndarray | None:
    return None if tensor is None else tensor.numpy()


def place_frame(population: LayerPopulation, own: LayerPopulation) -> pd.DataFrame:
    """One row per channel of the layer, for the one image of `own`.

    `channel, group` (from 1), `mean, mean_percentile, variance, variance_percentile, gamma, beta,
    stored_mean, stored_variance`; a percentile is the percentage of `population` below the image.
    """
    channels = np.arange(len(own.gamma))
    groups = channels // own.channels_per_group
    return pd.DataFrame(
        {
            "channel": channels + 1,
            "group": groups + 1,
            "mean": own.mean[0, groups],
            "mean_percentile": 100 * (population.mean < own.mean).mean(0)[groups],
            "variance": own.var[0, groups],
            "variance_percentile": 100 * (population.var < own.var).mean(0)[groups],
            "gamma": own.gamma,
            "beta": own.beta,
            "stored_mean": own.stored_mean,
            "stored_variance": own.stored_var,
        }
    )


def as_far_out(values: np.ndarray, own: float) -> np.ndarray:
    """Which of `values` (N,) lie in the tails at least as far out as `own` does: (N,) bool.

    The tails are of equal share; without ties the answer is true for twice the share beyond `own`.
    """
    ordered = np.sort(values)

    def tail(x: np.ndarray) -> np.ndarray:
        above = len(ordered) - np.searchsorted(ordered, x, side="left")
        return np.minimum(np.searchsorted(ordered, x, side="right"), above)

    return tail(values) <= tail(np.array(own))


def outlyingness(statistics: LayerPopulation, reference: LayerPopulation) -> np.ndarray:
    """How unusual the statistics of each image are (N,): the largest |z| of the layer.

    Over means and log variances (with ε) of all groups, against mean and standard deviation of
    `reference`.
    """
    scores = []
    for name in ("mean", "var"):
        own, others = (
            getattr(one, name) if name == "mean" else np.log(one.var + one.eps)
            for one in (statistics, reference)
        )
        spread = others.std(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            scores.append(np.where(spread > 0, np.abs(own - others.mean(0)) / spread, 0.0))
    return np.concatenate(scores, axis=1).max(axis=1)


def separation(failing: np.ndarray, right: np.ndarray) -> float:
    """AUROC: how often a failing image scores above a right one, ties half; 0.5 separates nothing.

    Scores (F,) and (R,), neither empty. It is Mann and Whitney's U divided by F · R.
    """
    ordered = np.sort(right)
    below, upto = (np.searchsorted(ordered, failing, side=side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(right)))
