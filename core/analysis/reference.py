"""What a network's diagnoses are compared with: built once per run, used for every image.

N image, B batch, L normalization layer, G group, C channel, K class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from core.analysis.normalizing import (
    Norm,
    Statistics,
    frozen_copy,
    image_statistics,
    statistics_of,
)
from core.analysis.patching import Alternative, patched_logits, single_patches
from core.config import NUM_CLASSES
from core.data.augmentation import normalize
from core.data.datasets import DatasetInfo, Split
from core.model.network import NUM_CONVS, Network
from core.training.runs import Predictions

SAMPLE_PER_CLASS = 200
"""Training images per class, evenly spaced; each is a donor, the correct ones make the rest."""
NUM_CONTROLS = 200
NUM_BACKGROUND = 200
BATCH_SIZE = 100


@dataclass(frozen=True)
class Reference:
    """Statistics, donors, controls and failures of one run.

    `network` is a copy of its own. `population` are the mean statistics of `num_population`
    correctly classified training images; None for batch norm, whose patches use the image's own.
    `donors` maps a class to the statistics (n, G) per layer of n training images of that class.
    `background` (R, C, 4, 4) are the last maps before normalization of R of them, all classes.
    `control_index` are the correctly classified test images, `control_margin` their margins
    (predicted minus runner-up), ascending. `fixed` (L + 1,) says of how many of the `num_failures`
    failing test images the prediction becomes right when each layer alone, or all (last), are
    patched. Read it, never change it: threads share it.
    """

    network: Network
    info: DatasetInfo
    seed: int | None
    population: Alternative
    num_population: int
    donors: dict[int, list[Statistics]]
    background: Tensor
    test_images: np.ndarray
    control_index: np.ndarray
    control_margin: np.ndarray
    fixed: np.ndarray
    num_failures: int

    def inputs(self, images: np.ndarray) -> Tensor:
        """Normalized inputs (B, 1, 28, 28) of images (B, 28, 28) uint8."""
        return normalize(torch.tensor(images), self.info.mean, self.info.std)

    def nearest_controls(self, margin: float, without: int | None) -> np.ndarray:
        """Test indices of the up to 200 correct images whose margin is nearest to `margin`.

        The image with test index `without` is left out: it is no control of its own.
        """
        usable = self.control_index != (-1 if without is None else without)
        index, distance = self.control_index[usable], self.control_margin[usable] - margin
        return index[np.argsort(np.abs(distance), kind="stable")[:NUM_CONTROLS]]


def make_reference(
    network: Network,
    train: Split,
    test_images: np.ndarray,
    predictions: Predictions,
    info: DatasetInfo,
    seed: int | None = None,
) -> Reference:
    """Builds the reference of a run from its network, data and test predictions.

    The network is copied, not changed. `test_images` (N, 28, 28) uint8 are those of `predictions`.
    """
    worker = frozen_copy(network)
    assert isinstance(worker, Network)
    chosen = _evenly_spaced(train.targets)
    images = normalize(torch.tensor(train.images[chosen]), info.mean, info.std)
    logits, statistics, maps = _record(worker, images)
    correct = logits.argmax(1).numpy() == train.targets[chosen]
    population = None
    if worker.variant.norm != "batch":
        population = [Statistics(*(t[correct].mean(0)[None] for t in s)) for s in statistics]
    background = np.linspace(0, correct.sum() - 1, min(NUM_BACKGROUND, correct.sum())).astype(int)
    index, margin = _controls(predictions)
    failing = np.flatnonzero(predictions.predicted != predictions.targets)
    return Reference(
        network=worker,
        info=info,
        seed=seed,
        population=population,
        num_population=int(correct.sum()),
        donors=_donors(statistics, train.targets[chosen]),
        background=maps[correct][background],
        test_images=test_images,
        control_index=index,
        control_margin=margin,
        fixed=_count_fixed(worker, population, test_images, predictions.targets, failing, info),
        num_failures=len(failing),
    )


def _evenly_spaced(targets: np.ndarray) -> np.ndarray:
    """Indices of up to 200 images of each class, evenly spaced through the class, ascending."""
    chosen = []
    for k in range(NUM_CLASSES):
        members = np.flatnonzero(targets == k)
        steps = np.linspace(0, len(members) - 1, min(SAMPLE_PER_CLASS, len(members)))
        chosen.append(members[steps.astype(int)])
    return np.sort(np.concatenate(chosen))


@torch.inference_mode()
def statistics_in_use(network: nn.Sequential, inputs: Tensor) -> list[tuple[Norm, Statistics]]:
    """Each normalization layer with the statistics that it uses for inputs (B, 1, 28, 28)."""
    x, found = inputs, []
    for module in network:
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            found.append((module, statistics_of(module, x)))
        x = module(x)
    return found


@torch.inference_mode()
def _record(network: Network, images: Tensor) -> tuple[Tensor, list[Statistics], Tensor]:
    """Logits (N, K), each image's statistics (N, G) per layer, and last maps (N, C, 4, 4)."""
    logits, maps, layers = [], [], []
    for batch in images.split(BATCH_SIZE):
        x, found = batch, []
        for module in network:
            if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                found.append(image_statistics(module, x))
                last = x
            x = module(x)
        logits.append(x)
        maps.append(last)
        layers.append(found)
    statistics = [
        Statistics(*(torch.cat([found[k][part] for found in layers]) for part in range(2)))
        for k in range(NUM_CONVS)
    ]
    return torch.cat(logits), statistics, torch.cat(maps)


def _donors(statistics: list[Statistics], targets: np.ndarray) -> dict[int, list[Statistics]]:
    return {
        k: [Statistics(s.mean[targets == k], s.var[targets == k]) for s in statistics]
        for k in range(NUM_CLASSES)
    }


def _controls(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Indices and margins of the correctly classified test images, by margin."""
    correct = np.flatnonzero(predictions.predicted == predictions.targets)
    top = np.sort(predictions.logits[correct], axis=1)
    margin = top[:, -1] - top[:, -2]
    order = np.argsort(margin, kind="stable")
    return correct[order], margin[order]


def _count_fixed(
    network: Network,
    population: Alternative,
    images: np.ndarray,
    targets: np.ndarray,
    failing: np.ndarray,
    info: DatasetInfo,
) -> np.ndarray:
    singles = single_patches(NUM_CONVS)
    if not len(failing):
        return np.zeros(len(singles), int)
    inputs = normalize(torch.tensor(images[failing]), info.mean, info.std)
    predicted = patched_logits(network, inputs, population)[:, singles].argmax(2).numpy()
    return (predicted == targets[failing, None]).sum(0)
