"""Charts of the Explain page: DataFrame → Altair chart; no streamlit."""

from __future__ import annotations

import math
from collections.abc import Mapping

import altair as alt
import pandas as pd

from ui.charts import PADDING, legend, titled, variant_color_scale, variant_label_expression
from ui.failures_tables import RIGHT, WRONG
from ui.images import format_percent, mark

ROW_HEIGHT = 30
FRAME_HEIGHT = 44
"""Axis and title, which Streamlit fits into the height."""
INK = "#7F8894"
"""A grey that is readable on both backgrounds."""
MARGIN_TITLE = "Margin (logits)"
ROOM_FOR_WORDS = 0.62
"""Room right of the longest bar for what a variant says, as a share of the bars' range."""
MARGIN = (
    "Margin: the logit of the true label less the largest other. Left of 0, in orange and with a "
    "cross, the variant is wrong. What it says stands beside the bar, with its probability."
)
MARGIN_UNKNOWN = (
    "Margin: the logit of what the variant says less the largest other. What it says stands beside "
    "the bar, with its probability; whether it is right is not known."
)


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, as people write it: "−0.25"."""
    return f"{value:+.{digits}f}".replace("-", "−")


def percent(share: float) -> str:
    """A share in whole percent: "25 %"."""
    return f"{100 * share:.0f} %"


def margin_chart(frame: pd.DataFrame, *, about: str) -> alt.LayerChart:
    """Margins of the variants on one scale, with what each says in words and percent.

    `frame` is `ui.explain_data.verdicts`. A wrong variant's bar leaves the zero line to the left,
    is orange and carries a cross, so three cues say it. Where the truth is not known, the bars have
    the variants' colours. `about`, here and below, is `ui.chart_titles.about`.
    """
    low, high = min(0.0, frame["margin"].min()), max(0.0, frame["margin"].max())
    span = (high - low) or 1.0
    words = frame.assign(
        words=[
            f"{mark(name, right)}, {format_percent(share)}"
            for right, name, share in zip(
                frame["right"], frame["predicted"], frame["probability"], strict=True
            )
        ],
        at=frame["margin"].clip(lower=0),
        verdict=frame["right"].map({True: "right", False: "wrong"}),
    )
    domain = [low - 0.04 * span, high + ROOM_FOR_WORDS * span]
    axis = alt.Axis(labelExpr=variant_label_expression(), labelLimit=180, ticks=False, domain=False)
    y = alt.Y("variant:N", sort=list(frame["variant"]), title=None, axis=axis)
    scale = alt.Scale(domain=domain, nice=False)
    x = alt.X("margin:Q", title=MARGIN_TITLE, scale=scale, axis=alt.Axis(tickCount=6, grid=False))
    tooltip = [
        alt.Tooltip("label:N", title="Variant"),
        alt.Tooltip("predicted:N", title="Says"),
        alt.Tooltip("probability:Q", title="with probability", format=".2%"),
        alt.Tooltip("margin:Q", title="Margin in logits", format="+.3f"),
    ]
    color = alt.Color("variant:N", scale=variant_color_scale(), legend=None)
    known = bool(frame["right"].notna().all())
    if known:
        share = alt.Tooltip("true_probability:Q", title="True label's probability", format=".2%")
        tooltip.insert(3, share)
        colors = alt.Scale(domain=["right", "wrong"], range=[RIGHT, WRONG])
        color = alt.Color("verdict:N", scale=colors, legend=None)
    base = alt.Chart(words).encode(y=y, tooltip=tooltip)
    bars = base.mark_bar(cornerRadius=2, height=14).encode(x=x, x2=alt.X2Datum(0), color=color)
    texts = base.mark_text(align="left", dx=8, fontSize=13, fontWeight="bold", color=INK)
    layers = [bars, _zero(), texts.encode(x=alt.X("at:Q", scale=scale), text=alt.Text("words:N"))]
    chart = alt.LayerChart(layer=layers, height=_rows_height(frame), padding=PADDING)
    said = MARGIN if known else MARGIN_UNKNOWN
    return titled(chart, f"Margin of each variant on {about}", said)


def _rows_height(frame: pd.DataFrame) -> int:
    return ROW_HEIGHT * len(frame) + FRAME_HEIGHT


def margin_alt(frame: pd.DataFrame) -> str:
    """The chart in words."""
    parts = [
        f"{row['label']} {_verdict(row)}, {signed(row['margin'])}"
        for row in frame.to_dict("records")
    ]
    return f"{MARGIN_TITLE}. {'; '.join(parts)}."


def _verdict(row: Mapping) -> str:
    if row["right"] is None:
        return f"says {row['predicted']}"
    return "right" if row["right"] else "wrong"


BANDS = {
    "control": "equally close correct images",
    "donor": "arbitrary changes of its statistics",
}
PARTS = {
    "reference": ("reference", "#8A94A0"),
    "content": ("own map", "#0072B2"),
    "rescaling": ("rescaling", "#D55E00"),
}
LAYER_HEIGHT = 34
LAYERS_LEGEND = (
    "φ: how much of the margin repairing the layer, which gives it other statistics, takes away: "
    "its Shapley value over all sets of repaired layers. Grey: φ of {controls} correct test images "
    "about as close to the boundary (thick), and φ where this image's own statistics change as "
    "{donors} training images differ (thin); by chance any layer leaves them in 5 % of images at "
    "most. Full: the layer is named, as its φ exceeds both."
)
CHANNELS_LEGEND = (
    "Bars: what a channel gives on reference images, what its own map adds, and what the other "
    "channels of its group add by rescaling it. Dots: their sum. All dots and the bias add up to "
    "the margin."
)
SHARES_LEGEND = (
    "Group and layer norm compute mean and deviation from the image, so a pixel also acts through "
    "them; batch norm uses stored ones."
)


def layers_chart(
    frame: pd.DataFrame, color: str, *, label: str, about: str, controls: int, donors: int
) -> alt.LayerChart:
    """D1: each layer's φ as a bar over the two bands that chance leaves in 5 % of images at most.

    `frame` is `Diagnosis.layers_frame`; bounds that are not finite are not drawn. A layer that is
    named has a full bar and says so. `label` is what the variant is called, here and below;
    `controls` and `donors` say how many images the bands come from.
    """
    shown = frame.assign(
        words=[
            " · ".join(word for word, is_so in (("named", n), ("flips it", f)) if is_so)
            for n, f in zip(frame["named"], frame["flips"], strict=True)
        ],
        at=frame[["phi", "control_band", "donor_band"]].replace(math.inf, 0).max(axis=1).clip(0),
    ).replace([math.inf, -math.inf], math.nan)
    y = alt.Y("layer:O", title="Layer", axis=alt.Axis(ticks=False, domain=False))
    base = alt.Chart(shown).encode(
        y=y,
        tooltip=[
            alt.Tooltip("layer:O", title="Layer"),
            alt.Tooltip("phi:Q", title="φ (logits)", format="+.3f"),
            *(
                alt.Tooltip(f"{band}_{side}:Q", title=f"{words}, {end}", format="+.3f")
                for band, words in BANDS.items()
                for side, end in (("low", "from"), ("band", "to"))
            ),
            alt.Tooltip("flips:N", title="Repair flips the prediction"),
        ],
    )
    named = alt.when("datum.named").then(alt.value(1)).otherwise(alt.value(0.35))
    x = alt.X("phi:Q", title="φ (logits)", axis=alt.Axis(grid=False))
    layers = [
        _band(base, "control", height=26, opacity=0.2),
        _band(base, "donor", height=14, opacity=0.3),
        base.mark_bar(height=7, stroke=color, strokeWidth=1.5).encode(
            x=x,
            color=alt.ColorValue(color),
            fillOpacity=alt.FillOpacityValue(**named),
        ),
        _zero(),
        base.mark_text(align="left", dx=8, color=INK, fontWeight="bold").encode(
            x=alt.X("at:Q"), text=alt.Text("words:N")
        ),
    ]
    chart = alt.LayerChart(layer=layers, padding=PADDING)
    chart = chart.properties(height=LAYER_HEIGHT * len(frame) + FRAME_HEIGHT)
    said = LAYERS_LEGEND.format(controls=controls, donors=donors)
    return titled(chart, f"φ of each normalization layer of {label} on {about}", said)


def _band(base: alt.Chart, band: str, *, height: int, opacity: float) -> alt.Chart:
    return base.mark_bar(height=height, color=INK, opacity=opacity, cornerRadius=2).encode(
        x=alt.X(f"{band}_low:Q"), x2=alt.X2(f"{band}_band:Q")
    )


def _zero() -> alt.Chart:
    return alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(color=INK).encode(x=alt.X("x:Q"))


def layers_alt(frame: pd.DataFrame) -> str:
    """The chart in words."""
    parts = [
        f"layer {row['layer']} {signed(row['phi'])}{', named' if row['named'] else ''}"
        for row in frame.to_dict("records")
    ]
    said = (
        "Shapley value φ of each layer, how much of the margin repairing it takes away, in logits"
    )
    return f"{said}: {'; '.join(parts)}."


def channels_chart(frame: pd.DataFrame, *, label: str, about: str) -> alt.LayerChart:
    """D2: each channel's part of the margin, stacked from its three parts; the dot is their sum.

    `frame` is `Diagnosis.channels_frame`.
    """
    long = frame.melt(["channel", "total"], list(PARTS), var_name="part", value_name="value")
    long["part"] = long["part"].map({key: words for key, (words, _) in PARTS.items()})
    long["rank"] = long["part"].map({words: n for n, (words, _) in enumerate(PARTS.values())})
    x = alt.X("channel:O", title="Channel", axis=alt.Axis(labelAngle=0, ticks=False))
    scale = alt.Scale(domain=[p for p, _ in PARTS.values()], range=[c for _, c in PARTS.values()])
    bars = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            x=x,
            y=alt.Y("value:Q", title="Part of the margin (logits)"),
            color=alt.Color("part:N", scale=scale, legend=legend()),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("channel:O", title="Channel"),
                alt.Tooltip("part:N", title="Part"),
                alt.Tooltip("value:Q", title="Logits", format="+.3f"),
                alt.Tooltip("total:Q", title="Sum of the channel", format="+.3f"),
            ],
        )
    )
    sums = alt.Chart(frame).mark_point(filled=True, size=46, color="white", stroke="#1B2430")
    dots = sums.encode(
        x=x, y=alt.Y("total:Q"), tooltip=[alt.Tooltip("channel:O"), alt.Tooltip("total:Q")]
    )
    chart = alt.LayerChart(layer=[bars, dots], height=280, padding=PADDING)
    title = f"Part of each channel of {label} in the margin on {about}"
    return titled(chart, title, CHANNELS_LEGEND)


def channels_alt(frame: pd.DataFrame) -> str:
    """The chart in words: the channels that count most."""
    largest = frame.reindex(frame["total"].abs().sort_values(ascending=False).index).head(3)
    parts = [
        f"channel {int(row['channel'])} {signed(row['total'])}, of which rescaling "
        f"{signed(row['rescaling'])}"
        for row in largest.to_dict("records")
    ]
    return f"Part of each channel in the margin, in logits. Largest: {'; '.join(parts)}."


def shares_chart(frame: pd.DataFrame, *, about: str) -> alt.LayerChart:
    """The share of the gradient that flows through the statistics; `frame` has `variant, share`."""
    axis = alt.Axis(labelExpr=variant_label_expression(), labelLimit=180, ticks=False, domain=False)
    base = alt.Chart(frame.assign(words=frame["share"].map(percent))).encode(
        y=alt.Y("variant:N", sort=list(frame["variant"]), title=None, axis=axis)
    )
    x = alt.X(
        "share:Q",
        title="Share of the gradient",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(labelExpr="format(100 * datum.value, 'd') + ' %'", tickCount=5),
    )
    color = alt.Color("variant:N", scale=variant_color_scale(), legend=None)
    bars = base.mark_bar(height=14, cornerRadius=2).encode(x=x, color=color)
    texts = base.mark_text(align="left", dx=6, color=INK, fontWeight="bold")
    layers = [bars, texts.encode(x=x, text=alt.Text("words:N"))]
    chart = alt.LayerChart(layer=layers, height=_rows_height(frame), padding=PADDING)
    title = f"Share of the gradient that flows through the statistics, {about}"
    return titled(chart, title, SHARES_LEGEND)
