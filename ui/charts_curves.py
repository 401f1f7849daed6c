"""Curves over epochs: one axis for all variants, or a panel for each. No streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ui.charts import (
    PADDING,
    VARIANT_LABELS,
    legend_room,
    variant_color_scale,
    variant_legend,
    variant_shape_scale,
)
from ui.curves_data import Curves, readout

HEIGHT = 360
PANEL_HEIGHT = 230
PUBLISHED_DASH = [5, 4]
GREY = "#8A94A0"


def curves_chart(curves: Curves, *, log: bool = False, singles: bool = False) -> alt.LayerChart:
    """All variants on one axis: mean over seeds, its interval as a band, published figures dashed.

    Pointing reads every variant at one epoch, a legend entry singles its variant out, scroll and
    drag zoom and move. `singles` draws every seed as a thin line.
    """
    picked = alt.selection_point(name="legend", fields=["variant"], bind="legend")
    layers = _curve_layers(curves, _y(curves, log), singles=singles, picked=picked)
    zoom = alt.selection_interval(name="zoom", bind="scales")
    layers[0] = layers[0].add_params(picked, zoom)
    rule = _reading_rule(curves, list(dict.fromkeys(curves.lines["variant"])))
    return alt.LayerChart(layer=[*layers, rule]).properties(
        height=HEIGHT + legend_room(curves.lines["variant"]), padding=PADDING
    )


def panel_chart(
    curves: Curves,
    variant: str,
    *,
    log: bool = False,
    singles: bool = False,
    interactive: bool = True,
) -> alt.LayerChart:
    """One variant in its colour before all others in grey, on the axis they share."""
    y = _y(curves, log, curves.domain)
    others = curves.lines[curves.lines["variant"] != variant]
    context = (
        alt.Chart(others)
        .mark_line(clip=True, strokeWidth=1, opacity=0.35, color=GREY)
        .encode(x=_x(), y=alt.Y("value:Q", **y), detail="variant:N")
    )
    layers = _curve_layers(curves.only(variant), y, singles=singles)
    rule = [_reading_rule(curves, [variant])] if interactive else []
    return alt.LayerChart(layer=[context, *layers, *rule]).properties(height=PANEL_HEIGHT)


def panels_chart(
    curves: Curves, variants: Sequence[str], *, log: bool = False, singles: bool = False
) -> alt.ConcatChart:
    """All panels as one figure three wide, for export."""
    panels = [
        panel_chart(curves, key, log=log, singles=singles, interactive=False).properties(
            width=280, title=VARIANT_LABELS.get(key, key)
        )
        for key in variants
    ]
    return alt.concat(*panels, columns=3)


def _curve_layers(
    curves: Curves, y: dict, *, singles: bool, picked: alt.Parameter | None = None
) -> list[alt.Chart]:
    """Band, single seeds, published line, mean line and its end mark, from back to front.

    Only where variants can be `picked` is there a legend.
    """

    def base(frame: pd.DataFrame, opacity: float) -> alt.Chart:
        shown: Any = alt.value(opacity)
        if picked is not None:
            shown = alt.when(picked).then(shown).otherwise(alt.value(0.06))
        value = alt.Y("value:Q", **y)
        color = alt.Color("variant:N", scale=variant_color_scale(), legend=legend)
        return alt.Chart(frame).encode(x=_x(), y=value, color=color, opacity=shown)

    legend = variant_legend(curves.lines["variant"]) if picked is not None else None
    last = curves.lines.loc[curves.lines.groupby("variant")["epoch"].idxmax()]
    shape = alt.Shape("variant:N", scale=variant_shape_scale(), legend=legend)
    layers = []
    if (curves.lines["high"] > curves.lines["low"]).any():
        band = base(curves.lines, 0.16).encode(y=alt.Y("low:Q", **y), y2="high:Q")
        layers.append(band.mark_area(clip=True))
    if singles:
        each = base(curves.singles, 0.5).encode(detail="seed:N")
        layers.append(each.mark_line(clip=True, strokeWidth=0.8))
    if not curves.published.empty:
        theirs = base(curves.published, 0.9)
        layers.append(theirs.mark_line(clip=True, strokeWidth=1.5, strokeDash=PUBLISHED_DASH))
    layers.append(base(curves.lines, 1).mark_line(clip=True, strokeWidth=2.2))
    layers.append(base(last, 1).encode(shape=shape).mark_point(clip=True, filled=True, size=70))
    return layers


def _reading_rule(curves: Curves, variants: Sequence[str]) -> alt.Chart:
    """A line at the epoch nearest to the pointer, whose tooltip reads every curve there."""
    frame = readout(curves, VARIANT_LABELS, variants)
    pointed = alt.selection_point(
        name="pointed",
        fields=["epoch"],
        nearest=True,
        on="pointerover",
        clear="pointerout",
        empty=False,
    )
    names = [name for name in frame.columns if name != "epoch"]
    return (
        alt.Chart(frame)
        .mark_rule(strokeWidth=1.5, color=GREY)
        .encode(
            x=_x(),
            opacity=alt.when(pointed).then(alt.value(0.9)).otherwise(alt.value(0)),
            tooltip=[
                alt.Tooltip("epoch:Q", title="Epoch"),
                *(alt.Tooltip(f"{name}:Q", format=".4~f") for name in names),
            ],
        )
        .add_params(pointed)
    )


def _x() -> alt.X:
    axis = alt.Axis(tickMinStep=1, format="d", grid=False, titlePadding=8)
    return alt.X(
        "epoch:Q", title="Epoch", axis=axis, scale=alt.Scale(zero=False, nice=False, padding=8)
    )


def _y(curves: Curves, log: bool, domain: tuple[float, float] | None = None) -> dict[str, Any]:
    """Title and scale that all layers share."""
    options: dict[str, Any] = {"type": "log"} if log else {"type": "linear", "zero": False}
    if domain:
        options |= {"domain": list(domain), "nice": True}  # or end marks are cut in half
    return {"title": curves.quantity.axis_title, "scale": alt.Scale(**options)}


def describe(curves: Curves) -> str:
    """The chart in words: where each variant ends."""
    ends: pd.DataFrame = curves.lines.loc[curves.lines.groupby("variant")["epoch"].idxmax()]
    parts = [
        f"{VARIANT_LABELS.get(row['variant'], row['variant'])} {row['value']:.4g}"
        for row in ends.to_dict("records")
    ]
    return f"{curves.quantity.axis_title} over epochs. Last shown epoch: {'; '.join(parts)}."
