"""The coursework's spreadsheet as an example: its layout and its mistake, on numbers drawn anew.

It has four images × four channels × 2×2 values at two layers, written with an image's rows below
each other. In layer N+1 the group means of the fourth image average the wrong rows: they straddle
images 3 and 4. The variances use the right ones. The published values themselves are not included.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.analysis import by_hand
from core.analysis.by_hand_table import SHEET, Table, random_table

LAYERS = {"N": 1, "N+1": 2}
"""The seed of each layer's numbers."""
PER_GROUP = 2
IMAGE = 3
"""The fourth image, whose means are wrong."""


def example(layer: str) -> Table:
    """The numbers (4, 4, 2, 2) of one of `LAYERS`."""
    return random_table(SHEET, LAYERS[layer])


def straddling_rows(x: np.ndarray, image: int) -> np.ndarray:
    """As many rows as `image` has, half of them the last of the image before: (C, H, W)."""
    half = x.shape[2] // 2
    return np.concatenate([x[image - 1, :, half:], x[image, :, :half]], axis=1)


def group_means(x: np.ndarray, image: int = IMAGE) -> pd.DataFrame:
    """The statistics of one image's groups, right and with the mean of the straddling rows.

    One row per group: `group` (from 1), `variance`, `mean` and `wrong_mean`; and what each mean
    makes of the group's normalized values: `xhat_mean` and `wrong_xhat_mean` (0 if it is right),
    `xhat_square` and `wrong_xhat_square` (their mean square, 1 less the share of ε if it is right).
    """
    right = by_hand.statistics(x, by_hand.GROUP, PER_GROUP)
    straddling = straddling_rows(x, image)[None]
    wrong = by_hand.statistics(straddling, by_hand.GROUP, PER_GROUP).mean[0]
    rows = []
    for group, (mean, var) in enumerate(zip(right.mean[image], right.var[image], strict=True)):
        values = x[image, group * PER_GROUP : (group + 1) * PER_GROUP]
        row = {"group": group + 1, "variance": var, "mean": mean, "wrong_mean": wrong[group]}
        for name, used in (("xhat", mean), ("wrong_xhat", wrong[group])):
            xhat = (values - used) / np.sqrt(var + by_hand.EPS)
            row |= {f"{name}_mean": xhat.mean(), f"{name}_square": (xhat**2).mean()}
        rows.append(row)
    return pd.DataFrame(rows)
