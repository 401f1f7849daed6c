"""How much of the input gradient flows through the normalization statistics.

B batch, H height, W width, K class. Group and layer normalization compute μ and σ from the image,
so a pixel acts on the output directly and through them; batch normalization in evaluation mode has
constants instead.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from core.analysis.normalizing import Statistics, apply, statistics_of


def gradient_share(network: nn.Sequential, inputs: Tensor, weights: Tensor) -> Tensor:
    """Share (B,) in [0, 1] of the gradient of weights · logits that passes through μ and σ².

    ‖g - g₀‖ / (‖g₀‖ + ‖g - g₀‖), with g the gradient by the inputs (B, 1, 28, 28) and g₀ the same
    with all statistics held constant (detached). Exactly 0 for batch norm in evaluation mode, and 0
    where both gradients vanish. `weights` (B, K); `network` must be in evaluation mode.
    """
    full = input_gradient(network, inputs, weights, hold_statistics=False)
    direct = input_gradient(network, inputs, weights, hold_statistics=True)
    through = (full - direct).flatten(1).norm(dim=1)
    total = through + direct.flatten(1).norm(dim=1)
    return torch.where(total > 0, through / total, torch.zeros_like(total))


def input_gradient(
    network: nn.Sequential, inputs: Tensor, weights: Tensor, *, hold_statistics: bool
) -> Tensor:
    """Gradient (B, 1, 28, 28) of weights · logits; statistics are constants where they are held."""
    with torch.enable_grad():
        pixels = inputs.detach().clone().requires_grad_()
        x = pixels
        for module in network:
            if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                statistics = statistics_of(module, x)
                if hold_statistics:
                    statistics = Statistics(*(t.detach() for t in statistics))
                x = apply(module, x, statistics)
            else:
                x = module(x)
        return torch.autograd.grad((x * weights).sum(), pixels)[0]
