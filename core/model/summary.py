"""What each layer of a network holds, computes and sees.

Multiply-adds are counted for the classification of one image in evaluation mode. One of them is a
multiplication, an addition, or a multiplication whose product is added at once; comparisons (ReLU,
max-pooling) and the few operations per group (such as one square root) are left out, and no step
is folded into another:

- convolution: one per weight and output position, and one per bias and output position;
- average pooling: one addition per input element;
- group and layer normalization: four per element: the mean (add), the variance (square and add),
  normalizing (x / σ - μ / σ) and the affine map (γ·x̂ + β);
- batch normalization: the last two of these, because μ and σ are stored. In training mode it would
  take all four.
"""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass

import torch
import torchinfo
from torch import nn
from torchinfo.layer_info import LayerInfo

from core.config import IMAGE_SIZE, Variant
from core.model.network import Network, build_network


@dataclass(frozen=True)
class LayerSummary:
    """One layer: a row of the summary.

    `type` is the module's class, `output_shape` that of one image, (C, H, W) or (K,). `kernel` is
    (height, width) of convolutions and pooling, `groups` that of a convolution or of a group
    normalization; None elsewhere. `buffers` counts values kept but not trained, of which
    `running_statistics` are means and variances; the rest are counters. `receptive_field` is the
    side, in pixels of the input image, of the square that one output element sees through
    convolutions and pooling; the statistics of group and layer normalization see the whole image.
    """

    name: str
    type: str
    output_shape: tuple[int, ...]
    kernel: tuple[int, int] | None
    groups: int | None
    trainable_parameters: int
    biases: int
    buffers: int
    running_statistics: int
    multiply_adds: int
    receptive_field: int


@dataclass(frozen=True)
class Summary:
    """All layers of one variant in the order in which an image meets them, and their sums."""

    variant: Variant
    layers: tuple[LayerSummary, ...]
    trainable_parameters: int
    buffers: int
    multiply_adds: int

    @property
    def running_statistics(self) -> int:
        """How many of the buffers are means and variances."""
        return sum(layer.running_statistics for layer in self.layers)


def summarize(variant: Variant, network: Network | None = None) -> Summary:
    """Summarizes `network`, or a new one of that variant.

    Works on a copy: mode, weights, statistics and the random generator stay as they are.
    """
    if network is None:
        network = build_network(variant, seed=0)
    image = torch.zeros(1, 1, IMAGE_SIZE, IMAGE_SIZE)
    # A copy, because torchinfo gives every layer the mode of the whole network back.
    shadow = copy.deepcopy(network).cpu()
    facts = torchinfo.summary(shadow, input_data=image, device="cpu", mode="eval", verbose=0)
    layers = _layers([info for info in facts.summary_list if info.depth == 1])
    return Summary(
        variant=variant,
        layers=layers,
        trainable_parameters=sum(layer.trainable_parameters for layer in layers),
        buffers=sum(layer.buffers for layer in layers),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
    )


def _layers(infos: list[LayerInfo]) -> tuple[LayerSummary, ...]:
    field, jump = 1, 1
    layers = []
    for info in infos:
        kernel = _kernel(info)
        if kernel:
            field = min(field + (kernel[0] - 1) * jump, IMAGE_SIZE)
            jump *= _stride(info.module)
        layers.append(_layer(info, kernel, field))
    return tuple(layers)


def _layer(info: LayerInfo, kernel: tuple[int, int] | None, field: int) -> LayerSummary:
    module = info.module
    bias = getattr(module, "bias", None)
    statistics = [b for b in module.buffers() if b.is_floating_point()]
    return LayerSummary(
        name=info.var_name,
        type=info.class_name,
        output_shape=tuple(info.output_size[1:]),
        kernel=kernel,
        groups=getattr(module, "groups", getattr(module, "num_groups", None)),
        trainable_parameters=info.trainable_params,
        biases=bias.numel() if isinstance(module, nn.Conv2d) and bias is not None else 0,
        buffers=sum(buffer.numel() for buffer in module.buffers()),
        running_statistics=sum(buffer.numel() for buffer in statistics),
        multiply_adds=_multiply_adds(info),
        receptive_field=field,
    )


def _kernel(info: LayerInfo) -> tuple[int, int] | None:
    if isinstance(info.module, nn.AdaptiveAvgPool2d):  # global: its window is all of its input
        return info.input_size[-2], info.input_size[-1]
    kernel = info.kernel_size
    if kernel is None:
        return None
    return (kernel, kernel) if isinstance(kernel, int) else (kernel[0], kernel[1])


def _stride(module: nn.Module) -> int:
    stride = getattr(module, "stride", 1)
    return stride if isinstance(stride, int) else stride[0]


def _multiply_adds(info: LayerInfo) -> int:
    """By the convention at the top; torchinfo's own count is right for convolutions only."""
    module = info.module
    if isinstance(module, nn.Conv2d):
        return info.macs
    if isinstance(module, nn.BatchNorm2d):
        return 2 * math.prod(info.output_size)
    if isinstance(module, nn.GroupNorm):
        return 4 * math.prod(info.output_size)
    if isinstance(module, (nn.AvgPool2d, nn.AdaptiveAvgPool2d)):
        return math.prod(info.input_size)
    return 0


def summary_to_dict(summary: Summary) -> dict:
    """The summary as the command line's JSON document shows it."""
    return {
        "variant": summary.variant.key,
        "trainable_parameters": summary.trainable_parameters,
        "buffers": summary.buffers,
        "multiply_adds": summary.multiply_adds,
        "layers": [asdict(layer) for layer in summary.layers],
    }
