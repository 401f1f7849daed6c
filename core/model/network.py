"""The published network as a plain `nn.Module`; 7,946 trainable parameters for every variant.

B batch, C channel, H height, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.config import CONV_CHANNELS, NUM_CLASSES, Variant
from core.model.normalization import make_normalization

HIDDEN_CHANNELS = 24
NUM_CONVS = len(CONV_CHANNELS)
POOL_AFTER = 2
"""The max-pool stands behind this convolution; the convolutions before it are padded by 1."""


class Network(nn.Sequential):
    """Seven convolutions, each with its normalization and ReLU, pooled into a linear head.

    Maps normalized images (B, 1, 28, 28) float32 to logits (B, 10). Every ReLU is a module of its
    own, used once, because attribution methods attach to modules.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.variant = variant
        in_channels = 1
        for number, channels in enumerate(CONV_CHANNELS, start=1):
            padding = 1 if number <= POOL_AFTER else 0
            conv = nn.Conv2d(in_channels, channels, 3, padding=padding, bias=False)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"norm{number}", make_normalization(variant, conv))
            self.add_module(f"relu{number}", nn.ReLU())
            if number == POOL_AFTER:
                self.add_module("pool", nn.MaxPool2d(2))
            in_channels = channels
        self.add_module("gap", nn.AdaptiveAvgPool2d(1))
        self.add_module("hidden", nn.Conv2d(in_channels, HIDDEN_CHANNELS, 1))
        self.add_module("classifier", nn.Conv2d(HIDDEN_CHANNELS, NUM_CLASSES, 1))
        self.add_module("flatten", nn.Flatten())


def build_network(variant: Variant, seed: int) -> Network:
    """A new network whose initial weights depend on `seed` alone, not on the variant.

    The global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(variant)


def flatten_parameters(network: nn.Module) -> Tensor:
    """All parameters, in the order of `named_parameters`, as one vector (P,), detached."""
    return torch.cat([p.detach().reshape(-1) for p in network.parameters()])
