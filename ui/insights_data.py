"""What training did inside the networks: insights → curves of one layer. No streamlit.

The curves are drawn by `ui.charts_curves`, as loss and accuracy are.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from core.config import variant_label
from core.training.insights import (
    AFFINE,
    CONV_LAYERS,
    EFFECTIVE_RATE,
    NORM_LAYERS,
    RUNNING,
    WEIGHT_QUANTITIES,
)
from core.training.runs import Run
from ui.charts_curves import describe
from ui.curves_data import Curves, Quantity, curves

OF_WEIGHTS = (
    Quantity("Weight norm", "no unit", WEIGHT_QUANTITIES[0], symbol="‖W‖₂"),
    Quantity("Effective learning rate", "no unit", EFFECTIVE_RATE, symbol="lr / ‖W‖²"),
    Quantity("Weights near zero", "%", WEIGHT_QUANTITIES[1]),
)
"""Of a layer's weights: one figure per run and epoch."""
OF_NORMALIZATION = (
    Quantity("Scale γ", "no unit", AFFINE[0], symbol="γ"),
    Quantity("Shift β", "no unit", AFFINE[1], symbol="β"),
    Quantity("Running mean", "map units", RUNNING[0]),
    Quantity("Running variance", "map units²", RUNNING[1]),
)
"""Of a normalization layer: mean, smallest and largest over its channels. Map units are those of
the feature maps that it normalizes.
"""
NOT_PUBLISHED = pd.DataFrame({"variant": [], "epoch": [], "value": []})
NORM_AFTER = dict(zip(CONV_LAYERS, NORM_LAYERS, strict=True))
"""The normalization that follows each convolution; none follows the head."""


def insight_rows(found: Iterable[tuple[Run, pd.DataFrame]]) -> pd.DataFrame:
    """`core.training.insights.COLUMNS` of all runs in one table, with `variant` and `seed`."""
    frames = [
        frame.assign(variant=run.variant.key if run.variant else "", seed=run.seed)
        for run, frame in found
    ]
    return pd.concat(frames, ignore_index=True)


def insight_curves(
    quantity: Quantity, rows: pd.DataFrame, *, epochs: tuple[int, int], log: bool = False
) -> Curves:
    """One quantity in the `rows` of one layer; `log` as `is_log` says."""
    if quantity in OF_WEIGHTS:
        return _weight_curves(quantity, rows, epochs, log)
    return _spread_curves(quantity, rows, epochs)


def _weight_curves(
    quantity: Quantity, rows: pd.DataFrame, epochs: tuple[int, int], log: bool
) -> Curves:
    """One of `OF_WEIGHTS` in the `rows` of one layer: mean over seeds with its 95 % interval."""
    part = _part(rows, quantity).rename(columns={"value": quantity.column})
    return curves(quantity, part, NOT_PUBLISHED, epochs=epochs, log=log)


def _spread_curves(quantity: Quantity, rows: pd.DataFrame, epochs: tuple[int, int]) -> Curves:
    """One of `OF_NORMALIZATION` in the `rows` of one layer.

    `value`, `low` and `high` of the lines are mean, smallest and largest of the channels, each
    averaged over the seeds.
    """
    part = _part(rows, quantity)
    part = part[part["epoch"].between(*epochs)]
    groups = part.groupby(["variant", "epoch"], sort=False)
    lines = groups[["value", "low", "high"]].mean().join(groups.size().rename("num_seeds"))
    lines = lines.reset_index().sort_values(["variant", "epoch"], ignore_index=True)
    singles = part[["variant", "seed", "epoch", "value"]]
    return Curves(quantity, lines, singles, NOT_PUBLISHED, epochs)


def _part(rows: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    return rows[(rows["quantity"] == quantity.column) & rows["value"].notna()]


def insight_table(quantity: Quantity, rows: pd.DataFrame, epochs: tuple[int, int]) -> pd.DataFrame:
    """What was recorded of it, `variant, seed, layer, epoch` and one or three figures, to keep."""
    names = {"value": quantity.column}
    if quantity in OF_NORMALIZATION:
        parts = {"value": "mean", "low": "min", "high": "max"}
        names = {column: f"{quantity.column}_{part}" for column, part in parts.items()}
    part = _part(rows, quantity)
    part = part[part["epoch"].between(*epochs)].rename(columns=names)
    return part[["variant", "seed", "layer", "epoch", *names.values()]]


def is_log(quantity: Quantity, log: bool) -> bool:
    """Whether it is drawn on a log scale, where the page's switch says `log`.

    The effective learning rate always is, because it falls tenfold with the learning rate. What a
    normalization holds never is, because it can be negative.
    """
    return quantity in OF_WEIGHTS and (log or quantity.column == EFFECTIVE_RATE)


def describe_insight(one: Curves, layer: str) -> str:
    """The chart in words: where each variant ends and, for a normalization, between what."""
    if one.quantity in OF_WEIGHTS:
        return f"{one.quantity.title} of {layer}. {describe(one)}"
    ends: pd.DataFrame = one.lines.loc[one.lines.groupby("variant")["epoch"].idxmax()]
    parts = [
        f"{variant_label(row['variant'])} {row['value']:.3g} "
        f"({row['low']:.3g} to {row['high']:.3g})"
        for row in ends.to_dict("records")
    ]
    return (
        f"{one.quantity.title} of {layer}. {one.quantity.axis_title} over epochs, mean over "
        f"channels with the smallest and the largest. Last shown epoch: {'; '.join(parts)}."
    )


def summary(rows: pd.DataFrame, layer: str) -> str:
    """What the weights of `layer` tell apart in the last epoch that all variants have, in words.

    `rows` are those of this layer and of the shown epochs; "" if they have no epoch in common.
    """
    common = [set(epochs) for _, epochs in rows.groupby("variant")["epoch"]]
    epoch = max(set.intersection(*common), default=None) if common else None
    if epoch is None:
        return ""
    means = rows[rows["epoch"] == epoch].groupby(["quantity", "variant"])["value"].mean()
    parts = [
        _factor(means.get(EFFECTIVE_RATE), "effective learning rates"),
        _factor(means.get("weight_norm"), "weight norms"),
        _shares(means.get("near_zero_percent")),
    ]
    said = [part for part in parts if part]
    return f"In epoch {epoch}, in {layer}: {'; '.join(said)}." if said else ""


def _factor(values: pd.Series | None, what: str) -> str:
    values = pd.Series(dtype=float) if values is None else values[values > 0]
    if len(values) < 2:
        return ""
    low, high = str(values.idxmin()), str(values.idxmax())
    return (
        f"{what} differ {values[high] / values[low]:.1f}-fold (largest {variant_label(high)}, "
        f"smallest {variant_label(low)})"
    )


def _shares(values: pd.Series | None) -> str:
    if values is None or values.empty:
        return ""
    low, high = str(values.idxmin()), str(values.idxmax())
    rest = "" if low == high else f", {values[low]:.1f} % in {variant_label(low)}"
    return f"{values[high]:.1f} % of the weights are near zero in {variant_label(high)}{rest}"
