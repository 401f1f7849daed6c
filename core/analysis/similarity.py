"""How alike two attribution maps are; between seeds that is the noise floor. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np

from core.errors import UsageError


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation of two maps of one shape, with their signs, in [-1, 1].

    A constant map has no ranks: it counts as uncorrelated (0), but as 1 with itself.
    """
    from scipy.stats import rankdata

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float(np.array_equal(a, b))
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


@dataclass(frozen=True)
class SeedSimilarity:
    """Rank correlation between the maps of networks that differ in nothing but the seed.

    `mean`, `low` and `high` are over all `num_pairs` pairs of `num_maps` maps. A difference between
    two variants' maps that is no larger than this says nothing about the variants.
    """

    mean: float
    low: float
    high: float
    num_maps: int
    num_pairs: int

    def to_dict(self) -> dict:
        """Ready for JSON."""
        return asdict(self)


def seed_similarity(maps: Sequence[np.ndarray]) -> SeedSimilarity:
    """Similarity of every pair of `maps` (28, 28), one per seed; `UsageError` for fewer than two.

    All have to explain the same scalar of the same image by the same method.
    """
    if len(maps) < 2:
        raise UsageError(f"There is {len(maps)} map: the noise floor needs at least two seeds.")
    found = [rank_correlation(a, b) for a, b in combinations(maps, 2)]
    return SeedSimilarity(float(np.mean(found)), min(found), max(found), len(maps), len(found))
