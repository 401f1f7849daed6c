"""The weights of one variant under the normalization of another.

A transplant keeps every trained parameter, γ and β included, and changes only over which values the
normalization layers take μ and σ. Group and layer normalization need no more than that. Batch
normalization also needs stored statistics, which are estimated anew on training images: the mean
over batches of the batch means and of the unbiased batch variances (Ioffe and Szegedy 2015, arXiv
1502.03167, algorithm 2), each batch counting the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from core.analysis.threads import map_in_threads
from core.analysis.transplant_matrix import norms_to_compute
from core.config import CONV_CHANNELS
from core.data.augmentation import normalize
from core.data.datasets import DatasetInfo
from core.model.inference import predict_logits
from core.model.network import Network
from core.model.normalization import BATCH_MOMENTUM, make_normalization

NUM_ESTIMATION = 2_000
ESTIMATION_BATCH = 250
SEED = 0


def transplant(network: Network, norm: str, inputs: Tensor) -> Network:
    """A copy of `network` in evaluation mode, normalized by `norm`, one of `core.config.NORMS`.

    Batch statistics are estimated on `inputs` (N, 1, 28, 28), whole batches of `ESTIMATION_BATCH`,
    also where the network was trained with batch normalization. Group and layer normalization
    ignore them: a network under its own one stays exactly as it is.
    """
    changed = copy.deepcopy(network).eval()
    if norm != network.variant.norm:
        changed.variant = replace(network.variant, norm=norm)
        for number in range(1, len(CONV_CHANNELS) + 1):
            _replace(changed, number)
    if norm == "batch":
        estimate_statistics(changed, inputs)
    return changed.requires_grad_(False)


def _replace(network: Network, number: int) -> None:
    conv, old = network.get_submodule(f"conv{number}"), network.get_submodule(f"norm{number}")
    assert isinstance(conv, nn.Conv2d)
    new = make_normalization(network.variant, conv).to(conv.weight.device).eval()
    new.weight, new.bias = old.weight, old.bias
    setattr(network, f"norm{number}", new)


@torch.no_grad()
def estimate_statistics(network: nn.Module, inputs: Tensor, batch: int = ESTIMATION_BATCH) -> None:
    """Sets the running statistics of every batch-norm layer to their cumulative average.

    `inputs` (N, 1, 28, 28) are split into batches; every layer sees what the layers before it make
    of the same batch with its own statistics, as in training. Leaves the network in evaluation
    mode.
    """
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # PyTorch's cumulative average
    network.train()
    for part in inputs.split(batch):
        network(part)
    network.eval()
    for layer in layers:
        layer.momentum = BATCH_MOMENTUM


def estimation_inputs(images: np.ndarray, info: DatasetInfo) -> Tensor:
    """The training images (N, 1, 28, 28) on which batch statistics are estimated, normalized.

    At most `NUM_ESTIMATION` of `images` (…, 28, 28) uint8, in whole batches, drawn once and for
    all, and not rotated, though training rotates them.
    """
    num_images = min(NUM_ESTIMATION, len(images))
    num_images -= num_images % ESTIMATION_BATCH if num_images > ESTIMATION_BATCH else 0
    chosen = np.random.default_rng(SEED).permutation(len(images))[:num_images]
    return normalize(torch.tensor(images[chosen]), info.mean, info.std)


def compute_transplants(
    networks: Mapping[str, Network],
    training_images: np.ndarray,
    test_images: np.ndarray,
    info: DatasetInfo,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, dict]:
    """What each network says of the test images when transplanted: its name → document.

    Images are (…, 28, 28) uint8. `core.analysis.transplant_matrix` says what a document holds and
    reads it. Networks are asked beside each other, one per core, and not changed;
    `on_progress(done, total)` counts transplants.
    """
    inputs, images = estimation_inputs(training_images, info), torch.tensor(test_images)
    jobs = [(key, norm) for key, one in networks.items() for norm in norms_to_compute(one.variant)]

    def answer(job: tuple[str, str]) -> str:
        network = transplant(networks[job[0]], job[1], inputs)
        classes = predict_logits(network, images, info.mean, info.std).argmax(1)
        return "".join(map(str, classes.tolist()))

    texts = map_in_threads(answer, jobs, lambda done: on_progress(done, len(jobs)))
    found: dict[str, dict] = {
        key: {"num_estimation": len(inputs), "predicted": {}} for key in networks
    }
    for (key, norm), text in zip(jobs, texts, strict=True):
        found[key]["predicted"][norm] = text
    return found
