"""Charts of the Failures page: DataFrame → Altair chart; no streamlit."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from ui.charts import DATA_SET, PADDING, legend, titled

ROW_HEIGHT = 26
FRAME_HEIGHT = 110
"""Axis, title and legend, which Streamlit fits into the height."""
ONE_RUN, MEAN, SINGLE, PUBLISHED = "this run", "mean over seeds", "single seeds", "published"
SHAPES = {ONE_RUN: "circle", MEAN: "circle", SINGLE: "M0,-0.8L0,0.8", PUBLISHED: "diamond"}
INTERVALS = {
    ONE_RUN: "Lines: 95 % Wilson intervals. They cover the choice of test images, not that of the "
    "seed.",
    MEAN: "Lines: 95 % intervals of the mean over the seeds (Student's t), on these test images.",
}
"""What has an interval, and which."""
INTERVAL_KINDS = {ONE_RUN: "95 % Wilson", MEAN: "95 % Student's t over seeds"}
"""The same in a file."""
INK = "#7F8894"
"""A grey that is readable on both backgrounds."""


def class_accuracy_chart(
    frame: pd.DataFrame, *, color: str, order: Sequence[str], label: str = "", runs: str = ""
) -> alt.LayerChart:
    """Accuracy per class as dot and interval; single seeds as ticks, published ones as diamonds.

    `frame` has `class` (name), `kind` (`ONE_RUN`, `MEAN`, `SINGLE` or `PUBLISHED`),
    `accuracy_percent`, `errors`, `num_images`, and for the first two `low_percent` and
    `high_percent`. For the title of an exported figure, `label` is what the variant is called, and
    `runs` says which of its runs are shown, such as "5 seeds".
    """
    kinds = [kind for kind in SHAPES if kind in set(frame["kind"])]
    strokes = {ONE_RUN: color, MEAN: color, SINGLE: color, PUBLISHED: INK}
    fills = {ONE_RUN: color, MEAN: color}

    def by_kind(values: dict[str, str]) -> alt.Scale:
        return alt.Scale(domain=kinds, range=[values.get(kind, "transparent") for kind in kinds])

    said = legend()
    base = alt.Chart(frame).encode(
        y=alt.Y("class:N", sort=list(order), title="Class", axis=alt.Axis(labelOverlap=False)),
    )
    x = alt.X("accuracy_percent:Q", title="Test accuracy in %", scale=alt.Scale(zero=False))
    interval = base.transform_filter(alt.FieldOneOfPredicate("kind", [ONE_RUN, MEAN])).mark_rule(
        color=color, strokeWidth=2
    )
    points = base.mark_point(size=70, strokeWidth=2, opacity=1).encode(
        x=x,
        shape=alt.Shape("kind:N", scale=by_kind(SHAPES), legend=said),
        stroke=alt.Stroke("kind:N", scale=by_kind(strokes), legend=said),
        fill=alt.Fill("kind:N", scale=by_kind(fills), legend=said),
    )
    intervals = interval.encode(x=alt.X("low_percent:Q"), x2=alt.X2("high_percent:Q"))
    height = ROW_HEIGHT * len(order) + FRAME_HEIGHT
    chart = alt.LayerChart(layer=[intervals, *_said(points, kinds)], height=height, padding=PADDING)
    of_variant = f" of {label}" if label else ""
    title = ", ".join(filter(None, (f"Test accuracy{of_variant} for each class", DATA_SET, runs)))
    return titled(chart, title, *(INTERVALS[kind] for kind in kinds if kind in INTERVALS))


def _said(points: alt.Chart, kinds: Sequence[str]) -> list[alt.Chart]:
    """`points` with what is known of them: of published ones no counts are."""
    tooltip = [
        alt.Tooltip("class:N", title="Class"),
        alt.Tooltip("kind:N", title="Figure"),
        alt.Tooltip("accuracy_percent:Q", title="Accuracy in %", format=".2f"),
    ]
    counts = [
        alt.Tooltip("errors:Q", title="Errors", format=".1~f"),
        alt.Tooltip("num_images:Q", title="Images"),
    ]
    parts = (
        ([kind for kind in kinds if kind != PUBLISHED], tooltip + counts),
        ([kind for kind in kinds if kind == PUBLISHED], tooltip),
    )
    return [
        points.transform_filter(alt.FieldOneOfPredicate("kind", drawn)).encode(tooltip=words)
        for drawn, words in parts
        if drawn
    ]
