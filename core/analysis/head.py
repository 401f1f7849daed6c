"""Exact decomposition of a margin over the channels before the head (diagnostic D2).

B image, R reference image, C channel, G group, K class. Behind global average pooling the network
is linear: margin = Σ_c w_c · mean(a_c) + bias, with a_c the channel's map after the last ReLU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from core.analysis.normalizing import Norm, num_groups, statistics_of
from core.model.network import NUM_CONVS, Network

LAST_NORM = f"norm{NUM_CONVS}"


@dataclass(frozen=True)
class HeadDecomposition:
    """Parts (C,) of a margin, float64: total = reference + content + rescaling per channel.

    `margin` = Σ total + bias. `reference` is what the channel gives on reference images on average,
    `content` what the channel's own map before normalization adds, and `rescaling` what the other
    channels of its group add, which act on it through μ and σ only. Content and rescaling are
    Shapley values of these two players; an absent player has the maps of reference images, averaged
    over them (an interventional background: Janzing et al. 2020, arXiv 1910.13413).
    """

    total: np.ndarray
    reference: np.ndarray
    content: np.ndarray
    rescaling: np.ndarray
    bias: float
    margin: float
    num_references: int

    @property
    def rescaling_share(self) -> float:
        """Σ|rescaling| / Σ(|content| + |rescaling|), in [0, 1]; 0 where nothing differs."""
        rescaling, content = np.abs(self.rescaling).sum(), np.abs(self.content).sum()
        return float(rescaling / (rescaling + content)) if rescaling + content else 0.0

    def frame(self) -> pd.DataFrame:
        """One row per channel, counted from 1: `channel, total, reference, content, rescaling`."""
        parts = {name: getattr(self, name) for name in ("total", "reference", "content")}
        channels = np.arange(1, len(self.total) + 1)
        return pd.DataFrame({"channel": channels, **parts, "rescaling": self.rescaling})


@torch.inference_mode()
def last_maps(network: Network, inputs: Tensor) -> Tensor:
    """Maps (B, C, 4, 4) before the last normalization, for normalized inputs (B, 1, 28, 28)."""
    x = inputs
    for name, module in network.named_children():
        if name == LAST_NORM:
            break
        x = module(x)
    return x


def head_weights(network: Network, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Weight of each channel (C,) in weights · logits, and the constant, float64.

    The hidden layer has no activation, so it and the classifier are one linear map. `weights` (K,).
    """
    hidden, classifier = (_linear(network.get_submodule(n)) for n in ("hidden", "classifier"))
    by_hidden = weights @ classifier[0]
    bias = by_hidden @ hidden[1] + weights @ classifier[1]
    return by_hidden @ hidden[0], float(bias)


def _linear(conv: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None
    weight, bias = (t.detach().double().numpy() for t in (conv.weight, conv.bias))
    return weight[:, :, 0, 0], bias


@torch.inference_mode()
def decompose_head(
    network: Network, maps: Tensor, weights: np.ndarray, reference_maps: Tensor
) -> HeadDecomposition:
    """Decomposes weights · logits of the image whose `maps` (C, 4, 4) `last_maps` gave.

    `weights` (K,); `reference_maps` (R, C, 4, 4) are the background. Works in float64.
    """
    channel_weights, bias = head_weights(network, weights)
    values = _coalitions(network.get_submodule(LAST_NORM), maps, reference_maps)
    none, own, others, both = (channel_weights * value.numpy() for value in values)
    # Differences per reference image come first, so that what does not differ is exactly 0.
    rescaling = ((others - none).mean(axis=0) + (both - own).mean(axis=0)) / 2
    reference, total = none.mean(axis=0), both[0]
    content = ((own - none).mean(axis=0) + (both - others).mean(axis=0)) / 2
    margin = float(total.sum() + bias)
    return HeadDecomposition(
        total, reference, content, rescaling, bias, margin, num_references=len(reference_maps)
    )


def _coalitions(norm: nn.Module, maps: Tensor, references: Tensor) -> tuple[Tensor, ...]:
    """Pooled activations (R, C) with neither, own, the others' and both maps of the image."""
    assert isinstance(norm, nn.BatchNorm2d | nn.GroupNorm)
    own_maps = maps.double().expand(references.shape)
    other_maps = references.double()
    image, reference = _moments(own_maps), _moments(other_maps)
    return (
        _pooled(norm, other_maps, reference, reference),
        _pooled(norm, own_maps, image, reference),
        _pooled(norm, other_maps, reference, image),
        _pooled(norm, own_maps, image, image),
    )


def _moments(maps: Tensor) -> Tensor:
    """Mean and mean square (2, R, C) of each map."""
    return torch.stack([maps.mean((2, 3)), maps.square().mean((2, 3))])


def _pooled(norm: Norm, maps: Tensor, own: Tensor, others: Tensor) -> Tensor:
    """Each channel normalized with its own moments and the group's others', after ReLU, pooled."""
    if isinstance(norm, nn.BatchNorm2d):
        mean, var = (t.double() for t in statistics_of(norm, maps))
    else:
        size = maps.shape[1] // num_groups(norm)
        sums = others.unflatten(2, (-1, size)).sum(3).repeat_interleave(size, dim=2)
        mean, square = (sums - others + own) / size
        var = square - mean.square()
    scale = (var + norm.eps).rsqrt() * norm.weight.double()
    normalized = (maps - mean[..., None, None]) * scale[..., None, None]
    return (normalized + norm.bias.double()[:, None, None]).relu().mean((2, 3))
