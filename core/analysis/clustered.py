"""Estimates per variant with one covariance over all of them. No torch.

V variant, R run, N image, P property, Q = P + 1 coefficient. Every network of every variant answers
for the same images, so neither images nor runs are independent cases. An estimate is, to first
order, the sum of what each run says of each image (its influence); summing these per image and per
run gives the variance that each of the two brings (Cameron, Gelbach and Miller, Journal of Business
and Economic Statistics 29, 2011: two-way clustering).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from core.analysis.seed_spread import student_quantile
from core.config import variant_label
from core.errors import UsageError

MAX_LOG_ODDS = 8
"""A slope beyond this is no finite estimate: one standard deviation would multiply the odds by
3,000. Fitting runs off to infinity where failures and successes can be told apart exactly."""


@dataclass(frozen=True)
class Estimates:
    """`values` (V, P) and two covariances (V·P, V·P) of them, flattened by row.

    `by_image` clusters by image alone; `two_way` by image and run, or None where some variant has
    one run, so that nothing is known of other seeds. `freedom` are the degrees of freedom of the
    variance between runs.
    """

    values: np.ndarray
    by_image: np.ndarray
    two_way: np.ndarray | None
    freedom: int

    def interval(self, contrast: np.ndarray, alpha: float) -> tuple[float, float, float]:
        """The weighted sum by `contrast` (V, P) of the values: (sum, low, high) at 1 - `alpha`.

        By the larger of the two variances, as the two-way one can fall below either by chance.
        Student's t with several runs, else the normal distribution.
        """
        weights = contrast.ravel()
        value = float(weights @ self.values.ravel())
        variance = weights @ self.by_image @ weights
        quantile = NormalDist().inv_cdf(1 - alpha / 2)
        if self.two_way is not None:
            variance = max(variance, weights @ self.two_way @ weights)
            quantile = student_quantile(self.freedom, alpha)
        half = quantile * float(np.sqrt(variance))
        return value, value - half, value + half


def mean_differences(wrong: Mapping[str, np.ndarray], z: np.ndarray) -> Estimates:
    """Mean of failing cases less mean of the others, per variant and column of `z` (N, P).

    `wrong` maps a variant to which images fail, (R, N) booleans.
    """
    values, cells = [], []
    for failing in wrong.values():
        groups = [y[:, :, None] for y in (failing, ~failing)]
        means = [(y * z).sum((0, 1)) / y.sum() for y in groups]
        first, second = (y * (z - mean) / y.sum() for y, mean in zip(groups, means, strict=True))
        values.append(means[0] - means[1])
        cells.append(first - second)
    return estimates(np.array(values), cells)


def logistic_slopes(wrong: Mapping[str, np.ndarray], z: np.ndarray) -> Estimates:
    """Logistic regression of failing on the columns of `z` (N, P), one for each variant.

    The same as one regression with an intercept and slopes per variant. `wrong` as for
    `mean_differences`. Values are log odds per unit of `z`. Raises `UsageError` where a fit does
    not converge, or failures and successes can be told apart exactly.
    """
    design = np.column_stack([np.ones(len(z)), z])
    values, cells = [], []
    for key, failing in wrong.items():
        slopes = _fit(key, failing, design)
        expected = 1 / (1 + np.exp(-design @ slopes))
        information = len(failing) * (design.T * (expected * (1 - expected))) @ design
        influence = np.linalg.solve(information, design.T).T
        values.append(slopes[1:])
        cells.append((failing - expected)[:, :, None] * influence[:, 1:])
    return estimates(np.array(values), cells)


def _fit(key: str, failing: np.ndarray, design: np.ndarray) -> np.ndarray:
    """Coefficients (Q,) of how many of the R runs fail on each image."""
    # Slow to import; statsmodels.api takes three times as long.
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.sm_exceptions import PerfectSeparationError

    fails = failing.sum(axis=0)
    model = GLM(np.column_stack([fails, len(failing) - fails]), design, Binomial())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what they warn of is looked for below
            found = model.fit()
            slopes, converged = found.params, found.converged
    except (PerfectSeparationError, np.linalg.LinAlgError, ValueError):
        slopes, converged = np.full(design.shape[1], np.nan), False
    if not converged or not np.all(np.abs(slopes[1:]) < MAX_LOG_ODDS):
        raise UsageError(
            f"No regression: failures of {variant_label(key)} and its other images can be told "
            "apart exactly, or nearly so, and effects have no finite size. Add seeds, so that "
            "there are more."
        )
    return slopes


def estimates(values: np.ndarray, cells: Sequence[np.ndarray]) -> Estimates:
    """Of `values` (V, P) from the influences (R, N, P) of each variant's runs; N are the same."""
    num_properties = values.shape[1]
    num_images = cells[0].shape[1]
    images = np.concatenate([c.sum(axis=0) for c in cells], axis=1)
    by_image = images.T @ images * num_images / (num_images - 1)
    freedom = sum(len(c) - 1 for c in cells)
    if any(len(c) == 1 for c in cells):
        return Estimates(values, by_image, None, freedom)
    two_way = by_image.copy()
    for v, c in enumerate(cells):
        block = slice(v * num_properties, (v + 1) * num_properties)
        runs, single = c.sum(axis=1), c.reshape(-1, num_properties)
        two_way[block, block] += runs.T @ runs * len(c) / (len(c) - 1) - single.T @ single
    return Estimates(values, by_image, two_way, freedom)
