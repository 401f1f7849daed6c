"""Failures by normalization: effects as a forest chart, small changes as a table; no streamlit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape

import altair as alt
import pandas as pd

from core.analysis.cause_words import change_label
from core.analysis.failure_causes import ALL
from core.analysis.image_properties import PROPERTIES
from core.config import NORM_LABELS
from ui.charts import DATA_SET, PADDING, VARIANT_LABELS, legend, titled
from ui.failures_tables import RIGHT, WRONG, variant_color
from ui.palette import VARIANT_COLORS, VARIANT_SHAPES

ALL_LABEL = "Mean of all"
INK = "#7F8894"
ROW_HEIGHT = 17
GROUP_GAP = 14
FRAME_HEIGHT = 110
"""Axis, title and legend, which Streamlit fits into the height."""
EFFECT = "Log odds of failing per standard deviation"
DIFFERENCE = "Standard deviations"
LINES = "Lines: intervals that hold jointly at 95 %; full points: they exclude\u00a00."
TOGETHER = (
    "Log odds of failing per standard deviation of a property, all properties together, each image "
    "compared with its own class."
)
TITLES = {
    EFFECT: ("How properties of images make each variant fail", TOGETHER),
    DIFFERENCE: (
        "How failing images of each variant differ from the others",
        "Mean of the failing images less that of the others, one property at a time, in standard "
        "deviations within classes.",
    ),
}
"""Title of an axis → title of the exported figure, and what is drawn."""
OF_NORM = {"group": "gn", "layer": "ln", "batch": "bn_l1"}
"""The variant whose colour and shape stand for its normalization."""


def norm_forest(causes: pd.DataFrame, runs: str = "") -> alt.LayerChart:
    """What all share, and what sets each normalization apart from it, by property.

    `causes` is `FailureCauses.causes`; `runs`, here and below, says for the title of an exported
    figure which runs were compared, such as "5 seeds".
    """
    frame = causes.rename(columns={"norm": "group"})
    labels = {ALL: ALL_LABEL, **NORM_LABELS}
    keys = [key for key in (ALL, *OF_NORM) if key in set(frame["group"])]
    colors = {ALL: INK, **{norm: VARIANT_COLORS[key] for norm, key in OF_NORM.items()}}
    shapes = {ALL: "cross", **{norm: VARIANT_SHAPES[key] for norm, key in OF_NORM.items()}}
    chart = _forest(frame, keys, labels, colors, shapes, EFFECT)
    title = "What sets a normalization apart in failing"
    parts = "Grey: the mean of all normalizations; coloured: what each adds to it."
    return _titled(chart, title, runs, f"{TOGETHER} {parts}")


def _titled(chart: alt.LayerChart, title: str, runs: str, said: str) -> alt.LayerChart:
    return titled(chart, ", ".join(filter(None, (title, DATA_SET, runs))), f"{said} {LINES}")


def variant_forest(effects: pd.DataFrame, title: str = EFFECT, runs: str = "") -> alt.LayerChart:
    """Effects of each variant by property; `effects` is `FailureCauses.slopes` or `differences`.

    `title` is that of the axis, a key of `TITLES`.
    """
    frame = effects.rename(columns={"variant": "group"})
    keys = list(dict.fromkeys(frame["group"]))
    colors = {key: variant_color(key) for key in keys}
    shapes = {key: VARIANT_SHAPES.get(key, "circle") for key in keys}
    chart = _forest(frame, keys, VARIANT_LABELS, colors, shapes, title)
    heading, said = TITLES[title]
    return _titled(chart, heading, runs, said)


def _forest(
    frame: pd.DataFrame,
    keys: list[str],
    labels: Mapping[str, str],
    colors: Mapping[str, str],
    shapes: Mapping[str, str],
    title: str,
) -> alt.LayerChart:
    """Points with intervals about 0, grouped by property; full where the interval excludes 0."""
    properties = list(dict.fromkeys(frame["property"]))
    names = {key: PROPERTIES[key].label if key in PROPERTIES else key for key in properties}
    shown = frame.assign(
        name=frame["property"].map(names),
        group_label=frame["group"].map(lambda key: labels.get(key, key)),
        sure=(frame["low"] > 0) | (frame["high"] < 0),
    )
    short = {key: labels.get(key, key).replace(" norm", "") for key in keys}
    expression = f"{json.dumps(short)}[datum.value]"
    said = legend(labelExpr=expression)
    color = alt.Color(
        "group:N", scale=alt.Scale(domain=keys, range=[colors[key] for key in keys]), legend=said
    )
    shape = alt.Shape(
        "group:N", scale=alt.Scale(domain=keys, range=[shapes[key] for key in keys]), legend=said
    )
    base = alt.Chart(shown).encode(
        y=alt.Y("name:N", sort=list(names.values()), title=None, axis=alt.Axis(ticks=False)),
        yOffset=alt.YOffset("group:N", sort=keys),
        color=color,
        tooltip=[
            alt.Tooltip("group_label:N", title="Of"),
            alt.Tooltip("name:N", title="Property"),
            alt.Tooltip("effect:Q", title=title, format="+.2f"),
            alt.Tooltip("low:Q", title="from", format="+.2f"),
            alt.Tooltip("high:Q", title="to", format="+.2f"),
        ],
    )
    zero = alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=INK, strokeDash=[4, 3])
    sure = alt.when("datum.sure").then(alt.value(1)).otherwise(alt.value(0.25))
    layers = [
        zero.encode(x=alt.X("x:Q", title=title)),
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=title), x2=alt.X2("high:Q")),
        base.mark_point(size=60, strokeWidth=2, filled=True).encode(
            x=alt.X("effect:Q"), shape=shape, fillOpacity=alt.FillOpacityValue(**sure), stroke=color
        ),
    ]
    height = len(properties) * (len(keys) * ROW_HEIGHT + GROUP_GAP) + FRAME_HEIGHT
    return alt.LayerChart(layer=layers).properties(height=height, padding=PADDING)


def describe_effects(frame: pd.DataFrame, what: str) -> str:
    """A forest chart in words: which intervals exclude 0."""
    group = "norm" if "norm" in frame else "variant"
    labels = {**VARIANT_LABELS, **NORM_LABELS, ALL: ALL_LABEL}
    sure = frame[(frame["low"] > 0) | (frame["high"] < 0)]
    parts = [
        f"{labels.get(row[group], row[group])}, {row['property']} {row['effect']:+.2f} "
        f"({row['low']:+.2f} to {row['high']:+.2f})"
        for row in sure.to_dict("records")
    ]
    start = f"{what}: {len(frame)} effects with intervals"
    return (
        f"{start}; none excludes 0." if not parts else f"{start}. 0 excluded: {'; '.join(parts)}."
    )


def survey_table(frame: pd.DataFrame, variants: Mapping[str, str]) -> str:
    """Small changes and repaired layers × variants, for `ui.picker`.

    `frame` comes from `survey_table.survey_frame`. A cell holds the share of failures repaired
    less that of controls broken, in points; one whose interval lies above 0 is framed.
    """
    heads = "".join(
        f'<th scope="col" style="--accent:{variant_color(key)}">{escape(label)}</th>'
        for key, label in variants.items()
    )
    rows = []
    for _, group in frame.groupby(["kind", "name", "direction"], sort=False):
        records = {row["variant"]: row for row in group.to_dict("records")}
        label = change_label(next(iter(records.values())))
        body = "".join(_cell(records.get(key)) for key in variants)
        rows.append(f'<tr><th scope="row">{escape(label)}</th>{body}</tr>')
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Small changes and failures">'
        f'<table class="heat robustness"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(row: Mapping | None) -> str:
    if row is None:
        return '<td class="none" title="not computed">–</td>'
    effect, low, high = (100 * row[name] for name in ("effect", "low", "high"))
    said = (
        f"{100 * row['repaired']:.0f} % of failures repaired, {100 * row['broken']:.0f} % of "
        f"controls broken; difference {effect:+.0f} points ({low:+.0f} to {high:+.0f})"
    ).replace("-", "−")
    text = f"{effect:+.0f}".replace("-", "−") if round(effect) else "0"
    accent, share = RIGHT if effect >= 0 else WRONG, min(1, abs(effect) / 50)
    return (
        f'<td class="shade{" best" if row["named"] else ""}" title="{said}" '
        f'style="--accent:{accent};--share:{share:.2f}">'
        f"{text} <small>{100 * row['repaired']:.0f} / {100 * row['broken']:.0f}</small></td>"
    )
