"""Does a map depend on what the network has learned? The model parameter randomization test.

Adebayo and others 2018, Sanity Checks for Saliency Maps, arXiv 1810.03292: a method whose map stays
alike when the weights are drawn anew explains the image or the architecture, not the network.

B batch.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from core.analysis.similarity import rank_correlation
from core.analysis.threads import map_in_threads
from core.model.network import NUM_CONVS

Explain = Callable[[nn.Module, Tensor], Tensor]
"""The map (B, 1, 28, 28) of a network for normalized images (B, 1, 28, 28)."""

LAYERS = ("classifier", "hidden", *(f"conv{number}" for number in range(NUM_CONVS, 0, -1)))
"""From the output to the input; each convolution with the normalization behind it."""

NUM_NETWORKS = 5
MAX_SIMILARITY = 0.5


@dataclass(frozen=True)
class RandomizationCheck:
    """How alike a map is to those of networks randomized from the classifier down to each layer.

    `similarities` has one value per entry of `layers`: the mean over `num_networks` draws of the
    size of the rank correlation; `low` and `high` are the smallest and largest. The last entry is
    the check with all layers at once, `all_layers`; it fails above `MAX_SIMILARITY`. `alike_until`
    is the first layer whose randomization brings the mean to that limit or below: the later it
    comes, the less the map depends on the layers before it. None if none does.
    """

    layers: tuple[str, ...]
    similarities: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    all_layers: float
    passed: bool
    alike_until: str | None
    num_networks: int

    def to_dict(self) -> dict:
        """Ready for JSON."""
        return asdict(self)

    def frame(self) -> pd.DataFrame:
        """One row per layer, in the order of randomization: `layer, similarity, low, high`."""
        columns = {"layer": self.layers, "similarity": self.similarities}
        return pd.DataFrame({**columns, "low": self.low, "high": self.high})


def check_randomization(
    network: nn.Module,
    image: np.ndarray,
    attributions: np.ndarray,
    explain: Explain,
    *,
    seed: int = 0,
    num_networks: int = NUM_NETWORKS,
) -> RandomizationCheck:
    """Compares a map with those that `explain` makes of the same image for randomized networks.

    `image` (1, 28, 28) float32, normalized; `attributions` (28, 28); `explain` gets copies, in
    several threads. Maps are compared with their signs, as they are drawn: sizes alone agree
    wherever there is ink and away from the border, whatever the weights. The sign of the
    correlation is dropped, because a random network's output may have either.
    """
    inputs = torch.as_tensor(image, dtype=torch.float32).unsqueeze(0)

    def compare(number: int) -> list[float]:
        return [
            abs(rank_correlation(attributions, _as_map(explain(randomized, inputs))))
            for _, randomized in cascade(network, (seed, number))
        ]

    found = np.array(map_in_threads(compare, range(num_networks)))
    mean = found.mean(axis=0)
    different = [name for name, value in zip(LAYERS, mean, strict=True) if value <= MAX_SIMILARITY]
    return RandomizationCheck(
        layers=LAYERS,
        similarities=tuple(mean.tolist()),
        low=tuple(found.min(axis=0).tolist()),
        high=tuple(found.max(axis=0).tolist()),
        all_layers=float(mean[-1]),
        passed=bool(mean[-1] <= MAX_SIMILARITY),
        alike_until=different[0] if different else None,
        num_networks=num_networks,
    )


def cascade(network: nn.Module, seed: tuple[int, ...]) -> Iterator[tuple[str, nn.Module]]:
    """Copies of `network`, in evaluation mode, randomized down to each of `LAYERS` in turn.

    Weights are drawn from `seed` as before training, and normalization is as new, running
    statistics included. The same seed draws the same weights for every layer and network.
    """
    worker = copy.deepcopy(network).eval()
    random = np.random.default_rng(seed)
    for name in LAYERS:
        for layer in (name, name.replace("conv", "norm")):
            _draw_anew(worker.get_submodule(layer), random)
        yield name, copy.deepcopy(worker)


def _draw_anew(layer: nn.Module, random: np.random.Generator) -> None:
    """PyTorch's own initialization, for a convolution uniform in ±1/√fan-in.

    Not by the global generator: threads share that one, so that it could not repeat anything.
    """
    if isinstance(layer, (nn.BatchNorm2d, nn.GroupNorm)):
        layer.reset_parameters()
        return
    with torch.no_grad():
        for parameter in layer.parameters():
            bound = 1 / math.sqrt(layer.get_parameter("weight")[0].numel())
            drawn = random.uniform(-bound, bound, tuple(parameter.shape))
            parameter.copy_(torch.as_tensor(drawn))


def _as_map(attributions: Tensor) -> np.ndarray:
    return attributions.detach().squeeze().numpy()
