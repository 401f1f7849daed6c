"""Charts of the Inside page: DataFrame → Altair chart; no streamlit."""

from __future__ import annotations

import altair as alt
import pandas as pd

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

HEIGHT = 380
"""With legend and axis, which Streamlit takes from it."""
ROOM = 1.15
"""By which factor the log axis leaves room on both sides."""
MEASURES = {
    "weight_norm": ("Weight norm", "‖W‖₂ (no unit)"),
    "effective_learning_rate": ("Effective learning rate", "lr / ‖W‖² (no unit)"),
    "gradient_norm": ("Gradient of the weights", "‖∂L/∂W‖₂ (nats per unit of W)"),
    "activation_gradient_norm": (
        "Gradient of the activations",
        "‖∂L/∂a‖₂ (nats per unit of a)",
    ),
}
"""Title and axis title of each of `core.analysis.flow_table.MEASURES`."""
SIGMA_LEGEND = (
    "Points: the median over the layer's groups; bars: their range. Group and layer norm divide by "
    "σ of the image itself, batch norm by the stored one."
)


def flow_chart(table: pd.DataFrame, measure: str) -> alt.LayerChart:
    """One measure by layer on a log scale, a line per variant; bars: the interval over seeds.

    `table` is `core.analysis.flow_table.flow_table` at one moment.
    """
    frame = table[table["measure"] == measure]
    title, axis = MEASURES[measure]
    moment = f"{frame['when'].iloc[0]} training"
    return titled(
        _lines(frame, axis), f"{title} by layer, {moment}, {DATA_SET}", flow_legend(frame)
    )


def flow_legend(frame: pd.DataFrame) -> str:
    """Over how many seeds the points are means, and what the bars are, in words."""
    seeds = int(frame["num_seeds"].max())
    return (
        f"Geometric means over {seeds} seeds, with their 95 % interval."
        if seeds > 1
        else "One seed: there is no interval, and another seed may differ."
    )


def sigma_chart(frame: pd.DataFrame, *, about: str) -> alt.LayerChart:
    """The σ that each normalization layer divides by; bars: the range over its groups.

    `frame` has `variant, layer, value, low, high`; `about` is `ui.chart_titles.about`.
    """
    chart = _lines(frame, "σ (units of the feature maps)")
    return titled(chart, f"What each normalization layer divides by: {about}", SIGMA_LEGEND)


def _lines(frame: pd.DataFrame, y_title: str) -> alt.LayerChart:
    picked = alt.selection_point(name="legend", fields=["variant"], bind="legend")
    layers = list(dict.fromkeys(frame["layer"]))
    axis = alt.Axis(labelAngle=-45, labelOverlap=False, grid=False)
    x = alt.X("layer:N", sort=layers, title="Layer", axis=axis)
    legend = variant_legend(frame["variant"])
    color = alt.Color("variant:N", scale=variant_color_scale(), legend=legend)
    shown = alt.when(picked).then(alt.value(1)).otherwise(alt.value(0.08))
    base = alt.Chart(frame.assign(label=frame["variant"].replace(VARIANT_LABELS))).encode(
        x=x,
        color=color,
        opacity=alt.OpacityValue(**shown),
        tooltip=[
            alt.Tooltip("label:N", title="Variant"),
            alt.Tooltip("layer:N", title="Layer"),
            alt.Tooltip("value:Q", title=y_title, format=".3~g"),
            alt.Tooltip("low:Q", title="from", format=".3~g"),
            alt.Tooltip("high:Q", title="to", format=".3~g"),
        ],
    )
    ends = frame[["value", "low", "high"]]
    domain = [float(ends.min().min()) / ROOM, float(ends.max().max()) * ROOM]
    scale = alt.Scale(type="log", domain=domain, nice=False)
    y = alt.Y("value:Q", title=y_title, scale=scale, axis=alt.Axis(tickCount=10, format="~g"))
    shape = alt.Shape("variant:N", scale=variant_shape_scale(), legend=legend)
    bars = base.transform_filter("isValid(datum.low) && datum.high > datum.low")
    drawn = [
        base.mark_line(strokeWidth=2).encode(y=y).add_params(picked),
        bars.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q")),
        base.mark_point(filled=True, size=55).encode(y=y, shape=shape),
    ]
    return alt.LayerChart(layer=drawn).properties(
        height=HEIGHT + legend_room(frame["variant"]), padding=PADDING
    )


def lines_alt(frame: pd.DataFrame, title: str) -> str:
    """A chart in words: the first and the last layer of each variant."""
    parts = []
    for key, group in frame.groupby("variant", sort=False):
        first, last = group.iloc[0], group.iloc[-1]
        name = VARIANT_LABELS.get(str(key), str(key))
        parts.append(
            f"{name} {first['value']:.3g} in {first['layer']}, {last['value']:.3g} in "
            f"{last['layer']}"
        )
    return f"{title} by layer: {'; '.join(parts)}."
