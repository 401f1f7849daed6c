"""The whole state of one replica between two steps: what a resume point holds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from core.config import Variant
from core.model.network import Network, build_network, flatten_parameters
from core.model.stack import read_statistics, write_network

TENSOR_NAMES = ("parameters", "momentum", "statistics", "sums")
NUM_SUMS = 3
"""Summed over the images of the epoch so far: cross-entropy, penalty, correct answers."""


@dataclass
class ReplicaState:
    """Replica of `variant` with `seed` after `epoch` whole epochs and `step` steps of the next.

    `parameters` and `momentum` (P,), `statistics` (2, 80), `sums` (3,) float64, all on the CPU
    wherever the replica is trained; `seconds` of the epoch so far. The order of images and their
    angles follow from seed and epoch, so no random state needs to be kept.
    """

    variant: Variant
    seed: int
    parameters: Tensor
    momentum: Tensor
    statistics: Tensor
    sums: Tensor
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    diverged: bool = False

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to train."""
        return self.diverged or self.epoch >= self.variant.epochs

    def tensors(self) -> dict[str, Tensor]:
        """What must be saved beside the plain fields."""
        return {name: getattr(self, name) for name in TENSOR_NAMES}

    def network(self, num_batches: int) -> Network:
        """The plain network on the CPU in evaluation mode; `num_batches` a whole epoch has."""
        steps = self.epoch * num_batches + self.step
        return write_network(self.variant, self.parameters, self.statistics, steps).eval()


def new_state(variant: Variant, seed: int) -> ReplicaState:
    """An untrained replica; its initial weights depend on `seed` alone."""
    network = build_network(variant, seed)
    parameters = flatten_parameters(network)
    return ReplicaState(
        variant,
        seed,
        parameters,
        torch.zeros_like(parameters),
        read_statistics(network),
        torch.zeros(NUM_SUMS, dtype=torch.float64),
    )
