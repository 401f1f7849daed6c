"""What small changes and repaired layers do over all failures, as one frame. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.analysis.significance import ALPHA, paired_interval

NAME = "failure_survey"
"""Of what `failure_survey.survey` found; see `core.analysis.derived`."""
NUISANCE, LAYER = "nuisance", "layer"
ALL_LAYERS = "all layers"


def survey_frame(documents: Mapping[str, Sequence[dict]]) -> pd.DataFrame:
    """What `failure_survey.survey` found: one row per variant and change.

    `documents` maps a variant to one document per seed. Columns:
    `variant, kind` ("nuisance" or "layer"), `name, direction` (-1, 1, for layers 0); `repaired` and
    `broken`, shares in [0, 1], means over seeds; `effect`, the first less the second, with `low,
    high`, which hold jointly at 95 % (Bonferroni) for all rows; `named`: low > 0; `num_failures`
    (of all seeds) and `num_seeds`. Over several seeds by Student's t with a pooled dispersion, on
    these test images; else Newcombe's paired interval over images, of this seed.
    """
    found: dict[tuple, list[tuple]] = {}
    for variant, several in documents.items():
        for document in several:
            for row in document["rows"]:
                counts = (*row[3:], document["num_failures"])
                found.setdefault((variant, *row[:3]), []).append(counts)
    cells = {place: np.array(counts) for place, counts in found.items()}
    alpha = ALPHA / max(1, len(cells))
    seeds = _seed_spread(cells)
    rows = [(*place, *_summarize(counts, alpha, seeds)) for place, counts in cells.items()]
    return pd.DataFrame(rows, columns=FRAME_COLUMNS)


FRAME_COLUMNS = (
    *("variant", "kind", "name", "direction", "repaired", "broken", "effect", "low", "high"),
    *("named", "num_failures", "num_seeds"),
)


def _summarize(counts: np.ndarray, alpha: float, seeds: SeedSpread) -> tuple:
    """From the counts (seeds, 4) of one cell: repaired, broken, both, failures."""
    shares = counts[:, :2] / counts[:, 3:]
    effects, num_seeds = _effects(counts), len(counts)
    effect = float(effects.mean())
    if num_seeds == 1:
        repaired, broken, both, total = counts[0].tolist()
        low, high = paired_interval(both, broken - both, repaired - both, total, 1 - alpha)
    else:
        variance = max(seeds.dispersion * _sampling_variance(counts), effects.var(ddof=1))
        half = seeds.quantile(alpha) * math.sqrt(variance / num_seeds)
        low, high = effect - half, effect + half
    means = shares.mean(axis=0).tolist()
    return (*means, effect, low, high, low > 0, int(counts[:, 3].sum()), num_seeds)


def _effects(counts: np.ndarray) -> np.ndarray:
    """Share repaired less share broken (seeds,)."""
    return (counts[:, 0] - counts[:, 1]) / counts[:, 3]


def _sampling_variance(counts: np.ndarray) -> float:
    """Variance of one seed's effect if its pairs were drawn independently, mean over seeds.

    Half a pair is added to each of the four outcomes (Agresti and Min, Statistics in Medicine 24,
    2005), so that it is never 0.
    """
    repaired, broken, both, total = counts.T
    only_repaired, only_broken, n = repaired - both + 0.5, broken - both + 0.5, total + 2
    difference = only_repaired - only_broken
    return float(((only_repaired + only_broken - difference**2 / n) / n**2).mean())


@dataclass(frozen=True)
class SeedSpread:
    """The variance between seeds, over that of independent pairs, and its degrees of freedom."""

    dispersion: float
    freedom: int

    def quantile(self, alpha: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, 1 - alpha / 2))


def _seed_spread(cells: Mapping[tuple, np.ndarray]) -> SeedSpread:
    """Pooled over all cells that have several seeds.

    A cell's own variance over a few seeds is no guide: where they tie it is 0. So it counts only
    where it is larger than independent pairs and the common dispersion, at least 1, make it
    (McCullagh and Nelder, Generalized Linear Models, 1989, 4.5). The cells of a variant share their
    networks: their degrees of freedom count once.
    """
    several = {place: counts for place, counts in cells.items() if len(counts) > 1}
    freedom = {variant: len(counts) - 1 for (variant, *_), counts in several.items()}
    between = sum(_effects(counts).var(ddof=1) for counts in several.values())
    within = sum(_sampling_variance(counts) for counts in several.values())
    return SeedSpread(max(1.0, between / within) if several else 1.0, sum(freedom.values()))
