"""The normalization layer that follows a convolution, chosen by the variant."""

from __future__ import annotations

from torch import nn

from core.config import Variant

EPS = 1e-5
BATCH_MOMENTUM = 0.1


def make_normalization(variant: Variant, conv: nn.Conv2d) -> nn.Module:
    """A new normalization layer for the output channels of `conv`.

    "layer" is `GroupNorm` with one group: statistics over C, H and W, affine per channel.
    """
    channels = conv.out_channels
    if variant.norm == "batch":
        return nn.BatchNorm2d(channels, eps=EPS, momentum=BATCH_MOMENTUM)
    return nn.GroupNorm(groups_for(variant, channels), channels, eps=EPS)


def groups_for(variant: Variant, channels: int) -> int:
    """The number of groups into which a group or layer normalization splits `channels`."""
    return 1 if variant.norm == "layer" else channels // variant.channels_per_group
