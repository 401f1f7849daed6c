"""What a normalization layer does with given statistics, for batch, group and layer norm alike.

B batch, C channel, G group, H height, W width. Group and layer normalization take their statistics
from the image, over each group of channels (Wu and He 2018, arXiv 1803.08494); batch normalization
in evaluation mode uses stored ones, per channel (Ioffe and Szegedy 2015, arXiv 1502.03167).
"""

from __future__ import annotations

import copy
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

Norm: TypeAlias = nn.BatchNorm2d | nn.GroupNorm


class Statistics(NamedTuple):
    """Mean and variance (B, G) of one layer; B is 1 where all images share them.

    Variances are biased (divided by the number of values). A batch-norm layer has one group per
    channel.
    """

    mean: Tensor
    var: Tensor


def num_groups(norm: Norm) -> int:
    """G: how many means and variances the layer uses for one image."""
    return norm.num_features if isinstance(norm, nn.BatchNorm2d) else norm.num_groups


def image_statistics(norm: Norm, h: Tensor) -> Statistics:
    """The statistics of each image itself, over the layer's groups, of inputs (B, C, H, W)."""
    grouped = h.reshape(len(h), num_groups(norm), -1)
    var, mean = torch.var_mean(grouped, dim=2, correction=0)
    return Statistics(mean, var)


def statistics_of(norm: Norm, h: Tensor) -> Statistics:
    """The statistics with which the layer, in evaluation mode, normalizes inputs (B, C, H, W)."""
    if isinstance(norm, nn.BatchNorm2d):
        assert norm.running_mean is not None and norm.running_var is not None
        return Statistics(norm.running_mean[None], norm.running_var[None])
    return image_statistics(norm, h)


def apply(norm: Norm, h: Tensor, statistics: Statistics) -> Tensor:
    """γ · (h - μ) / √(σ² + ε) + β of inputs (B, C, H, W), with the given μ and σ² (B or 1, G).

    With `statistics_of(norm, h)` this is `norm(h)` to rounding.
    """
    channels_per_group = h.shape[1] // num_groups(norm)
    scale = (statistics.var + norm.eps).rsqrt().repeat_interleave(channels_per_group, dim=1)
    scale = scale * norm.weight
    shift = norm.bias - statistics.mean.repeat_interleave(channels_per_group, dim=1) * scale
    return torch.addcmul(shift[:, :, None, None], h, scale[:, :, None, None])


def displaced(norm: Norm, statistics: Statistics, donors: Statistics) -> Statistics:
    """`statistics` (1, G), changed as each of N `donors` (N, G) differs from their mean.

    Means by the difference; variances (plus ε) by the ratio to the geometric mean.
    """
    log_var = (donors.var + norm.eps).log()
    ratio = (log_var - log_var.mean(0)).exp()
    var = (statistics.var + norm.eps) * ratio - norm.eps
    return Statistics(statistics.mean + donors.mean - donors.mean.mean(0), var.clamp_min(0))


def frozen_copy(network: nn.Module) -> nn.Module:
    """A copy on the CPU, in evaluation mode, whose parameters need no gradient.

    Several threads may compute with it at once; nothing done with it reaches the network.
    """
    return copy.deepcopy(network).cpu().eval().requires_grad_(False)
