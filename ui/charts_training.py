"""Small live charts of a job in training: constant specifications, changing data. No streamlit.

The browser keeps a chart whose specification stays the same and only takes its new data, so axes
that could change with every epoch are fixed by the planned epochs.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping

import altair as alt
import pandas as pd

from ui.charts import PADDING
from ui.palette import VARIANT_COLORS, VARIANT_SHAPES, look

DATA = "epochs"
HEIGHT = 140
LEGEND_COLUMNS, LEGEND_ROW = 2, 24
TITLES = {"test_accuracy_percent": "Test accuracy (%)", "test_loss": "Test loss (nats)"}


def live_chart(
    rows: pd.DataFrame, column: str, labels: Mapping[str, str], epochs: int, *, legend: bool
) -> dict:
    """`column` of `ui.training_live.chart_rows` over epochs, a line for each of `labels`.

    `epochs` are planned. The newest epoch carries the variant's shape. A Vega-Lite specification,
    of which only the data set differs from one second to the next: nothing else is made again.
    """
    looks = tuple((key, label, *_look(key, n)) for n, (key, label) in enumerate(labels.items()))
    return {**_spec(column, looks, epochs, legend), "datasets": {DATA: rows}}


def _look(key: str, place: int) -> tuple[str, str]:
    """The colour and the shape of a variant; for one not yet known to the pages, by its place."""
    color, shape = look(place)
    return VARIANT_COLORS.get(key, color), VARIANT_SHAPES.get(key, shape)


@functools.lru_cache(maxsize=32)
def _spec(column: str, looks: tuple[tuple[str, ...], ...], epochs: int, legend: bool) -> dict:
    x = alt.X(
        "epoch:Q",
        title="Epoch",
        axis=alt.Axis(tickMinStep=1, tickCount=5, format="d", grid=False),
        scale=alt.Scale(domain=[0, max(epochs, 1)], nice=False),
    )
    y = alt.Y(
        f"{column}:Q",
        title=None,
        axis=alt.Axis(tickCount=4, format=".4~f"),
        scale=alt.Scale(zero=False, nice=True),
    )
    tooltip = [
        alt.Tooltip("label:N", title="Variant"),
        alt.Tooltip("epoch:Q", title="Epoch"),
        alt.Tooltip(f"{column}:Q", title=TITLES[column], format=".4~f"),
    ]
    color, shape = _scales(looks, legend)
    labels = json.dumps({key: label for key, label, *_ in looks})
    named = alt.Chart(alt.NamedData(DATA)).transform_calculate(label=f"{labels}[datum.variant]")
    base = named.encode(x=x, y=y, color=color, tooltip=tooltip)
    newest = base.transform_filter("datum.newest").encode(shape=shape)
    marks = [base.mark_line(strokeWidth=1.8), newest.mark_point(filled=True, size=45, opacity=1)]
    rows_above = math.ceil(len(looks) / LEGEND_COLUMNS) if legend else 0
    height = HEIGHT + LEGEND_ROW * rows_above
    chart = alt.LayerChart(layer=marks).properties(height=height, padding=PADDING)
    return chart.to_dict()


def _scales(looks: tuple[tuple[str, ...], ...], legend: bool) -> tuple[alt.Color, alt.Shape]:
    keys, labels, colors, shapes = (list(part) for part in zip(*looks, strict=True))
    shown = _legend(dict(zip(keys, labels, strict=True))) if legend else None
    return (
        alt.Color("variant:N", scale=alt.Scale(domain=keys, range=colors), legend=shown),
        alt.Shape("variant:N", scale=alt.Scale(domain=keys, range=shapes), legend=shown),
    )


def _legend(labels: Mapping[str, str]) -> alt.Legend:
    return alt.Legend(
        title=None,
        orient="top",
        columns=LEGEND_COLUMNS,
        columnPadding=6,
        rowPadding=2,
        offset=2,
        padding=0,
        labelExpr=f"{json.dumps(labels)}[datum.value] || datum.value",
        labelFontSize=11,
        labelLimit=200,
        symbolOpacity=1,
        symbolSize=45,
    )


def describe_live(column: str, labels: Mapping[str, str]) -> str:
    """The chart in words that stay the same: other ones would make the browser draw it anew."""
    return f"{TITLES[column]} after each epoch so far: {', '.join(labels.values())}. Figures below."
