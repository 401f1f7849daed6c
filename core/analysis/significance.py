"""Which differences in accuracy the numbers can resolve, and which may be chance. No torch.

N image, K seed. Two questions, two methods:

- One seed each: do these two *checkpoints* differ on images like these? Exact McNemar test,
  adjusted by Holm, and Newcombe's score interval of a paired difference (Statistics in Medicine
  17, 1998, pages 2635-2650, method 10). A difference is resolved where both say so.
- Several seeds each: do the two *methods* differ? Student's t. Its variance is that of other
  images, plus how much more seeds differ than chance makes them on the same images; its degrees of
  freedom are Satterthwaite's (Biometrics Bulletin 2, 1946). A variant with five seeds or more is
  taken by its own spread; that of fewer is hardly known, and pooled over all variants unless its
  own is larger. That variants share seeds is not used.

Intervals hold jointly for the family shown together: each has level 1 - 0.05 / pairs (Bonferroni).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.analysis.metrics import wilson_interval
from core.analysis.seed_spread import SeedSpread, student_quantile, student_tails
from core.config import variant_label
from core.errors import UsageError
from core.training.runs import Predictions

ALPHA = 0.05
FEW_SEEDS = 5
"""With fewer seeds than this it is hardly known how much they differ."""
MARGIN_PERCENT = 0.05
"""The smallest difference that matters, declared before looking: 5 images of 10,000."""
MCNEMAR = "McNemar exact, Newcombe interval"
STUDENT = "Student's t over seeds and images"


def mcnemar_exact(a_wrong: int, b_wrong: int) -> float:
    """Two-sided exact p of McNemar's test.

    `a_wrong` is the number of images on which only a is wrong, `b_wrong` only b; images on which
    both or none are wrong say nothing about which is better.
    """
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(a_wrong, b_wrong), a_wrong + b_wrong, 0.5)))


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """p-values (M,) adjusted by Holm's step-down method, in the order given."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    factors = np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors))
    return adjusted


def paired_interval(
    both_wrong: int, only_a_wrong: int, only_b_wrong: int, n: int, confidence: float
) -> tuple[float, float]:
    """Newcombe's interval of accuracy a - accuracy b on the same `n` images, as fractions.

    The Wilson intervals of the two error rates are combined with their correlation φ, which is
    corrected for continuity.
    """
    a_errors, b_errors = both_wrong + only_a_wrong, both_wrong + only_b_wrong
    a, b = 1 - a_errors / n, 1 - b_errors / n
    (a_low, a_high), (b_low, b_high) = (
        wilson_interval(errors, n, confidence) for errors in (a_errors, b_errors)
    )
    none_wrong = n - both_wrong - only_a_wrong - only_b_wrong
    excess = float(both_wrong * none_wrong - only_a_wrong * only_b_wrong)
    excess = max(excess - n / 2, 0.0) if excess > 0 else excess
    margins = a_errors * (n - a_errors) * b_errors * (n - b_errors)
    phi = excess / math.sqrt(margins) if margins else 0.0

    def distance(x: float, y: float) -> float:
        return math.sqrt(max(0.0, x**2 - 2 * phi * x * y + y**2))

    return a - b - distance(a - a_low, b_high - b), a - b + distance(a_high - a, b - b_low)


def smallest_gap(disagreements: int, alpha: float) -> int:
    """The smallest gap |only a wrong - only b wrong| that exact McNemar calls significant at
    `alpha`, when the two disagree on that many images, or on as many as it takes at least.
    """
    at_least = math.ceil(math.log2(2 / alpha))  # all on one side: p = 2 / 2^disagreements
    n = max(disagreements, at_least)
    gaps = range(n % 2, n + 1, 2)
    return next(gap for gap in gaps if mcnemar_exact((n - gap) // 2, (n + gap) // 2) <= alpha)


def compare_pairs(
    predictions: Mapping[str, Mapping[int, Predictions]], margin_percent: float = MARGIN_PERCENT
) -> pd.DataFrame:
    """Every pair of variants: the difference in accuracy, its joint interval, and a verdict.

    `predictions` maps a variant to its `Predictions` by seed, all on one test set. Where one of a
    pair has one seed only, the other's network of the same seed is compared, or else its first.
    Columns, one row per pair:

    - `a, b`; `difference_percent` (accuracy a - b, in percentage points), `low_percent,
      high_percent`: its interval, joint over all pairs at 95 %, cut off at ± 100;
    - `only_a_wrong, only_b_wrong`: images, for several seeds the mean over pairs of seeds;
    - `p_holm`: adjusted over all pairs; `resolved`: the interval excludes 0 and p_holm < 0.05;
      `equivalent`: the interval lies within ± `margin_percent`;
    - `resolvable_errors`: about the smallest difference, in images, that would be resolved;
    - `num_images`, `num_seeds` (the smaller of the two), `method`.

    Raises `UsageError` if the test sets differ or a variant has no run.
    """
    wrong = {key: _wrong_images(key, runs) for key, runs in predictions.items()}
    _check_same_images(predictions)
    pairs = list(itertools.combinations(wrong, 2))
    several = {key: _Seeds.of(rows) for key, rows in wrong.items() if len(rows) > 1}
    alpha = ALPHA / max(1, len(pairs))
    spread = _pool(list(several.values()))
    rows = [
        _methods_row(several[a], several[b], spread, alpha)
        if a in several and b in several
        else _mcnemar_row(*_one_of_each(wrong[a], wrong[b]), alpha)
        for a, b in pairs
    ]
    frame = pd.DataFrame(rows, columns=ROW_COLUMNS)
    frame.insert(0, "a", [a for a, _ in pairs])
    frame.insert(1, "b", [b for _, b in pairs])
    p_holm = holm(frame.pop("p").to_numpy())
    excludes_zero = (frame["low_percent"] > 0) | (frame["high_percent"] < 0)
    within = (frame["low_percent"] >= -margin_percent) & (frame["high_percent"] <= margin_percent)
    return frame.assign(p_holm=p_holm, resolved=excludes_zero & (p_holm < ALPHA), equivalent=within)


ROW_COLUMNS = (
    "difference_percent",
    "low_percent",
    "high_percent",
    "only_a_wrong",
    "only_b_wrong",
    "p",
    "resolvable_errors",
    "num_images",
    "num_seeds",
    "method",
)


def _wrong_images(key: str, runs: Mapping[int, Predictions]) -> dict[int, np.ndarray]:
    if not runs:
        name = variant_label(key)
        raise UsageError(f"{name} has no finished run to compare: train it or leave it out.")
    return {seed: run.predicted != run.targets for seed, run in runs.items()}


def _one_of_each(
    a: Mapping[int, np.ndarray], b: Mapping[int, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Of the same seed, if there is one, since these start from the same weights."""
    common = [seed for seed in a if seed in b]
    return (
        (a[common[0]], b[common[0]]) if common else (next(iter(a.values())), next(iter(b.values())))
    )


def _check_same_images(predictions: Mapping[str, Mapping[int, Predictions]]) -> None:
    runs = [run for several in predictions.values() for run in several.values()]
    if any(not np.array_equal(run.targets, runs[0].targets) for run in runs):
        raise UsageError("The runs were tested on different images: compare runs of one data set.")


def _mcnemar_row(a: np.ndarray, b: np.ndarray, alpha: float) -> dict:
    """One pair of checkpoints; `a` and `b` (N,) say which images are wrong."""
    both, only_a, only_b = (int(x.sum()) for x in (a & b, a & ~b, b & ~a))
    low, high = paired_interval(both, only_a, only_b, len(a), 1 - alpha)
    return {
        "difference_percent": 100 * (only_b - only_a) / len(a),
        "low_percent": 100 * low,
        "high_percent": 100 * high,
        "only_a_wrong": only_a,
        "only_b_wrong": only_b,
        "p": mcnemar_exact(only_a, only_b),
        "resolvable_errors": smallest_gap(only_a + only_b, alpha),
        "num_images": len(a),
        "num_seeds": 1,
        "method": MCNEMAR,
    }


@dataclass(frozen=True)
class _Seeds:
    """What K ≥ 2 seeds of one variant say.

    `fails` (N,): the share of seeds that fail on an image. Two variances of one seed's error rate:
    `between` seeds as it was found, and what `chance` gives on the same images if every seed of
    the variant fails on an image with the same probability.
    """

    fails: np.ndarray
    between: float
    chance: float
    num_seeds: int

    @classmethod
    def of(cls, runs: Mapping[int, np.ndarray]) -> _Seeds:
        wrong = np.stack(list(runs.values()))
        num_seeds, num_images = wrong.shape
        fails = wrong.mean(axis=0)
        by_image = (fails * (1 - fails)).sum() * num_seeds / (num_seeds - 1)
        between = float(wrong.mean(axis=1).var(ddof=1))
        return cls(fails, between, float(by_image) / num_images**2, num_seeds)

    def beyond_chance(self, pooled: SeedSpread) -> tuple[float, float]:
        """How much more the mean error rate varies with the seeds than by chance, a variance, and
        what Satterthwaite's degrees of freedom need of it: its own variance, halved.
        """
        own, of_all = self.between - self.chance, (pooled.dispersion - 1) * self.chance
        if self.num_seeds < FEW_SEEDS and of_all >= own:
            return of_all / self.num_seeds, 0.0
        of_mean = self.between / self.num_seeds
        return max(own, 0.0) / self.num_seeds, of_mean**2 / (self.num_seeds - 1)


def _pool(variants: Sequence[_Seeds]) -> SeedSpread:
    between = [(one.num_seeds - 1) * one.between for one in variants]
    chance = [(one.num_seeds - 1) * one.chance for one in variants]
    return SeedSpread.pool(between, chance, sum(one.num_seeds - 1 for one in variants))


def _methods_row(a: _Seeds, b: _Seeds, pooled: SeedSpread, alpha: float) -> dict:
    """One pair of variants with several seeds each.

    Summing over images counts what chance makes of each seed already. Half an image is added to
    either side (Agresti and Min, Statistics in Medicine 24, 2005), so that no variance is 0.
    """
    gaps, num_images = b.fails - a.fails, len(a.fails)
    difference = float(gaps.mean())
    of_images = float(((gaps - difference) ** 2).sum() + 1) / num_images**2
    (of_a, unsure_a), (of_b, unsure_b) = a.beyond_chance(pooled), b.beyond_chance(pooled)
    variance, unsure = of_images + of_a + of_b, unsure_a + unsure_b
    # Never more than the seeds of all variants have, as some variance may be small by chance.
    freedom = min(pooled.freedom, variance**2 / unsure) if unsure else pooled.freedom
    half = student_quantile(freedom, alpha) * math.sqrt(variance)
    return {
        "difference_percent": 100 * difference,
        "low_percent": 100 * max(difference - half, -1.0),
        "high_percent": 100 * min(difference + half, 1.0),
        "only_a_wrong": (a.fails * (1 - b.fails)).sum(),
        "only_b_wrong": (b.fails * (1 - a.fails)).sum(),
        "p": student_tails(freedom, difference / math.sqrt(variance)),
        "resolvable_errors": num_images * min(half, 1.0),
        "num_images": num_images,
        "num_seeds": min(a.num_seeds, b.num_seeds),
        "method": STUDENT,
    }
