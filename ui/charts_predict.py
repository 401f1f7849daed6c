"""Charts of the Predict page: DataFrame → Altair chart; no streamlit."""

from __future__ import annotations

import altair as alt
import pandas as pd

from ui.chart_titles import networks
from ui.charts import (
    PADDING,
    titled,
    variant_color_scale,
    variant_label_expression,
    variant_shape_scale,
)
from ui.charts_explain import FRAME_HEIGHT, INK, MARGIN_TITLE, ROOM_FOR_WORDS, ROW_HEIGHT
from ui.images import format_percent

ACCURACY_TITLE = "Right (%), with Wilson's 95 % interval"
ANSWERS_LEGEND = (
    "Margin: the logit of what it says less that of the runner-up. Beside a bar: both, with their "
    "probability."
)


def _rows(frame: pd.DataFrame) -> alt.Y:
    axis = alt.Axis(labelExpr=variant_label_expression(), labelLimit=180, ticks=False, domain=False)
    return alt.Y("variant:N", sort=list(frame["variant"]), title=None, axis=axis)


def answers_chart(frame: pd.DataFrame, *, image: str, seed: int) -> alt.LayerChart:
    """What the variants say of one image: margins on one scale, the answer in words beside them.

    `frame` holds the rows of one image in `core.analysis.predict.answers_frame`; `image` is what
    its file is called.
    """
    words = frame.assign(
        words=[
            f"{row['predicted_name']}, {format_percent(row['probability'])}; then "
            f"{row['runner_up_name']}, {format_percent(row['runner_up_probability'])}"
            for row in frame.to_dict("records")
        ]
    ).drop(columns="probabilities")
    end = (1 + ROOM_FOR_WORDS) * max(float(frame["margin"].max()), 1e-3)
    x = alt.X(
        "margin:Q",
        title=f"{MARGIN_TITLE}, of what it says over the runner-up",
        scale=alt.Scale(domain=[0, end], nice=False),
        axis=alt.Axis(tickCount=6, grid=False),
    )
    base = alt.Chart(words).encode(x=x, y=_rows(frame))
    color = alt.Color("variant:N", scale=variant_color_scale(), legend=None)
    layers = [
        base.mark_bar(cornerRadius=2, height=14).encode(color=color),
        base.mark_text(align="left", dx=8, fontWeight="bold", color=INK).encode(
            text=alt.Text("words:N")
        ),
    ]
    chart = alt.LayerChart(layer=layers).properties(
        height=ROW_HEIGHT * len(frame) + FRAME_HEIGHT, padding=PADDING
    )
    return titled(chart, f"What each variant says of {image}, {networks(seed)}", ANSWERS_LEGEND)


def accuracy_chart(frame: pd.DataFrame, *, seed: int) -> alt.LayerChart:
    """Accuracy on the labelled images with its 95 % interval, one row per variant.

    `frame` is `core.analysis.predict.accuracy_frame`.
    """
    shown = frame.assign(right=frame["num_images"] - frame["errors"])
    scale = alt.Scale(domain=[0, 100], nice=False, padding=8)  # a point at 0 leaves the names free
    axis = alt.Axis(tickCount=5, labelFlush=False)
    color = alt.Color("variant:N", scale=variant_color_scale(), legend=None)
    base = alt.Chart(shown).encode(
        y=_rows(frame),
        color=color,
        tooltip=[
            alt.Tooltip("label:N", title="Variant"),
            alt.Tooltip("right:Q", title="Right"),
            alt.Tooltip("num_images:Q", title="of"),
            alt.Tooltip("low_percent:Q", title="from %", format=".1f"),
            alt.Tooltip("high_percent:Q", title="to %", format=".1f"),
        ],
    )
    bars = base.mark_rule(strokeWidth=2.5).encode(
        x=alt.X("low_percent:Q", title=ACCURACY_TITLE, scale=scale, axis=axis),
        x2=alt.X2("high_percent:Q"),
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("accuracy_percent:Q"),
        shape=alt.Shape("variant:N", scale=variant_shape_scale(), legend=None),
    )
    chart = alt.LayerChart(layer=[bars, points]).properties(
        height=ROW_HEIGHT * len(frame) + FRAME_HEIGHT, padding=PADDING
    )
    images = labelled(int(frame["num_images"].iloc[0]))
    title = f"Right answers on {images} of a user's own, {networks(seed)}"
    return titled(chart, title, "Points: the share that is right; bars: Wilson's 95 % interval.")


def labelled(count: int) -> str:
    """Such as "12 labelled images"."""
    return f"{count:,} labelled {'image' if count == 1 else 'images'}"


def accuracy_alt(frame: pd.DataFrame) -> str:
    """The chart in words."""
    parts = [
        f"{row['label']} {row['num_images'] - row['errors']} of {row['num_images']}, "
        f"{row['low_percent']:.0f} to {row['high_percent']:.0f} %"
        for row in frame.to_dict("records")
    ]
    return f"Right answers with Wilson's 95 % interval. {'; '.join(parts)}."
