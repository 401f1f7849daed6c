"""Frames of failures: filtered, and counted over variants and seeds; no streamlit.

A frame of failures has one row per misclassified image, as `core.analysis.metrics.failures` makes
it: `index, target, predicted, probability` and more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from core.analysis.metrics import failure_overlap

ORDERS = {
    "most certain first": ("probability", False),
    "least certain first": ("probability", True),
    "by image number": ("index", True),
}


def filter_failures(
    frame: pd.DataFrame,
    *,
    target: int | None = None,
    predicted: int | None = None,
    percent: tuple[float, float] = (0, 100),
    also: Sequence[Collection[int]] = (),
    never: Sequence[Collection[int]] = (),
) -> pd.DataFrame:
    """The rows that pass every filter.

    `target` and `predicted` None mean any class; `percent` bounds the probability of the predicted
    class, both ends included; the image must be in each set of `also` and in none of `never`.
    """
    keep = frame["probability"].mul(100).between(*percent)
    if target is not None:
        keep &= frame["target"] == target
    if predicted is not None:
        keep &= frame["predicted"] == predicted
    for indices in also:
        keep &= frame["index"].isin(list(indices))
    for indices in never:
        keep &= ~frame["index"].isin(list(indices))
    return frame[keep]


def sort_failures(frame: pd.DataFrame, order: str) -> pd.DataFrame:
    """The same rows in one of `ORDERS`, ties by image number."""
    column, ascending = ORDERS[order]
    return frame.sort_values([column, "index"], ascending=[ascending, True])


def count_failing_seeds(failures: Mapping[str, Mapping[int, pd.DataFrame]]) -> pd.DataFrame:
    """Who fails where: one row per image on which any seed of any variant fails, worst first.

    `failures` maps a variant to a frame per seed. Columns: `index, target`, for each variant
    `<key>` (number of seeds that fail) and `<key>_predicted` (the label they take it for most
    often, the smallest on a tie; -1 where none fails), `variants` (how many have a failing seed)
    and `seeds` (failing seeds of all variants together).
    """
    targets = pd.concat([frame for frames in failures.values() for frame in frames.values()])
    table = targets.groupby("index")["target"].first().to_frame()
    for key, frames in failures.items():
        rows = pd.concat(frames.values())
        table[key] = rows.groupby("index").size()
        table[f"{key}_predicted"] = _most_common(rows)
    filled = table.fillna({column: -1 for column in table if str(column).endswith("_predicted")})
    filled = filled.fillna(0).astype(int)
    counts = filled[list(failures)]
    filled["variants"] = (counts > 0).sum(axis=1)
    filled["seeds"] = counts.sum(axis=1)
    filled = filled.reset_index()
    return filled.sort_values(["variants", "seeds", "index"], ascending=[False, False, True])


def _most_common(rows: pd.DataFrame) -> pd.Series:
    """The most frequent `predicted` of each `index`, the smallest on a tie."""
    counts = rows.groupby(["index", "predicted"]).size().reset_index(name="times")
    counts = counts.sort_values(["times", "predicted"], ascending=[False, True])
    return counts.drop_duplicates("index").set_index("index")["predicted"]


def overlap(failures: Mapping[str, Mapping[int, pd.DataFrame]]) -> pd.DataFrame:
    """How far the failures of two variants agree: one row per ordered pair, itself included.

    `failures` maps a variant to a frame per seed. Where any variant has several seeds, only runs of
    different seeds are compared and their figures averaged, so that a variant beside itself says
    how far two trainings of the same variant agree; else the one run of each. Columns: `row,
    column, both, either, jaccard, pairs` (of runs compared; 0 gives NaN figures).
    """
    runs = {
        f"{key}/{seed}": set(frame["index"])
        for key, frames in failures.items()
        for seed, frame in frames.items()
    }
    several = any(len(frames) > 1 for frames in failures.values())
    frame = failure_overlap(runs)
    for side in ("row", "column"):
        frame[[side, f"{side}_seed"]] = frame[side].str.rsplit("/", n=1, expand=True)
    compared = (
        frame["row_seed"] != frame["column_seed"] if several else frame["row"] != frame["column"]
    )
    groups = frame[compared].groupby(["row", "column"])
    means = groups[["both", "either", "jaccard"]].mean().assign(pairs=groups.size())
    every = pd.MultiIndex.from_product([failures, failures], names=["row", "column"])
    return means.reindex(every).fillna({"pairs": 0}).reset_index()
