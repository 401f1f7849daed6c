"""What each normalization layer does to one image, layer by layer.

C channel, H height, W width, G group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from core.analysis.normalizing import frozen_copy, statistics_of
from core.model.network import Network


@dataclass(frozen=True)
class LayerView:
    """What one normalization layer does to one image; numbers from 1.

    `mean` and `std` (G,) are the μ and the √(σ² + ε) that it uses: of the image for group and layer
    norm, stored for batch norm, which has a group per channel. `before` and `after` (C, H, W) are
    the maps around it, after γ and β and before ReLU. All float32.
    """

    number: int
    mean: np.ndarray
    std: np.ndarray
    before: np.ndarray
    after: np.ndarray

    def figures(self) -> dict[str, float]:
        """Ranges of μ and σ over groups and of the values before and after; what ReLU lets pass.

        `passed` is the share of values above 0, in [0, 1].
        """
        return {
            "layer": self.number,
            "groups": len(self.mean),
            "mean_low": float(self.mean.min()),
            "mean_high": float(self.mean.max()),
            "std_low": float(self.std.min()),
            "std_median": float(np.median(self.std)),
            "std_high": float(self.std.max()),
            "before_low": float(self.before.min()),
            "before_high": float(self.before.max()),
            "after_low": float(self.after.min()),
            "after_high": float(self.after.max()),
            "passed": float((self.after > 0).mean()),
        }


@torch.no_grad()
def layer_views(network: Network, inputs: Tensor) -> list[LayerView]:
    """The seven normalization layers on one normalized image (1, 1, 28, 28), in evaluation mode.

    The network is not changed.
    """
    views: list[LayerView] = []
    x = inputs
    for module in frozen_copy(network).children():
        before, x = x, module(x)
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            mean, var = statistics_of(module, before)
            arrays = (mean[0], (var[0] + module.eps).sqrt(), before[0], x[0])
            views.append(LayerView(len(views) + 1, *(array.numpy() for array in arrays)))
    return views
