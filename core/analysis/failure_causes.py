"""Which properties of images make a normalization fail where the others do not. No torch.

V variant, R run, N image, P property. Failing is regressed on the properties, for each variant;
what sets a normalization apart is its slope less the mean slope of all normalizations, the
interaction of normalization and property. It is named only where an interval excludes 0 that holds
jointly with all others shown (Bonferroni).

Classes differ both in what they look like and in how often they fail, so each image is compared
with its own class: properties enter as deviations from the class's mean, in standard deviations
within classes. An effect of both extremes alike (too thin and too thick) is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.analysis.clustered import Estimates, logistic_slopes, mean_differences
from core.analysis.significance import ALPHA
from core.config import variant_label
from core.errors import UsageError
from core.training.runs import Predictions

EVENTS_PER_PROPERTY = 5
"""Failing images that each variant needs for each property (Vittinghoff and McCulloch, American
Journal of Epidemiology 165, 2007, found 5 to 9 to be enough)."""
ALL = "all"


@dataclass(frozen=True)
class FailureCauses:
    """What was found. Effects in `slopes` and `causes` are log odds of failing per deviation.

    `differences`: `variant, property, effect, low, high`, mean of failing images less mean of the
    others, in standard deviations within classes. `slopes`: the same columns, all properties held
    together. `causes`: `norm, property, effect, low, high, named`; where `norm` is "all" the mean
    slope of all normalizations, else that one's slope less this mean. The intervals of each frame
    hold jointly at 95 %. `num_failing` counts images that any run of a variant fails;
    `correlated` names the two properties that are most correlated, and how much.
    """

    differences: pd.DataFrame
    slopes: pd.DataFrame
    causes: pd.DataFrame
    num_images: int
    num_runs: dict[str, int]
    num_failing: dict[str, int]
    correlated: tuple[str, str, float]

    @property
    def several_seeds(self) -> bool:
        """Whether the intervals cover other seeds, not other images alone."""
        return min(self.num_runs.values()) > 1

    @property
    def named(self) -> pd.DataFrame:
        """The rows of `causes` that set a normalization apart."""
        return self.causes[self.causes["named"] & (self.causes["norm"] != ALL)]

    @property
    def shared(self) -> pd.DataFrame:
        """The rows of `causes` that hold for all normalizations together."""
        return self.causes[self.causes["named"] & (self.causes["norm"] == ALL)]


def failure_causes(
    predictions: Mapping[str, Sequence[Predictions]],
    norms: Mapping[str, str],
    properties: pd.DataFrame,
) -> FailureCauses:
    """Compares failing images with the others of their class.

    `predictions` maps a variant to one `Predictions` per seed, `norms` to its normalization;
    `properties` (N rows) comes from `image_properties`; images without ink are left out. Raises
    `UsageError`, with the reason, where there are too few failures or normalizations, or where the
    regression has no finite answer.
    """
    usable = properties.notna().all(axis=1).to_numpy()
    runs = [run for several in predictions.values() for run in several]
    if any(len(run.targets) != len(usable) for run in runs):
        raise UsageError("The runs were tested on other images than those at hand.")
    targets = runs[0].targets[usable]
    z = within_class(properties[usable], targets)
    wrong = {
        key: np.stack([(run.predicted != run.targets)[usable] for run in runs])
        for key, runs in predictions.items()
    }
    _check(wrong, {norms[key] for key in wrong}, z)
    names = list(properties.columns)
    slopes = logistic_slopes(wrong, z)
    return FailureCauses(
        differences=_by_variant(mean_differences(wrong, z), list(wrong), names),
        slopes=_by_variant(slopes, list(wrong), names),
        causes=_by_norm(slopes, [norms[key] for key in wrong], names),
        num_images=len(z),
        num_runs={key: len(rows) for key, rows in wrong.items()},
        num_failing=_count_failing(wrong),
        correlated=_most_correlated(z, names),
    )


def within_class(properties: pd.DataFrame, targets: np.ndarray) -> np.ndarray:
    """Deviations (N, P) from the mean of the image's class, in standard deviations within classes.

    A property that does not vary within classes gives 0.
    """
    deviations = (properties - properties.groupby(targets).transform("mean")).to_numpy()
    spread = np.sqrt((deviations**2).mean(axis=0))
    return deviations / np.where(spread > 0, spread, 1)


def _count_failing(wrong: Mapping[str, np.ndarray]) -> dict[str, int]:
    return {key: int(rows.any(axis=0).sum()) for key, rows in wrong.items()}


def _check(wrong: Mapping[str, np.ndarray], norms: set[str], z: np.ndarray) -> None:
    if len(norms) < 2:
        raise UsageError("A comparison of normalizations needs runs of at least two of them.")
    needed = EVENTS_PER_PROPERTY * z.shape[1]
    key, fewest = min(_count_failing(wrong).items(), key=lambda item: item[1])
    if fewest < needed:
        raise UsageError(
            f"Too few failures: {variant_label(key)} fails on {fewest} images, and {z.shape[1]} "
            f"properties need {needed}. Show all seeds, or train more."
        )
    if not np.all(z.std(axis=0) > 0):
        raise UsageError("Some property is the same for all images: nothing can depend on it.")


def _by_variant(found: Estimates, keys: list[str], names: list[str]) -> pd.DataFrame:
    rows, alpha = [], ALPHA / found.values.size
    for place in np.ndindex(found.values.shape):
        contrast = np.zeros(found.values.shape)
        contrast[place] = 1
        effect, low, high = found.interval(contrast, alpha)
        rows.append((keys[place[0]], names[place[1]], effect, low, high))
    return pd.DataFrame(rows, columns=["variant", "property", "effect", "low", "high"])


def _by_norm(found: Estimates, norms: list[str], names: list[str]) -> pd.DataFrame:
    """The mean slope of all normalizations, then what sets each apart from it."""
    known = list(dict.fromkeys(norms))
    members = np.array([[norm == one for one in norms] for norm in known], float)
    of_norm = members / members.sum(axis=1, keepdims=True)
    mean = of_norm.mean(axis=0)
    weights = {ALL: mean, **{norm: row - mean for norm, row in zip(known, of_norm, strict=True)}}
    alpha = ALPHA / (len(weights) * len(names))
    rows = []
    for norm, of_variants in weights.items():
        for number, name in enumerate(names):
            contrast = np.zeros(found.values.shape)
            contrast[:, number] = of_variants
            effect, low, high = found.interval(contrast, alpha)
            rows.append((norm, name, effect, low, high, low > 0 or high < 0))
    return pd.DataFrame(rows, columns=["norm", "property", "effect", "low", "high", "named"])


def _most_correlated(z: np.ndarray, names: list[str]) -> tuple[str, str, float]:
    correlation = np.corrcoef(z.T) - np.eye(len(names))
    a, b = np.unravel_index(np.abs(correlation).argmax(), correlation.shape)
    return names[a], names[b], float(correlation[a, b])
