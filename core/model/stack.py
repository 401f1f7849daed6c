"""R networks as one: every parameter carries a leading replica dimension.

R replica, B batch, C channel, P = 7,946 parameters. Stacking and unstacking are exact; a replica
computes what its plain `Network` computes. Convolutions are grouped, normalization runs once per
stretch of neighbouring replicas with the same layer, the head is a batched matrix product.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from core.config import CONV_CHANNELS, VARIANTS, Variant
from core.model.network import (
    NUM_CONVS,
    POOL_AFTER,
    Network,
    build_network,
)
from core.model.normalization import BATCH_MOMENTUM, EPS, groups_for

NUM_STATISTICS = sum(CONV_CHANNELS)


@functools.cache
def parameter_shapes() -> dict[str, torch.Size]:
    """Name and shape of every parameter, in the order of the flat vector; one for all variants."""
    with torch.device("meta"):
        return {name: p.shape for name, p in Network(VARIANTS["gn"]).named_parameters()}


def num_parameters() -> int:
    """P, the length of the flat vector."""
    return sum(math.prod(shape) for shape in parameter_shapes().values())


class NetworkStack:
    """The state of R networks: `parameters` (R, P) and `statistics` (R, 2, 80) float32.

    `statistics` hold the running means (row 0) and variances (row 1) of the seven layers, side by
    side; batch-normalized replicas alone use them. Replicas of equal normalization should be
    neighbours, since each change of normalization costs one kernel more per layer.
    """

    def __init__(self, variants: Sequence[Variant], parameters: Tensor, statistics: Tensor) -> None:
        self.variants = tuple(variants)
        self.parameters = parameters
        self.statistics = statistics
        self.segments = _segments(self.variants)
        self.memory_format = _fastest_format(self.variants, parameters.device)

    @property
    def num_replicas(self) -> int:
        """R."""
        return len(self.variants)

    def forward(self, images: Tensor, training: bool) -> Tensor:
        """Logits (R, B, 10) of normalized images (B, R, 28, 28), each replica seeing its own.

        In training mode batch-normalized replicas update their running statistics in place.
        """
        layers = self._layers()
        x = images
        offset = 0
        for number, channels in enumerate(CONV_CHANNELS, start=1):
            weight = layers[f"conv{number}.weight"].flatten(0, 1)
            padding = 1 if number <= POOL_AFTER else 0
            x = F.conv2d(x, weight, padding=padding, groups=self.num_replicas)
            span = slice(offset, offset + channels)
            x = self._normalize(x, layers, number, span, training).relu_()
            offset += channels
            if number == POOL_AFTER:
                x = F.max_pool2d(x, 2)
        return self._head(x.mean((2, 3)), layers)

    def _layers(self) -> dict[str, Tensor]:
        shapes = parameter_shapes()
        parts = self.parameters.split([math.prod(shape) for shape in shapes.values()], dim=1)
        return {
            name: part.reshape(-1, *shape)
            for part, (name, shape) in zip(parts, shapes.items(), strict=True)
        }

    def _normalize(
        self, x: Tensor, layers: dict[str, Tensor], number: int, span: slice, training: bool
    ) -> Tensor:
        weight, bias = layers[f"norm{number}.weight"], layers[f"norm{number}.bias"]
        channels = weight.shape[1]
        sizes = [(last - first) * channels for _, first, last in self.segments]
        # Split once: a slice for each segment would cost a backward and an addition each.
        whole = ((x, 1), (weight.flatten(), 0), (bias.flatten(), 0))
        pieces = (t.split(sizes, dim) if len(sizes) > 1 else (t,) for t, dim in whole)
        parts = []
        for (variant, first, last), part, w, b in zip(self.segments, *pieces, strict=True):
            if variant.norm == "batch":
                parts.append(self._batch_norm(part, w, b, slice(first, last), span, training))
            else:
                groups = (last - first) * groups_for(variant, channels)
                parts.append(F.group_norm(part, groups, w, b, EPS))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _batch_norm(
        self, x: Tensor, weight: Tensor, bias: Tensor, replicas: slice, span: slice, training: bool
    ) -> Tensor:
        running = self.statistics[replicas, :, span]
        mean, var = running[:, 0].flatten().clone(), running[:, 1].flatten().clone()
        out = F.batch_norm(x, mean, var, weight, bias, training, BATCH_MOMENTUM, EPS)
        if training:
            updated = torch.stack((mean, var)).view(2, replicas.stop - replicas.start, -1)
            self.statistics[replicas, :, span] = updated.transpose(0, 1)
        return out

    def _head(self, pooled: Tensor, layers: dict[str, Tensor]) -> Tensor:
        x = pooled.view(len(pooled), self.num_replicas, -1).transpose(0, 1)
        for name in ("hidden", "classifier"):
            weight = layers[f"{name}.weight"].flatten(2)
            x = torch.baddbmm(layers[f"{name}.bias"].unsqueeze(1), x, weight.transpose(1, 2))
        return x


def _segments(variants: Sequence[Variant]) -> list[tuple[Variant, int, int]]:
    """Stretches of neighbours with the same layer: (one of them, first, one past the last)."""
    segments = []
    first = 0
    for _, group in itertools.groupby(variants, key=lambda v: (v.norm, v.num_groups)):
        members = list(group)
        segments.append((members[0], first, first + len(members)))
        first += len(members)
    return segments


def _fastest_format(variants: Sequence[Variant], device: torch.device) -> torch.memory_format:
    # Measured (docs/LOG.md): on CPUs channels-last is faster for layer norm and slower for group
    # norm; for batch norm it is faster too, but sums statistics to five digits only.
    if device.type == "cpu" and all(variant.norm == "layer" for variant in variants):
        return torch.channels_last
    return torch.contiguous_format


def read_statistics(network: Network) -> Tensor:
    """Running means and variances (2, 80); zeros and ones where the network keeps none."""
    if network.variant.norm != "batch":
        zeros = torch.zeros(NUM_STATISTICS, device=next(network.parameters()).device)
        return torch.stack([zeros, zeros + 1])
    names = [f"norm{number}.running" for number in range(1, NUM_CONVS + 1)]
    means = torch.cat([network.get_buffer(f"{name}_mean") for name in names])
    return torch.stack([means, torch.cat([network.get_buffer(f"{name}_var") for name in names])])


def write_network(variant: Variant, parameters: Tensor, statistics: Tensor, steps: int) -> Network:
    """The plain network with these `parameters` (P,) and `statistics` (2, 80), in training mode.

    `steps` is the number of training batches seen, which batch normalization counts.
    """
    network = build_network(variant, seed=0).to(parameters.device)
    torch.nn.utils.vector_to_parameters(parameters.detach().clone(), network.parameters())
    if variant.norm == "batch":
        parts = statistics.split(list(CONV_CHANNELS), dim=1)
        for number, part in enumerate(parts, start=1):
            network.get_buffer(f"norm{number}.running_mean").copy_(part[0])
            network.get_buffer(f"norm{number}.running_var").copy_(part[1])
            network.get_buffer(f"norm{number}.num_batches_tracked").fill_(steps)
    return network
