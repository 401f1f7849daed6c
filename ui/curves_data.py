"""The curves of training as tables: one quantity at a time, over seeds and epochs. No streamlit."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from core.analysis.metrics import half_width


@dataclass(frozen=True)
class Quantity:
    """Something logged once per epoch.

    `column` is its name in `core.training.runs.METRIC_COLUMNS`; `published` its column in
    `core.published.history()`, if the two mean the same; `symbol` stands at the axis where the
    title is too long for it.
    """

    title: str
    unit: str
    column: str
    published: str | None = None
    symbol: str | None = None

    @property
    def axis_title(self) -> str:
        """Such as "Test loss (nats)"."""
        return f"{self.symbol or self.title} ({self.unit})"


L1_PENALTY = "L1 penalty"
QUANTITIES: dict[str, Quantity] = {
    quantity.title: quantity
    for quantity in (
        Quantity("Test loss", "nats", "test_loss", "test_loss"),
        Quantity("Test accuracy", "%", "test_accuracy_percent", "test_accuracy_percent"),
        Quantity("Train cross-entropy", "nats", "train_cross_entropy"),
        Quantity(L1_PENALTY, "nats", "penalty"),
        Quantity("Train accuracy", "%", "train_accuracy_percent", "train_accuracy_percent"),
    )
}
"""By title. The published train loss is cross-entropy plus penalty, so it has no place here."""


@dataclass(frozen=True)
class Curves:
    """One quantity of several variants, ready to be drawn.

    `lines`: `variant, epoch, value, low, high, num_seeds`, the mean over seeds with the lowest and
    the highest; `singles`: `variant, seed, epoch, value`; `published`: `variant, epoch, value`.
    `epochs` is the first and the last of the axis; not all of them need have figures yet.
    """

    quantity: Quantity
    lines: pd.DataFrame
    singles: pd.DataFrame
    published: pd.DataFrame
    epochs: tuple[int, int]

    def only(self, variant: str) -> Curves:
        """The curves of one variant."""
        parts = (self.lines, self.singles, self.published)
        lines, singles, published = (part[part["variant"] == variant] for part in parts)
        return replace(self, lines=lines, singles=singles, published=published)

    @property
    def domain(self) -> tuple[float, float]:
        """The lowest and the highest value of all."""
        values = pd.concat([self.lines["low"], self.lines["high"], self.published["value"]])
        return float(values.min()), float(values.max())

    def table(self) -> pd.DataFrame:
        """Everything drawn as one table: `variant, source, seed, epoch, <quantity's column>`."""
        ours = self.singles.assign(source="ours")
        published = self.published.assign(source="published")
        frame = pd.concat([ours, published], ignore_index=True).astype({"seed": "Int64"})
        columns = ["variant", "source", "seed", "epoch", "value"]
        return frame.reindex(columns=columns).rename(columns={"value": self.quantity.column})


def all_epochs(records: Sequence[tuple[str, int, pd.DataFrame]]) -> pd.DataFrame:
    """One row per variant, seed and epoch from (variant, seed, metrics) triples."""
    frames = [metrics.assign(variant=variant, seed=seed) for variant, seed, metrics in records]
    begun = [frame for frame in frames if not frame.empty]
    return pd.concat(begun or frames, ignore_index=True)


def curves(
    quantity: Quantity,
    rows: pd.DataFrame,
    published: pd.DataFrame,
    *,
    epochs: tuple[int, int],
    log: bool = False,
    step: float = 0,
) -> Curves:
    """One quantity from `all_epochs` and `core.published.history()`, epochs first to last included.

    With `log`, an accuracy becomes its error, 100 - accuracy, and what is not above 0 is left out,
    because a logarithmic axis cannot show it. Of the published only variants in `rows` are kept.
    """
    shown = as_error(quantity) if log else quantity
    singles = _values(rows, quantity.column, ["variant", "seed", "epoch"], epochs)
    if quantity.published:
        known = published[published["variant"].isin(rows["variant"])]
        theirs = _values(known, quantity.published, ["variant", "epoch"], epochs)
    else:
        theirs = pd.DataFrame({"variant": [], "epoch": [], "value": []})
    if log:
        singles, theirs = (_above_zero(part, quantity) for part in (singles, theirs))
    # A logarithmic axis ends at the lowest value; what reaches below is drawn to its end.
    floor = float(singles["value"].min()) if log else 0
    lines = over_seeds(singles, floor, 100 if quantity.unit == "%" else math.inf, step)
    return Curves(shown, lines, singles, theirs, epochs)


def as_error(quantity: Quantity) -> Quantity:
    """An accuracy as its error; anything else unchanged."""
    title = quantity.title.replace("accuracy", "error")
    return replace(quantity, title=title, column=quantity.column.replace("accuracy", "error"))


def over_seeds(
    singles: pd.DataFrame, floor: float = 0, ceiling: float = math.inf, step: float = 0
) -> pd.DataFrame:
    """Mean over the seeds and its 95 % interval by Student's t, cut off at `floor` and `ceiling`.

    `step`, the smallest difference between two values, is what seeds that tie may differ by.
    Columns `variant, epoch, value, low, high, num_seeds`; the interval of one seed has no width.
    """
    groups = singles.groupby(["variant", "epoch"], sort=False)["value"]
    frame = groups.agg(["mean", "std", "count"]).reset_index()
    half = half_width(frame["std"].to_numpy(), frame["count"].to_numpy(), step)
    frame["low"] = (frame["mean"] - np.nan_to_num(half)).clip(lower=floor)
    frame["high"] = (frame["mean"] + np.nan_to_num(half)).clip(upper=ceiling)
    frame = frame.rename(columns={"mean": "value", "count": "num_seeds"})
    columns = ["variant", "epoch", "value", "low", "high", "num_seeds"]
    return frame[columns].sort_values(["variant", "epoch"], ignore_index=True)


def readout(curves: Curves, labels: dict[str, str], variants: Collection[str]) -> pd.DataFrame:
    """One row per epoch with a column per variant, ours and published, named by `labels`."""
    parts = [(curves.lines, ""), (curves.published, ", published")]
    columns = {
        labels.get(variant, variant) + suffix: frame[frame["variant"] == variant].set_index("epoch")
        for frame, suffix in parts
        for variant in variants
    }
    values = {name: frame["value"] for name, frame in columns.items() if not frame.empty}
    return pd.DataFrame(values).rename_axis("epoch").reset_index()


def _values(
    frame: pd.DataFrame, column: str, keys: list[str], epochs: tuple[int, int]
) -> pd.DataFrame:
    shown = frame[frame["epoch"].between(*epochs)]
    return shown[[*keys, column]].rename(columns={column: "value"})


def _above_zero(frame: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    is_accuracy = as_error(quantity) != quantity
    value = 100 - frame["value"] if is_accuracy else frame["value"]
    value = value.round(6)  # 100 - 99.97 is not quite 0.03
    return frame.assign(value=value)[value > 0]
