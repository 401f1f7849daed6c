"""Two-way bootstrap of error rates over images and seeds. No torch.

N image, K seed, D draw, R network. Images and seeds are resampled independently (the pigeonhole
bootstrap: Owen, Annals of Applied Statistics 1, 2007, which shows that it errs on the wide side).
Of K seeds K - 1 are drawn, which makes the variance over seeds unbiased (Rao and Wu, JASA 83,
1988); drawing both of 2 seeds would halve it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MAX_WEIGHTS = 2_000_000
"""Image weights held at a time: 16 MB."""


def bootstrap_error_rates(
    wrong: Sequence[np.ndarray], num_draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Error rates (D, variants) of resampled images and seeds, as fractions.

    `wrong` holds for each variant which images fail, (K, N) booleans with K ≥ 2. The variants share
    the images of a draw; seeds are drawn for each variant on its own.
    """
    errors = _resample_images(np.concatenate(wrong), num_draws, rng)
    ends = np.cumsum([len(rows) for rows in wrong])
    of_variants = np.split(errors, ends[:-1], axis=1)
    means = [_resample_seeds(of_seeds, rng) for of_seeds in of_variants]
    return np.stack(means, axis=1) / wrong[0].shape[1]


def _resample_images(wrong: np.ndarray, num_draws: int, rng: np.random.Generator) -> np.ndarray:
    """Errors (D, R) of each network in `wrong` (R, N) on N images drawn with replacement.

    Images on which the same networks fail are exchangeable, so one multinomial count per pattern
    gives exactly the distribution of drawing N images, and images that nobody fails cost nothing.
    """
    num_images = wrong.shape[1]
    failing = wrong[:, wrong.any(axis=0)]
    patterns, counts = np.unique(failing.T, axis=0, return_counts=True)
    shares = np.append(counts, num_images - failing.shape[1]) / num_images
    chunk = max(1, MAX_WEIGHTS // len(shares))
    errors = []
    for start in range(0, num_draws, chunk):
        size = min(chunk, num_draws - start)
        times = rng.multinomial(num_images, shares, size=size)[:, :-1]
        errors.append(times.astype(np.float32) @ patterns.astype(np.float32))
    return np.concatenate(errors)


def _resample_seeds(errors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mean errors (D,) over K - 1 seeds, drawn anew for each row of `errors` (D, K)."""
    num_draws, num_seeds = errors.shape
    times = rng.multinomial(num_seeds - 1, np.full(num_seeds, 1 / num_seeds), size=num_draws)
    return (errors * times).sum(axis=1) / (num_seeds - 1)
