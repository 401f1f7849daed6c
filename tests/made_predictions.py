"""Predictions made up for comparisons of variants: which images fail is all that counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.analysis.significance import compare_pairs
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


def compare(runs: Mapping[str, Sequence[Predictions]], **options: float) -> pd.DataFrame:
    """`compare_pairs` of runs whose seeds are 1, 2, 3, …"""
    numbered = {key: dict(enumerate(several, start=1)) for key, several in runs.items()}
    return compare_pairs(numbered, **options)
