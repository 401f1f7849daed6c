"""Predictions made up for comparisons of variants: which images fail is all that counts."""

from __future__ import annotations

import numpy as np

from core.training.runs import Predictions

HARDNESS = np.where(np.arange(10_000) % 10 == 0, 9.1, 0.1)
"""Mean 1: one image in ten carries most failures, as in real test sets."""


def predictions(wrong, num_images=10_000):
    """Predictions that are wrong exactly on the images in `wrong`; every true class is 0."""
    predicted = np.zeros(num_images, np.int64)
    predicted[list(wrong)] = 1
    return Predictions(np.zeros((num_images, 10), np.float32), predicted, np.zeros_like(predicted))


def simulate(num_seeds, error_rate, rng):
    """Networks that fail on image i with probability error_rate × HARDNESS[i]."""
    return [
        predictions(np.flatnonzero(rng.random(len(HARDNESS)) < error_rate * HARDNESS))
        for _ in range(num_seeds)
    ]
