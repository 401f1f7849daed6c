"""What small changes and repaired layers do over all failures, as one frame. No torch.

F pair of a failing image and its control, K seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.analysis.clustered import estimates
from core.analysis.seed_spread import SeedSpread, student_quantile
from core.analysis.significance import ALPHA, paired_interval

NAME = "failure_pairs"
"""Of what `failure_survey.survey` found; see `core.analysis.derived`."""
NUISANCE, LAYER = "nuisance", "layer"
ALL_LAYERS = "all layers"


def encode(repaired: np.ndarray, broken: np.ndarray) -> str:
    """One character per pair, see `failure_survey.survey`, of two booleans (F,)."""
    return "".join(map(str, repaired.astype(int) + 2 * broken.astype(int)))


def survey_frame(documents: Mapping[str, Sequence[dict]]) -> pd.DataFrame:
    """What `failure_survey.survey` found: one row per variant and change.

    `documents` maps a variant to one document per seed. Columns:
    `variant, kind` ("nuisance" or "layer"), `name, direction` (-1, 1, for layers 0); `repaired` and
    `broken`, shares in [0, 1], means over seeds; `effect`, the first less the second, with `low,
    high`, which hold jointly at 95 % (Bonferroni) for all rows; `named`: low > 0; `num_failures`
    (of all seeds) and `num_seeds`. Over several seeds by Student's t, for other images and other
    seeds; else Newcombe's paired interval, for other images and this seed.
    """
    cells: dict[tuple, list[Outcomes]] = {}
    for variant, several in documents.items():
        for document in several:
            for *change, codes in document["rows"]:
                found = Outcomes.decode(document["failing"], document["controls"], codes)
                cells.setdefault((variant, *change), []).append(found)
    alpha = ALPHA / max(1, len(cells))
    seeds = _seed_spread(cells)
    rows = [(*place, *_summarize(found, alpha, seeds)) for place, found in cells.items()]
    return pd.DataFrame(rows, columns=FRAME_COLUMNS)


FRAME_COLUMNS = (
    *("variant", "kind", "name", "direction", "repaired", "broken", "effect", "low", "high"),
    *("named", "num_failures", "num_seeds"),
)


@dataclass(frozen=True)
class Outcomes:
    """What one change did to the pairs of one run: indices and booleans (F,)."""

    failing: np.ndarray
    controls: np.ndarray
    repaired: np.ndarray
    broken: np.ndarray

    @classmethod
    def decode(cls, failing: list[int], controls: list[int], codes: str) -> Outcomes:
        code = np.array([int(character) for character in codes])
        return cls(np.array(failing), np.array(controls), code % 2 == 1, code >= 2)

    @property
    def shares(self) -> tuple[float, float]:
        """Of failures repaired and of controls broken."""
        return float(self.repaired.mean()), float(self.broken.mean())

    @property
    def effect(self) -> float:
        """The first of `shares` less the second."""
        return self.shares[0] - self.shares[1]

    @property
    def sampling_variance(self) -> float:
        """Of the effect, if the pairs are drawn independently.

        Half a pair is added to each of the four outcomes (Agresti and Min, Statistics in Medicine
        24, 2005), so that it is never 0.
        """
        only_repaired = (self.repaired & ~self.broken).sum() + 0.5
        only_broken = (self.broken & ~self.repaired).sum() + 0.5
        n, difference = len(self.failing) + 2, only_repaired - only_broken
        return float((only_repaired + only_broken - difference**2 / n) / n**2)


def _summarize(found: Sequence[Outcomes], alpha: float, seeds: SeedSpread) -> tuple:
    effect, num_seeds = float(np.mean([one.effect for one in found])), len(found)
    if num_seeds == 1:
        repaired, broken = found[0].repaired, found[0].broken
        both, only_broken, only_repaired = (
            int(which.sum())
            for which in (repaired & broken, broken & ~repaired, repaired & ~broken)
        )
        low, high = paired_interval(both, only_broken, only_repaired, len(repaired), 1 - alpha)
    else:
        variance = max(_clustered(found), seeds.dispersion * _of_mean(found))
        half = student_quantile(seeds.freedom, alpha) * math.sqrt(variance)
        low, high = effect - half, effect + half
    means = np.mean([one.shares for one in found], axis=0).tolist()
    num_failures = sum(len(one.failing) for one in found)
    return (*means, effect, low, high, low > 0, num_failures, num_seeds)


def _of_mean(found: Sequence[Outcomes]) -> float:
    """Sampling variance of the mean effect, if all pairs are drawn independently."""
    return sum(one.sampling_variance for one in found) / len(found) ** 2


def _clustered(found: Sequence[Outcomes]) -> float:
    """Variance of the mean effect, clustered by image and, where that is more, by run as well.

    Seeds fail on many of the same images, so their pairs are no independent ones.
    """
    repaired, broken = np.mean([one.shares for one in found], axis=0)
    images = np.unique(np.concatenate([(*one.failing, *one.controls) for one in found]))
    influences = np.zeros((len(found), len(images), 1))
    for run, one in zip(influences[:, :, 0], found, strict=True):
        num_pairs = len(one.failing) * len(found)
        run[np.searchsorted(images, one.failing)] = (one.repaired - repaired) / num_pairs
        run[np.searchsorted(images, one.controls)] = (broken - one.broken) / num_pairs
    mean = estimates(np.array([[repaired - broken]]), [influences])
    assert mean.two_way is not None  # several runs
    return float(max(mean.by_image[0, 0], mean.two_way[0, 0]))


def _seed_spread(cells: Mapping[tuple, Sequence[Outcomes]]) -> SeedSpread:
    """Pooled over all cells that have several seeds; chance is that of independent pairs.

    The cells of a variant share their networks: their degrees of freedom count once.
    """
    several = {place: found for place, found in cells.items() if len(found) > 1}
    freedom = {variant: len(found) - 1 for (variant, *_), found in several.items()}
    effects = [[one.effect for one in found] for found in several.values()]
    between = [float(np.var(values, ddof=1)) for values in effects]
    chance = [len(found) * _of_mean(found) for found in several.values()]
    return SeedSpread.pool(between, chance, sum(freedom.values()))
