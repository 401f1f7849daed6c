"""Exact Shapley values of the normalization layers' statistics (diagnostic D1).

B batch, L normalization layer, S = 2^L coalition, K class. The players are the normalization
layers. In coalition S the layers of S normalize with alternative statistics, the others as always;
its value is a margin between two logits. Bit l of a coalition's number says whether layer l + 1 is
in it. All 2^L coalitions are computed as one tree, without sampling: those that agree up to a
layer share the computation up to it, which costs 8 instead of 128 forward passes here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.analysis.normalizing import Norm, Statistics, apply

Alternative: TypeAlias = Sequence[Statistics] | None
"""One `Statistics` per normalization layer, or None: each image's own, of the current activations,
per channel (Ulyanov et al. 2016, arXiv 1607.08022, call this instance normalization)."""

TREE_BATCH = 32
"""Images whose trees are computed together: larger batches leave the cache and are no faster."""
FAMILY_LEVEL = 0.05


@torch.inference_mode()
def patched_logits(network: nn.Sequential, inputs: Tensor, alternative: Alternative) -> Tensor:
    """Logits (B, S, K) of every coalition, for normalized inputs (B, 1, 28, 28).

    `network` must be in evaluation mode and is not changed. Coalition 0 is the network itself.
    `Statistics` (B, G) belong to the inputs one by one, (1, G) to all of them.
    """
    parts = []
    for start in range(0, len(inputs), TREE_BATCH):
        rows = slice(start, start + TREE_BATCH)
        parts.append(_tree(network, inputs[rows], _rows(alternative, rows)))
    return torch.cat(parts)


def _rows(alternative: Alternative, rows: slice) -> Alternative:
    if alternative is None:
        return None
    return [Statistics(*(t if len(t) == 1 else t[rows] for t in layer)) for layer in alternative]


def _tree(network: nn.Sequential, x: Tensor, alternative: Alternative) -> Tensor:
    num_images = len(x)
    layers = iter(alternative) if alternative is not None else None
    for module in network:
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            x = torch.cat([module(x), _patched(module, x, layers, num_images)])
        else:
            x = module(x)
    return x.unflatten(0, (-1, num_images)).transpose(0, 1)


def _patched(norm: Norm, h: Tensor, layers: Iterator[Statistics] | None, num_images: int) -> Tensor:
    if layers is None:
        return F.group_norm(h, h.shape[1], norm.weight, norm.bias, norm.eps)
    statistics = next(layers)
    if len(statistics.mean) > 1:
        times = len(h) // num_images
        statistics = Statistics(*(t.repeat(times, 1) for t in statistics))
    return apply(norm, h, statistics)


def margins(logits: Tensor, weights: Tensor) -> np.ndarray:
    """Weighted sums (B, S) float64 of logits (B, S, K) by one contrast (B, K) per image."""
    return torch.einsum("bsk,bk->bs", logits.double(), weights.double()).numpy()


def shapley_values(values: np.ndarray) -> np.ndarray:
    """Shapley values (B, L) of the values (B, 2^L) of all coalitions (Shapley 1953).

    They sum to the value of all players less that of none.
    """
    num_players = values.shape[1].bit_length() - 1
    return values @ _shapley_matrix(num_players).T


def _shapley_matrix(num_players: int) -> np.ndarray:
    """Row l: each coalition's weight, positive where player l belongs to it."""
    coalitions = np.arange(2**num_players)
    members = coalitions >> np.arange(num_players)[:, None] & 1
    size = members.sum(axis=0)
    weight = np.array(
        [1 / (num_players * math.comb(num_players - 1, s)) for s in range(num_players)]
    )
    joined, absent = weight[np.maximum(size - 1, 0)], weight[np.minimum(size, num_players - 1)]
    return np.where(members == 1, joined, -absent)


def repair_values(values: np.ndarray) -> np.ndarray:
    """φ (B, L): how much of the margin patching each layer, with the alternative, takes away.

    The Shapley value of that patch with its sign turned: for a wrong margin, positive repairs.
    """
    return -shapley_values(values)


def single_patches(num_layers: int) -> list[int]:
    """The numbers of L + 1 coalitions: each layer alone, then all of them."""
    return [*(1 << layer for layer in range(num_layers)), 2**num_layers - 1]


def family_band(phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high (L,), one of which chance leaves in at most 5 % of images, any layer counted.

    `phi` (N, L) are the values of N comparable cases. If the image at hand were one more of them,
    its φ would be equally likely to take any rank among N + 1. The bound is therefore the value of
    rank ⌈(1 - 0.05 / L)(N + 1)⌉, and infinite where N has no such rank (139 cases are needed for
    seven layers). With 95 % per layer instead, chance alone would name some layer in up to 30 % of
    images.
    """
    num_cases, num_layers = phi.shape
    rank = math.ceil((1 - FAMILY_LEVEL / num_layers) * (num_cases + 1))
    if rank > num_cases:
        return np.full(num_layers, -math.inf), np.full(num_layers, math.inf)
    ascending = np.sort(phi, axis=0)
    return ascending[num_cases - rank], ascending[rank - 1]
