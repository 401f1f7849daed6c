"""How far contrast about the mean grey moves a network, and how much of that is ε or rounding.

The first convolution has no bias and pads with zeros, which are the mean grey in normalized space.
So a contrast factor a > 0 multiplies all it computes: h(a·x) = a·h(x). Group and layer
normalization divide by √(a²·σ² + ε), from which a cancels up to ε; batch normalization in
evaluation mode subtracts and divides by stored statistics, from which it does not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.analysis.normalizing import frozen_copy

NO_EPS = torch.finfo(torch.float64).tiny
"""Stands for ε = 0, but does not divide by zero where a layer's input is constant."""


def exact_copy(network: nn.Module, *, without_eps: bool = False) -> nn.Module:
    """A copy that computes in float64 and, if asked, without the ε of its normalization layers."""
    copied = frozen_copy(network).double()
    for module in copied.modules():
        if without_eps and isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            module.eps = NO_EPS
    return copied


@torch.inference_mode()
def logit_change(network: nn.Module, inputs: Tensor, factor: float) -> float:
    """The largest |Δlogit| when normalized images (B, 1, 28, 28) are multiplied by `factor`.

    Both are computed in the network's own precision, in one batch, in evaluation mode.
    """
    before = inputs.to(next(network.parameters()).dtype)
    logits = network(torch.cat([before, factor * before])).unflatten(0, (2, -1))
    return float((logits[1] - logits[0]).abs().max())
