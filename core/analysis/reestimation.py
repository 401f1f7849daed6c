"""Running statistics of batch norm estimated anew on shifted images, and what that repairs.

N image, S source image, C channel, K class. Only the statistics change, no weight does (Schneider
et al. 2020, arXiv 2006.16971; Nado et al. 2020, arXiv 2006.10963). Group and layer norm have no
running statistics, so there is nothing to estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from core.analysis.batch_mates import (
    IMAGES_AT_ONCE,
    accuracy_of_images,
    accuracy_of_means,
    batch_statistics,
    logits_alone,
)
from core.analysis.normalizing import Statistics, apply

COUNTS = (1, 4, 16, 64, 256, 1_024)
"""How many images the statistics are estimated on."""
NUM_DRAWS = 5


@torch.inference_mode()
def estimate_statistics(network: nn.Sequential, source: Tensor) -> list[Statistics]:
    """Mean and biased variance (1, C) per batch-norm layer of source images (S, 1, 28, 28).

    The S images are one batch in training mode: every layer sees what the layers before it make of
    the batch. The network is not changed.
    """
    x, found = source, []
    for module in network:
        if isinstance(module, nn.BatchNorm2d):
            found.append(batch_statistics(x, len(x)))
            x = apply(module, x, found[-1])
        else:
            x = module(x)
    return found


@torch.inference_mode()
def logits_with(network: nn.Sequential, images: Tensor, statistics: Sequence[Statistics]) -> Tensor:
    """Logits (N, K) of normalized images (N, 1, 28, 28), batch norm using `statistics` (1, C)."""
    return torch.cat([_with(network, x, iter(statistics)) for x in images.split(IMAGES_AT_ONCE)])


def _with(network: nn.Sequential, x: Tensor, statistics: Iterator[Statistics]) -> Tensor:
    for module in network:
        x = apply(module, x, next(statistics)) if isinstance(module, nn.BatchNorm2d) else module(x)
    return x


def reestimated_accuracy(
    network: nn.Sequential,
    source: Tensor,
    images: Tensor,
    targets: np.ndarray,
    count: int,
    *,
    seed: int = 0,
) -> dict:
    """Accuracy on `images` (N, 1, 28, 28) after estimating on `count` random ones of `source`.

    All are normalized and shifted alike; `count` 0 keeps the stored statistics. `count, num_draws,
    num_images, accuracy_percent, low_percent, high_percent`: the mean over draws of source images
    with Student's 95 % interval, for `count` 0 Wilson's over the images.
    """
    about = {"count": count, "num_draws": NUM_DRAWS if count else 1, "num_images": len(targets)}
    if not count:
        return about | accuracy_of_images(_right(logits_alone(network, images), targets))
    random = np.random.default_rng([seed, count])
    shares = []
    for _ in range(NUM_DRAWS):
        chosen = torch.from_numpy(random.choice(len(source), count, replace=False))
        statistics = estimate_statistics(network, source[chosen])
        shares.append(_right(logits_with(network, images, statistics), targets).mean())
    return about | accuracy_of_means(np.array(shares))


def _right(logits: Tensor, targets: np.ndarray) -> np.ndarray:
    return logits.argmax(1).numpy() == targets
