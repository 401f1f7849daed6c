"""Small live charts of a job in training: constant specifications, changing data. No streamlit.

The browser keeps a chart whose specification stays the same and only takes its new data, so axes
that could change with every epoch are fixed by the planned epochs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import altair as alt
import pandas as pd

from ui.charts import PADDING
from ui.palette import VARIANT_COLORS, VARIANT_SHAPES

HEIGHT = 110
TITLES = {"test_accuracy_percent": "Test accuracy (%)", "test_loss": "Test loss (nats)"}
OTHER_COLORS = ("#0072B2", "#D55E00", "#009E73", "#C65FA5", "#A07800", "#7F7F7F")
OTHER_SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")


def live_chart(
    rows: pd.DataFrame, column: str, labels: Mapping[str, str], epochs: int, *, legend: bool
) -> alt.LayerChart:
    """`column` over the epochs of `ui.training_live.chart_rows`, a line for each of `labels`.

    `epochs` are planned. The newest epoch carries the variant's shape.
    """
    x = alt.X(
        "epoch:Q",
        title=None if legend else "Epoch",
        axis=alt.Axis(tickMinStep=1, tickCount=5, format="d", grid=False),
        scale=alt.Scale(domain=[0, max(epochs, 1)], nice=False),
    )
    y = alt.Y(
        f"{column}:Q",
        title=None,
        axis=alt.Axis(tickCount=4, format="~g"),
        scale=alt.Scale(zero=False, nice=True),
    )
    color, shape = _scales(list(labels), _legend(labels) if legend else None)
    tooltip = [
        alt.Tooltip("variant:N", title="Variant"),
        alt.Tooltip("epoch:Q", title="Epoch"),
        alt.Tooltip(f"{column}:Q", title=TITLES[column], format=".4~f"),
    ]
    base = alt.Chart(rows).encode(x=x, y=y, color=color, tooltip=tooltip)
    newest = base.transform_filter("datum.newest").encode(shape=shape)
    marks = [base.mark_line(strokeWidth=1.8), newest.mark_point(filled=True, size=45)]
    return alt.LayerChart(layer=marks).properties(height=HEIGHT, padding=PADDING)


def _scales(keys: list[str], legend: alt.Legend | None) -> tuple[alt.Color, alt.Shape]:
    def of(known: Mapping[str, str], others: tuple[str, ...]) -> alt.Scale:
        spread = [known.get(key, others[n % len(others)]) for n, key in enumerate(keys)]
        return alt.Scale(domain=keys, range=spread)

    color = alt.Color("variant:N", scale=of(VARIANT_COLORS, OTHER_COLORS), legend=legend)
    return color, alt.Shape("variant:N", scale=of(VARIANT_SHAPES, OTHER_SHAPES), legend=legend)


def _legend(labels: Mapping[str, str]) -> alt.Legend:
    return alt.Legend(
        title=None,
        orient="top",
        columns=2,
        columnPadding=6,
        rowPadding=2,
        offset=2,
        padding=0,
        labelExpr=f"{json.dumps(dict(labels))}[datum.value] || datum.value",
        labelFontSize=11,
        labelLimit=200,
    )


def describe_live(rows: pd.DataFrame, column: str, labels: Mapping[str, str]) -> str:
    """The chart in words: where each variant stands."""
    stands = [
        f"{labels[row['variant']]} {row[column]:.4g} after epoch {row['epoch']:.0f}"
        for row in rows[rows["newest"]].to_dict("records")
    ]
    return f"{TITLES[column]} so far: {'; '.join(stands)}."
