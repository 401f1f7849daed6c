"""Charts of the Failures page: DataFrame → Altair chart; no streamlit."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from core.config import VARIANTS

ROW_HEIGHT = 26
FRAME_HEIGHT = 90
"""Axis, title and legend, which Streamlit fits into the height."""
VERTICAL_TICK = "M0,-0.8L0,0.8"
INK = "#7F8894"
"""A grey that is readable on both backgrounds."""


def class_accuracy_chart(
    frame: pd.DataFrame, *, color: str, order: Sequence[str]
) -> alt.LayerChart:
    """Accuracy per class as dot and interval; other seeds as ticks, published figures as diamonds.

    `frame` has `class` (name), `kind` ("this seed", "other seeds" or "published"),
    `accuracy_percent`, and for "this seed" `low_percent`, `high_percent`, `errors`, `num_images`.
    """
    kinds = [
        kind for kind in ("this seed", "other seeds", "published") if kind in set(frame["kind"])
    ]
    styles = {
        "this seed": ("circle", color),
        "other seeds": (VERTICAL_TICK, color),
        "published": ("diamond", INK),
    }
    base = alt.Chart(frame).encode(
        y=alt.Y("class:N", sort=list(order), title=None, axis=alt.Axis(labelOverlap=False)),
    )
    x = alt.X("accuracy_percent:Q", title="Test accuracy in %", scale=alt.Scale(zero=False))
    interval = base.transform_filter("datum.kind === 'this seed'").mark_rule(
        color=color, strokeWidth=2
    )
    marks = base.mark_point(size=70, strokeWidth=2, opacity=1).encode(
        x=x,
        shape=alt.Shape(
            "kind:N",
            scale=alt.Scale(domain=kinds, range=[styles[kind][0] for kind in kinds]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=kinds, range=[styles[kind][1] for kind in kinds]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        fillOpacity=alt.condition("datum.kind === 'this seed'", alt.value(1), alt.value(0)),
        tooltip=[
            alt.Tooltip("class:N", title="Class"),
            alt.Tooltip("kind:N", title="Figure"),
            alt.Tooltip("accuracy_percent:Q", title="Accuracy in %", format=".2f"),
            alt.Tooltip("errors:Q", title="Errors"),
            alt.Tooltip("num_images:Q", title="Images"),
        ],
    )
    intervals = interval.encode(x=alt.X("low_percent:Q"), x2="high_percent:Q")
    return (intervals + marks).properties(height=ROW_HEIGHT * len(order) + FRAME_HEIGHT)


def overlap_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """The Jaccard matrix of failure sets as a heat map with its numbers.

    `frame` has `row, column` (variant keys), `both, either` (numbers of images) and `jaccard` in
    [0, 1], as `core.analysis.metrics.failure_overlap` makes it. The diagonal, always 1, is left
    empty.
    """
    keys = [key for key in VARIANTS if key in set(frame["row"])]
    keys += sorted(set(frame["row"]) - set(keys))
    pairs = frame[frame["row"] != frame["column"]]
    base = alt.Chart(pairs).encode(
        x=alt.X("column:N", sort=keys, title=None, axis=alt.Axis(labelAngle=-45, orient="top")),
        y=alt.Y("row:N", sort=keys, title=None),
        tooltip=[
            alt.Tooltip("row:N", title="One"),
            alt.Tooltip("column:N", title="Other"),
            alt.Tooltip("both:Q", title="Both fail"),
            alt.Tooltip("either:Q", title="At least one fails"),
            alt.Tooltip("jaccard:Q", title="Jaccard index", format=".2f"),
        ],
    )
    shades = base.mark_rect(cornerRadius=3, stroke=None).encode(
        color=alt.value("#0072B2"),
        opacity=alt.Opacity(
            "jaccard:Q", scale=alt.Scale(domain=[0, 1], range=[0.08, 0.6]), legend=None
        ),
    )
    numbers = base.mark_text(fontSize=13).encode(text=alt.Text("jaccard:Q", format=".2f"))
    return (shades + numbers).properties(height=44 * len(keys) + FRAME_HEIGHT)


def probability_chart(frame: pd.DataFrame, *, classes: Sequence[str]) -> alt.LayerChart:
    """What each variant says of one image: a heat map variants × classes.

    `frame` has `variant` (key), `class` (name), `probability` in [0, 1] and `is_target` (bool).
    """
    keys = list(dict.fromkeys(frame["variant"]))
    base = alt.Chart(frame).encode(
        x=alt.X(
            "class:N", sort=list(classes), title=None, axis=alt.Axis(labelAngle=0, orient="top")
        ),
        y=alt.Y("variant:N", sort=keys, title=None),
        tooltip=[
            alt.Tooltip("variant:N", title="Variant"),
            alt.Tooltip("class:N", title="Class"),
            alt.Tooltip("probability:Q", title="Probability", format=".1%"),
        ],
    )
    shades = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color(
            "is_target:N",
            scale=alt.Scale(domain=[True, False], range=["#009E73", "#D55E00"]),
            legend=None,
        ),
        opacity=alt.Opacity(
            "probability:Q", scale=alt.Scale(domain=[0, 1], range=[0.06, 0.65]), legend=None
        ),
    )
    numbers = (
        base.transform_filter("datum.probability >= 0.005")
        .mark_text(fontSize=12)
        .encode(text=alt.Text("probability:Q", format=".0%"))
    )
    return (shades + numbers).properties(height=34 * len(keys) + 30)
