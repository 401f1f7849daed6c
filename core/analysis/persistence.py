"""Which images one variant fails and another does not, whatever the seed (Gate 0). No torch.

K seed, N image. A single network fails on images that another seed of the same variant gets right.
Only where the rates of failure over seeds differ does the failure belong to the variant.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd

from core.analysis.significance import ALPHA
from core.errors import UsageError
from core.training.runs import Predictions

COLUMNS = ("index", "a", "b", "fails_a", "seeds_a", "fails_b", "seeds_b", "p")


def persistence(predictions: Mapping[str, Sequence[Predictions]]) -> pd.DataFrame:
    """One row per image that any network fails and pair of variants, `a` the one failing more.

    `predictions` maps a variant to one `Predictions` per seed, all on one test set. Columns:
    `index`; `a, b`; `fails_a, seeds_a, fails_b, seeds_b` (numbers of seeds); `p` (Fisher's exact
    test, two-sided); `p_adjusted` (Benjamini and Hochberg, over all rows); `persistent`: p_adjusted
    ≤ 0.05. Raises `UsageError` if a variant has fewer than two seeds or the test sets differ.
    """
    _check(predictions)
    fails = {
        key: np.sum([r.predicted != r.targets for r in runs], 0, dtype=int)
        for key, runs in predictions.items()
    }
    candidates = np.flatnonzero(np.any(list(fails.values()), axis=0))
    rows = []
    for index, (a, b) in itertools.product(candidates, itertools.combinations(fails, 2)):
        sides = [
            (a, int(fails[a][index]), len(predictions[a])),
            (b, int(fails[b][index]), len(predictions[b])),
        ]
        (a, fails_a, seeds_a), (b, fails_b, seeds_b) = sorted(sides, key=_rate, reverse=True)
        p = fisher_exact(fails_a, seeds_a, fails_b, seeds_b)
        rows.append((int(index), a, b, fails_a, seeds_a, fails_b, seeds_b, p))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    adjusted = benjamini_hochberg(frame["p"].to_numpy(float))
    return frame.assign(p_adjusted=adjusted, persistent=adjusted <= ALPHA)


def _rate(side: tuple[str, int, int]) -> float:
    return side[1] / side[2]


def _check(predictions: Mapping[str, Sequence[Predictions]]) -> None:
    if few := [key for key, runs in predictions.items() if len(runs) < 2]:
        raise UsageError(
            f"{', '.join(few)} has fewer than two seeds: train more, at least {seeds_needed()} "
            "of each variant can show anything."
        )
    runs = [run for several in predictions.values() for run in several]
    if any(not np.array_equal(run.targets, runs[0].targets) for run in runs):
        raise UsageError("The runs were tested on different images: compare runs of one data set.")


def seeds_needed(num_tests: int = 1) -> int:
    """The fewest seeds of each of two variants with which Fisher's test can reach 0.05 / num_tests.

    The clearest outcome, all K fail against none, has p = 2 / (2K choose K).
    """
    return next(k for k in itertools.count(1) if 2 / math.comb(2 * k, k) <= ALPHA / num_tests)


@cache
def fisher_exact(fails_a: int, seeds_a: int, fails_b: int, seeds_b: int) -> float:
    """Two-sided p of Fisher's exact test that a and b fail equally often.

    The probability, with all margins of the table given, of every table no likelier than this one.
    """
    fails = fails_a + fails_b
    tables = range(max(0, fails - seeds_b), min(fails, seeds_a) + 1)
    counts = {k: math.comb(seeds_a, k) * math.comb(seeds_b, fails - k) for k in tables}
    return sum(c for c in counts.values() if c <= counts[fails_a]) / sum(counts.values())


def benjamini_hochberg(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """p-values (M,) adjusted to control the false discovery rate (Benjamini and Hochberg 1995)."""
    p = np.asarray(p_values, float)
    order = np.argsort(p)[::-1]
    adjusted = np.empty(len(p))
    scaled = p[order] * len(p) / np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(1, np.minimum.accumulate(scaled))
    return adjusted
