"""What batch normalization makes of an image together with the other images of its batch.

M batch, B image of a batch, N image, C channel, K class. In training mode batch norm normalizes
with the mean and the biased variance of the batch itself (Ioffe and Szegedy 2015, arXiv
1502.03167), so what it says of an image depends on the mates of that image. Group and layer norm
take their statistics from the image alone (Wu and He 2018, arXiv 1803.08494).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from core.analysis.metrics import mean_interval, wilson_interval
from core.analysis.normalizing import Statistics, apply

BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
RANDOM, ONE_CLASS = "random", "one_class"
RANDOM_ROUNDS = 5
"""Random batches are drawn from so many rounds of 256 images each: 1,280 images per size."""
IMAGES_AT_ONCE = 256
"""Larger passes leave the processor's cache and are no faster."""


@torch.inference_mode()
def logits_together(network: nn.Sequential, batches: Tensor) -> Tensor:
    """Logits (M, B, K) of M batches of normalized images (M, B, 1, 28, 28), each by itself.

    Batch norm uses the statistics of the batch, as in training mode; the others theirs, as always.
    The network is not changed: no running statistic moves, whatever its mode.
    """
    size = batches.shape[1]
    per_pass = max(1, IMAGES_AT_ONCE // size)
    return torch.cat([_together(network, part, size) for part in batches.split(per_pass)])


def _together(network: nn.Sequential, batches: Tensor, size: int) -> Tensor:
    x = batches.flatten(0, 1)
    for module in network:
        if isinstance(module, nn.BatchNorm2d):
            own = batch_statistics(x, size)
            x = apply(module, x, Statistics(*(t.repeat_interleave(size, 0) for t in own)))
        else:
            x = module(x)
    return x.unflatten(0, (-1, size))


def batch_statistics(h: Tensor, size: int) -> Statistics:
    """Mean and biased variance (M, C) of each batch of `size` among h (M · size, C, H, W)."""
    var, mean = torch.var_mean(h.unflatten(0, (-1, size)), dim=(1, 3, 4), correction=0)
    return Statistics(mean, var)


@torch.inference_mode()
def logits_alone(network: nn.Sequential, images: Tensor) -> Tensor:
    """Logits (N, K) of normalized images (N, 1, 28, 28) by a network in evaluation mode."""
    return torch.cat([network(part) for part in images.split(IMAGES_AT_ONCE)])


def draw_images(targets: np.ndarray, seed: int, kind: str = RANDOM) -> np.ndarray:
    """Indices (R, L) int64 of R rounds of L different random images of classes `targets` (N,).

    L is a power of two, so that every batch size up to L cuts the same rounds into whole batches.
    `ONE_CLASS`: each round is of one class, the classes in turn.
    """
    random = np.random.default_rng([seed, kind == ONE_CLASS])
    pools, longest, rounds = [np.arange(len(targets))], BATCH_SIZES[-1], RANDOM_ROUNDS
    if kind == ONE_CLASS:
        pools = [np.flatnonzero(targets == k) for k in np.unique(targets)]
        longest, rounds = BATCH_SIZES[-1] // 2, len(pools)
    length = max(size for size in BATCH_SIZES if size <= min(longest, *map(len, pools)))
    drawn = [random.choice(pools[n % len(pools)], length, replace=False) for n in range(rounds)]
    return np.array(drawn, dtype=np.int64)


def accuracy_by_size(
    network: nn.Sequential, images: Tensor, targets: np.ndarray, kind: str = RANDOM, seed: int = 0
) -> list[dict]:
    """Accuracy in random batches of each size, of normalized images (N, 1, 28, 28).

    All sizes see the same images. Each has `kind, size, num_batches, num_images, accuracy_percent,
    low_percent, high_percent` and `max_change`, the largest |Δ logit| of any image against the
    network in evaluation mode. The 95 % interval is Student's over the batches, for batches of one
    class over the classes, and Wilson's for single images.
    """
    drawn = draw_images(targets, seed, kind)
    used, place = np.unique(drawn, return_inverse=True)
    alone = logits_alone(network, images[torch.from_numpy(used)])[place.ravel()]
    rows = []
    for size in (size for size in BATCH_SIZES if size <= drawn.shape[1]):
        index = drawn.reshape(-1, size)
        logits = logits_together(network, images[torch.from_numpy(index)])
        right = logits.argmax(2).numpy() == targets[index]
        # A class is one observation: what its images have in common is what is measured.
        means = right.reshape(len(drawn), -1).mean(1) if kind == ONE_CLASS else right.mean(1)
        single = size == 1 and kind == RANDOM
        accuracy = accuracy_of_images(right[:, 0]) if single else accuracy_of_means(means)
        rows.append(
            {
                "kind": kind,
                "size": size,
                "num_batches": len(index),
                "num_images": index.size,
                **accuracy,
                "max_change": float((logits.flatten(0, 1) - alone).abs().max()),
            }
        )
    return rows


def accuracy_of_images(right: np.ndarray) -> dict[str, float]:
    """`accuracy_percent, low_percent, high_percent` of independent images (N,): Wilson's, 95 %."""
    low, high = wilson_interval(int((~right).sum()), len(right))
    return _percent(float(right.mean()), low, high)


def accuracy_of_means(shares: np.ndarray) -> dict[str, float]:
    """The same of independent means (M,), such as those of batches: Student's, within 0 and 1."""
    mean, low, high = mean_interval(shares.tolist())
    return _percent(mean, max(low, 0.0), min(high, 1.0))


def _percent(accuracy: float, low: float, high: float) -> dict[str, float]:
    return {
        "accuracy_percent": 100 * accuracy,
        "low_percent": 100 * low,
        "high_percent": 100 * high,
    }
