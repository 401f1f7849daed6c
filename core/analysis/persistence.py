"""Which images one variant fails and another does not, whatever the seed (Gate 0). No torch.

K seed, N image. A single network fails on images that another seed of the same variant gets right.
Only where the rates of failure over seeds differ does the failure belong to the variant.

Each variant is compared for itself. Pooling the variants of one normalization would count seeds
twice: from one seed they start alike, see the same batches, and share most of their failures.

Fisher's test is discrete: where few networks fail on an image, no outcome could be significant.
Such comparisons are known before their outcome is, from the number of failures of the pair alone;
they are shown but not tested (Tarone 1990, Biometrics 46; Gilbert 2005, Applied Statistics 54).
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

COLUMNS = ("index", "a", "b", "fails_a", "seeds_a", "fails_b", "seeds_b")


def persistence(predictions: Mapping[str, Sequence[Predictions]]) -> pd.DataFrame:
    """One row per image that any network fails and pair of variants, `a` the one failing more.

    `predictions` maps a variant to one `Predictions` per seed, all on one test set. Columns:
    `index`; `a, b`; `fails_a, seeds_a, fails_b, seeds_b` (numbers of seeds); `p` (Fisher's exact
    test, two-sided); `tested`; `p_adjusted` (Benjamini and Hochberg, over all tested rows; 1
    elsewhere); `persistent`: p_adjusted ≤ 0.05, so that a fails here and b does not, or less often.
    Raises `UsageError` if a variant has fewer than two seeds or the test sets differ.
    """
    from scipy import stats  # slow to import

    _check(predictions)
    wrong = {key: np.stack([r.predicted != r.targets for r in p]) for key, p in predictions.items()}
    fails = {key: rows.sum(axis=0) for key, rows in wrong.items()}
    seeds = {key: len(rows) for key, rows in wrong.items()}
    rows = []
    for index in np.flatnonzero(np.any(list(fails.values()), axis=0)):
        for pair in itertools.combinations(fails, 2):
            a, b = sorted(pair, key=lambda key: fails[key][index] / seeds[key], reverse=True)
            rows.append((index, a, b, fails[a][index], seeds[a], fails[b][index], seeds[b]))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    counts = [tuple(map(int, row[3:])) for row in rows]
    p = np.array([fisher_exact(*table) for table in counts])
    tested = decidable(np.array([smallest_p(fa + fb, ka, kb) for fa, ka, fb, kb in counts]))
    adjusted = np.ones(len(p))
    adjusted[tested] = stats.false_discovery_control(p[tested], method="bh")
    return frame.assign(p=p, tested=tested, p_adjusted=adjusted, persistent=adjusted <= ALPHA)


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


def decidable(smallest: np.ndarray) -> np.ndarray:
    """Which of M tests (M,) can matter, from the smallest p that each could reach.

    Those that can reach 0.05 / K, with K the smallest number that at most K of them can.
    """
    k = next(k for k in itertools.count(1) if (smallest <= ALPHA / k).sum() <= k)
    return smallest <= ALPHA / k


@cache
def smallest_p(fails: int, seeds_a: int, seeds_b: int) -> float:
    """The smallest p that Fisher's test can give when a and b together fail that often."""
    tables = range(max(0, fails - seeds_b), min(fails, seeds_a) + 1)
    return min(fisher_exact(k, seeds_a, fails - k, seeds_b) for k in tables)


@cache
def fisher_exact(fails_a: int, seeds_a: int, fails_b: int, seeds_b: int) -> float:
    """Two-sided p of Fisher's exact test that a and b fail equally often."""
    from scipy import stats

    table = [[fails_a, seeds_a - fails_a], [fails_b, seeds_b - fails_b]]
    return float(stats.fisher_exact(table).pvalue)
