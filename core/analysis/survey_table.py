"""What small changes and repaired layers do over all failures, as one frame. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

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
    (of all seeds) and `num_seeds`. Over several seeds by Student's t, on these test images; else
    Newcombe's paired interval over images, of this seed.
    """
    cells: dict[tuple, list[tuple]] = {}
    for variant, found in documents.items():
        for document in found:
            for row in document["rows"]:
                counts = (*row[3:], document["num_failures"])
                cells.setdefault((variant, *row[:3]), []).append(counts)
    alpha = ALPHA / max(1, len(cells))
    rows = [(*place, *_summarize(np.array(counts), alpha)) for place, counts in cells.items()]
    return pd.DataFrame(rows, columns=FRAME_COLUMNS)


FRAME_COLUMNS = (
    *("variant", "kind", "name", "direction", "repaired", "broken", "effect", "low", "high"),
    *("named", "num_failures", "num_seeds"),
)


def _summarize(counts: np.ndarray, alpha: float) -> tuple:
    """From the counts (seeds, 4) of one cell: repaired, broken, both, failures."""
    shares = counts[:, :2] / counts[:, 3:]
    effects = shares[:, 0] - shares[:, 1]
    effect, num_seeds = float(effects.mean()), len(counts)
    if num_seeds == 1:
        repaired, broken, both, total = counts[0].tolist()
        low, high = paired_interval(both, broken - both, repaired - both, total, 1 - alpha)
    else:
        from scipy.special import stdtrit

        half = stdtrit(num_seeds - 1, 1 - alpha / 2) * effects.std(ddof=1) / math.sqrt(num_seeds)
        low, high = effect - half, effect + half
    means = shares.mean(axis=0).tolist()
    return (*means, effect, low, high, low > 0, int(counts[:, 3].sum()), num_seeds)
