"""Charts of the Batch mates page: DataFrame → Altair chart; no streamlit."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from ui.chart_titles import said_seed
from ui.charts import (
    DATA_SET,
    PADDING,
    VARIANT_LABELS,
    legend_room,
    titled,
    variant_color_scale,
    variant_legend,
    variant_shape_scale,
)

HEIGHT = 320
ACCURACY = "Test accuracy (%)"
KINDS = {"random": "random mates", "one_class": "mates of one class"}
DASHES = {"random mates": [1, 0], "mates of one class": [6, 4]}
DOTTED = [2, 4]
SIZES_LEGEND = (
    "Batch norm normalizes with mean and variance of the batch. Bars: 95 % intervals over the "
    "batches"
)
RECOVERY_LEGEND = (
    "Batch norm normalizes with statistics of so many training images shifted alike; at 0 with "
    "those of training. Means over {draws} draws; bars: 95 % intervals over the draws, at 0 over "
    "the images. Dotted: there is nothing to estimate."
)


def sizes_chart(frame: pd.DataFrame, *, seed: int) -> alt.LayerChart:
    """Accuracy against batch size; `frame` is `core.analysis.batch_mates.sizes_frame`."""
    words = frame.assign(kind=frame["kind"].map(KINDS), label=_labels(frame))
    kinds = [words for words in DASHES if words in set(frame["kind"].map(KINDS))]
    scale = alt.Scale(domain=kinds, range=[DASHES[kind] for kind in kinds])
    dash = alt.StrokeDash("kind:N", scale=scale, legend=_dash_legend())
    x = alt.X(
        "size:Q",
        title="Images in the batch (logarithmic)",
        scale=alt.Scale(type="log", base=2, domain=[1, 256], nice=False, padding=10),
        axis=alt.Axis(values=sorted(frame["size"].unique().tolist()), grid=False, format="d"),
    )
    chart = _accuracy_chart(words, x, dash, ["kind:N", "size:Q", "num_batches:Q", "num_images:Q"])
    of_class = ", for batches of one class (dashed) over the classes" if len(kinds) > 1 else ""
    title = f"Test accuracy by batch size, {DATA_SET}, {said_seed(seed)}"
    return titled(chart, title, f"{SIZES_LEGEND}{of_class}.")


def recovery_chart(frame: pd.DataFrame, *, shift: str, seed: int) -> alt.LayerChart:
    """Accuracy against how many images the statistics come from, evenly spaced by rank.

    `frame` has `variant` and the fields of `core.analysis.reestimation.reestimated_accuracy`; a
    variant that only has `count` 0 is a dotted line all across. `shift` names what was done to the
    images, and how strongly.
    """
    counts = sorted(frame["count"].unique().tolist())
    estimated = set(frame.loc[frame["count"] > 0, "variant"])
    moving = frame["variant"].isin(estimated)
    fixed = frame[~moving].drop(columns="count").merge(pd.DataFrame({"count": counts}), how="cross")
    both = pd.concat([frame[moving], fixed]).assign(
        estimated=lambda rows: rows["variant"].isin(estimated)
    )
    both = both.assign(label=_labels(both))
    dash = alt.StrokeDash(
        "estimated:N", scale=alt.Scale(domain=[True, False], range=[[1, 0], DOTTED]), legend=None
    )
    x = alt.X(
        "count:O",
        title="Images estimated on (0: stored)",
        sort=counts,
        axis=alt.Axis(labelAngle=0, grid=False, labelExpr="format(datum.value, ',')"),
    )
    chart = _accuracy_chart(both, x, dash, ["count:O", "num_draws:Q", "num_images:Q"])
    about = f"{shift}, {DATA_SET}, {said_seed(seed)}"
    said = RECOVERY_LEGEND.format(draws=int(frame["num_draws"].max()))
    return titled(chart, f"Test accuracy with statistics estimated anew: {about}", said)


def _accuracy_chart(
    frame: pd.DataFrame, x: alt.X, dash: alt.StrokeDash, more: list[str]
) -> alt.LayerChart:
    """Lines, points and intervals per variant; a legend entry singles one out."""
    picked = alt.selection_point(name="legend", fields=["variant"], bind="legend")
    shown = alt.OpacityValue(**alt.when(picked).then(alt.value(1)).otherwise(alt.value(0.08)))
    legend = variant_legend(frame["variant"])
    title: dict[str, Any] = {"title": ACCURACY, "scale": alt.Scale(domain=[0, 100])}
    base = alt.Chart(frame).encode(
        x=x,
        color=alt.Color("variant:N", scale=variant_color_scale(), legend=legend),
        opacity=shown,
    )
    y = alt.Y("accuracy_percent:Q", **title)
    intervals = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low_percent:Q", **title), y2=alt.Y2("high_percent:Q")
    )
    lines = base.mark_line(strokeWidth=2).encode(y=y, strokeDash=dash)
    points = base.mark_point(filled=True, size=55).encode(
        y=y,
        shape=alt.Shape("variant:N", scale=variant_shape_scale(), legend=legend),
        tooltip=[
            alt.Tooltip("label:N", title="Variant"),
            *map(alt.Tooltip, more),
            alt.Tooltip("accuracy_percent:Q", title=ACCURACY, format=".2f"),
            alt.Tooltip("low_percent:Q", title="95 % from", format=".2f"),
            alt.Tooltip("high_percent:Q", title="to", format=".2f"),
        ],
    )
    layers = [intervals, lines, points.add_params(picked)]
    return alt.LayerChart(layer=layers).properties(
        height=HEIGHT + legend_room(frame["variant"]), padding=PADDING
    )


def _labels(frame: pd.DataFrame) -> pd.Series:
    return frame["variant"].replace(VARIANT_LABELS)


def _dash_legend() -> alt.Legend:
    """Below the chart, since a phone has no room above it; lines long enough for two dashes."""
    return alt.Legend(
        title=None, orient="bottom", columns=2, offset=4, labelFontSize=11, symbolSize=400
    )


def sizes_alt(frame: pd.DataFrame) -> str:
    """The chart in words: each line from its smallest to its largest batch."""
    parts = [
        f"{VARIANT_LABELS.get(str(key), str(key))} with {KINDS[kind]} {_ends(rows, 'size')}"
        for kind in frame["kind"].unique()
        for key, rows in frame[frame["kind"] == kind].groupby("variant", sort=False)
    ]
    return f"{ACCURACY} by images in the batch. {'; '.join(parts)}."


def recovery_alt(frame: pd.DataFrame) -> str:
    """The chart in words: each line from stored statistics to those of the most images."""
    parts = [
        f"{VARIANT_LABELS.get(str(key), str(key))} {_ends(rows, 'count')}"
        for key, rows in frame.groupby("variant", sort=False)
    ]
    return f"{ACCURACY} by images that the statistics come from. {'; '.join(parts)}."


def _ends(rows: pd.DataFrame, column: str) -> str:
    ends = rows.sort_values(column).iloc[[0, -1]].drop_duplicates(column)
    return " and ".join(
        f"{accuracy:.1f} % at {number:,}"
        for number, accuracy in zip(ends[column], ends["accuracy_percent"], strict=True)
    )
