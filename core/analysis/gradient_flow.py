"""How large weights and gradients are in each layer, before training and after it.

N image. Gradients are those of the cross-entropy on a fixed sample of training images, without
penalty and without rotation, in training mode: batch norm takes its statistics from the batch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.analysis.flow_table import AFTER, BEFORE, LAYERS
from core.analysis.threads import map_in_threads
from core.data.augmentation import normalize
from core.data.datasets import DatasetInfo, Split
from core.model.network import Network, build_network

NUM_SAMPLE = 256
SAMPLE_BATCH = 64
"""As in training, so that batch norm takes its statistics from as many images."""
SEED = 0


def gradient_sample(split: Split, info: DatasetInfo) -> tuple[Tensor, Tensor]:
    """`NUM_SAMPLE` images (N, 1, 28, 28), normalized, and their classes (N,); always the same."""
    chosen = np.random.default_rng(SEED).permutation(len(split.targets))[:NUM_SAMPLE]
    images = normalize(torch.tensor(split.images[chosen]), info.mean, info.std)
    return images, torch.tensor(split.targets[chosen])


def gradient_flow(network: Network, inputs: Tensor, targets: Tensor) -> list[dict]:
    """Norms of the weights and of their gradients, a record for each of `LAYERS`.

    `inputs` (N, 1, 28, 28), normalized, with classes `targets` (N,), go through in batches of
    `SAMPLE_BATCH`:

    - `layer`, `weight_norm`: ‖W‖₂, without biases;
    - `gradient_norm`: ‖∂L/∂W‖₂ of the mean loss L over all images;
    - `activation_gradient_norm`: root mean square over images of ‖∂Lᵢ/∂a‖₂, a the layer's output
      for the image and Lᵢ the sum of its batch's losses (group and layer norm: its own loss);
    - `cosine`: between W and ∂L/∂W. Where a normalization follows, the loss does not depend on
      ‖W‖, so it is 0 but for ε (van Laarhoven 2017, arXiv 1706.05350).

    Computed in float32 on a copy; the network is not changed.
    """
    worker = copy.deepcopy(network).train().requires_grad_(True)
    worker.zero_grad()
    squares = dict.fromkeys(LAYERS, 0.0)
    with torch.enable_grad():
        for images, classes in zip(
            inputs.split(SAMPLE_BATCH), targets.split(SAMPLE_BATCH), strict=True
        ):
            _accumulate(worker, images, classes, squares)
    return [_record(worker, name, square, len(inputs)) for name, square in squares.items()]


def _record(network: Network, name: str, square: float, num_images: int) -> dict:
    weight = network.get_parameter(f"{name}.weight")
    assert weight.grad is not None
    values, gradient = weight.detach(), weight.grad / num_images
    norm, gradient_norm = float(values.norm()), float(gradient.norm())
    product = norm * gradient_norm
    return {
        "layer": name,
        "weight_norm": norm,
        "gradient_norm": gradient_norm,
        "activation_gradient_norm": (square / num_images) ** 0.5,
        "cosine": float((values * gradient).sum()) / product if product else 0.0,
    }


def _accumulate(
    network: Network, images: Tensor, targets: Tensor, squares: dict[str, float]
) -> None:
    """Adds the gradients of the summed loss to the weights, and squared norms to `squares`."""
    x, outputs = images, {}
    for name, module in network.named_children():
        x = module(x)
        if name in squares:
            outputs[name] = x
            x.retain_grad()
    F.cross_entropy(x, targets, reduction="sum").backward()
    for name, output in outputs.items():
        assert output.grad is not None
        squares[name] += float(output.grad.square().sum())


def compute_flows(
    networks: Mapping[str, tuple[Network, int]],
    sample: tuple[Tensor, Tensor],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, dict]:
    """`gradient_flow` before and after training: name → document, as `flow_table` reads it.

    `networks` maps a run's name to its trained network and its seed, from which its initial weights
    follow. Two networks a run are worked on, one per core; `on_progress(done, total)` counts them.
    """
    # Built before the threads start, because they would share the state of the random generator.
    jobs = [
        (name, when, network if when == AFTER else build_network(network.variant, seed))
        for name, (network, seed) in networks.items()
        for when in (BEFORE, AFTER)
    ]
    flows = map_in_threads(
        lambda job: gradient_flow(job[2], *sample), jobs, lambda done: on_progress(done, len(jobs))
    )
    found: dict[str, dict] = {name: {"num_images": len(sample[0]), "rows": {}} for name in networks}
    for (name, when, _), rows in zip(jobs, flows, strict=True):
        found[name]["rows"][when] = rows
    return found
