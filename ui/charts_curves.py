"""Curves over epochs: one axis for all variants, or a panel for each. No streamlit.

A chart on the page is a specification without figures, made once per `Look`, and its named tables.
While a run is being trained only the tables change, so the browser keeps the drawing, its zoom and
its legend. An exported chart carries its figures inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
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
from ui.palette import VARIANT_COLORS, VARIANT_SHAPES

HEIGHT = 360
PANEL_HEIGHT = 230
LOG_LABEL = "test(regexp('^[0.]*[89]0*$'), datum.label) ? '' : datum.label"
"""Without 8 and 9, for which Vega would leave out the 10 that follows where they are close."""
LOG_PADDING = 8
"""In pixels, so that end marks are whole."""
PUBLISHED_DASH = [5, 4]
GREY = "#8A94A0"
ZOOM = "zoom"
ZOOM_EVENT = "wheel![event.ctrlKey || event.metaKey]"
"""The wheel alone scrolls the page; two fingers on a touchpad are a wheel with Ctrl."""
DRAG = "[pointerdown[event.pointerType === 'mouse'], window:pointerup] > window:pointermove!"
"""A finger scrolls the page."""
TABLES = ("lines", "ends", "singles", "published", "others", "bounds", "readout")
Data = Mapping[str, Any]
"""What the layers draw: a table, or its mere name, for each of `TABLES`."""
BY_NAME: Data = {name: alt.NamedData(name) for name in TABLES}


@dataclass(frozen=True)
class Look:
    """All that makes a chart but its figures.

    `panel` is the variant of a panel, None where all share one axis; `readings` are the titles of
    what the reading rule tells, none where there is no rule; `labels`, `colors` and `shapes` are
    those of the `variants`.
    """

    title: str
    epochs: tuple[int, int]
    variants: tuple[str, ...]
    labels: tuple[str, ...]
    colors: tuple[str, ...]
    shapes: tuple[str, ...]
    readings: tuple[str, ...]
    panel: str | None = None
    log: bool = False
    singles: bool = False
    band: bool = False
    published: bool = False


def curves_spec(curves: Curves, *, log: bool = False, singles: bool = False) -> dict[str, Any]:
    """`curves_chart` for `st.vega_lite_chart`."""
    look, tables = _look(curves, log, singles), _tables(curves)
    return _with_tables(look, tables)


def panel_spec(
    curves: Curves, variant: str, *, log: bool = False, singles: bool = False
) -> dict[str, Any]:
    """One panel of `panels_chart`, with a reading rule, for `st.vega_lite_chart`."""
    look, tables = _look(curves, log, singles, variant), _tables(curves, variant)
    return _with_tables(look, tables)


def curves_chart(curves: Curves, *, log: bool = False, singles: bool = False) -> alt.LayerChart:
    """All variants on one axis: mean over seeds, its interval as a band, published figures dashed.

    Pointing reads every variant at one epoch, a legend entry singles its variant out, the wheel
    with Ctrl and dragging zoom and move. `singles` draws every seed as a thin line.
    """
    return _one_axis(_look(curves, log, singles), _tables(curves))


def panels_chart(
    curves: Curves, variants: Sequence[str], *, log: bool = False, singles: bool = False
) -> alt.ConcatChart:
    """A panel for each variant, three wide, for export: it in its colour before all others in grey,
    on the axis they share.
    """
    panels = [
        _panel(_look(curves, log, singles, key), _tables(curves, key), reads=False).properties(
            width=280, title=VARIANT_LABELS.get(key, key)
        )
        for key in variants
    ]
    return alt.concat(*panels, columns=3)


def _look(curves: Curves, log: bool, singles: bool, panel: str | None = None) -> Look:
    shown = curves if panel is None else curves.only(panel)
    variants = _variants(curves)
    return Look(
        title=curves.quantity.axis_title,
        epochs=curves.epochs,
        variants=tuple(variants),
        labels=tuple(VARIANT_LABELS.get(key, key) for key in variants),
        colors=tuple(VARIANT_COLORS[key] for key in variants),
        shapes=tuple(VARIANT_SHAPES[key] for key in variants),
        readings=tuple(readout(shown, VARIANT_LABELS, variants).columns[1:]),
        panel=panel,
        log=log,
        singles=singles,
        band=bool((shown.lines["high"] > shown.lines["low"]).any()),
        published=not shown.published.empty,
    )


def _variants(curves: Curves) -> list[str]:
    return list(dict.fromkeys(curves.lines["variant"]))


def _tables(curves: Curves, panel: str | None = None) -> dict[str, pd.DataFrame]:
    """The figures of a chart, by the names in `TABLES`."""
    shown = curves if panel is None else curves.only(panel)
    return {
        "lines": shown.lines,
        "ends": shown.lines.loc[shown.lines.groupby("variant")["epoch"].idxmax()],
        "singles": shown.singles,
        "published": shown.published,
        "others": curves.lines[curves.lines["variant"] != panel],
        "bounds": pd.DataFrame({"value": curves.domain}),
        "readout": _readings(readout(shown, VARIANT_LABELS, _variants(curves))),
    }


def _readings(frame: pd.DataFrame) -> pd.DataFrame:
    """Figures as texts. A title as the name of a column could be taken for a path: "λ 0.0001"."""
    texts = {
        _reading(number): ["–" if pd.isna(value) else f"{value:.4g}" for value in frame[name]]
        for number, name in enumerate(frame.columns[1:])
    }
    return pd.DataFrame({"epoch": frame["epoch"], **texts})


def _reading(number: int) -> str:
    return f"reading{number}"


def _with_tables(look: Look, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    spec = _spec(look)
    drawn = dict.fromkeys(layer["data"]["name"] for layer in spec["layer"])
    return {**spec, "datasets": {name: tables[name] for name in drawn}}


@lru_cache(maxsize=256)
def _spec(look: Look) -> dict[str, Any]:
    """Making one takes 0.2 s. Shared: read it, never change it."""
    if look.panel is None:
        return _one_axis(look, BY_NAME).to_dict()
    return _panel(look, BY_NAME).properties(padding=PADDING).to_dict()


def _one_axis(look: Look, data: Data) -> alt.LayerChart:
    picked = alt.selection_point(name="legend", fields=["variant"], bind="legend")
    zoom = alt.selection_interval(name=ZOOM, bind="scales", zoom=ZOOM_EVENT, translate=DRAG)
    layers = _curve_layers(look, data, _y(look), picked=picked)
    layers[0] = layers[0].add_params(picked, zoom)
    chart = alt.LayerChart(layer=[*layers, _reading_rule(look, data)])
    return chart.properties(height=HEIGHT + legend_room(look.variants), padding=PADDING)


def _panel(look: Look, data: Data, *, reads: bool = True) -> alt.LayerChart:
    y = _y(look, nice=True)  # or end marks are cut in half
    context = (
        alt.Chart(data["others"])
        .mark_line(clip=True, strokeWidth=1, opacity=0.35, color=GREY)
        .encode(x=_x(look), y=alt.Y("value:Q", **y), detail=alt.Detail("variant:N"))
    )
    # Nothing to see: it gives every panel the same axis, also while the figures grow.
    bounds = alt.Chart(data["bounds"]).mark_point(opacity=0, aria=False)
    layers = [bounds.encode(y=alt.Y("value:Q", **y)), context, *_curve_layers(look, data, y)]
    rule = [_reading_rule(look, data)] if reads else []
    return alt.LayerChart(layer=[*layers, *rule]).properties(height=PANEL_HEIGHT)


def _curve_layers(
    look: Look, data: Data, y: dict, *, picked: alt.Parameter | None = None
) -> list[alt.Chart]:
    """Band, single seeds, published line, mean line and its end mark, from back to front.

    Only where variants can be `picked` is there a legend.
    """

    def base(table: str, opacity: float) -> alt.Chart:
        shown = alt.OpacityValue(opacity)
        if picked is not None:
            singled = alt.when(picked).then(alt.value(opacity)).otherwise(alt.value(0.06))
            shown = alt.OpacityValue(**singled)
        value = alt.Y("value:Q", **y)
        color = alt.Color("variant:N", scale=variant_color_scale(), legend=legend)
        return alt.Chart(data[table]).encode(x=_x(look), y=value, color=color, opacity=shown)

    legend = variant_legend(look.variants) if picked is not None else None
    shape = alt.Shape("variant:N", scale=variant_shape_scale(), legend=legend)
    layers = []
    if look.band:
        band = base("lines", 0.16).encode(y=alt.Y("low:Q", **y), y2=alt.Y2("high:Q"))
        layers.append(band.mark_area(clip=True))
    if look.singles:
        each = base("singles", 0.5).encode(detail=alt.Detail("seed:N"))
        layers.append(each.mark_line(clip=True, strokeWidth=0.8))
    if look.published:
        theirs = base("published", 0.9)
        layers.append(theirs.mark_line(clip=True, strokeWidth=1.5, strokeDash=PUBLISHED_DASH))
    layers.append(base("lines", 1).mark_line(clip=True, strokeWidth=2.2))
    layers.append(base("ends", 1).encode(shape=shape).mark_point(clip=True, filled=True, size=70))
    return layers


def _reading_rule(look: Look, data: Data) -> alt.Chart:
    """A line at the epoch nearest to the pointer, whose tooltip reads every curve there."""
    pointed = alt.selection_point(
        name="pointed",
        fields=["epoch"],
        nearest=True,
        on="pointerover",
        clear="pointerout",
        empty=False,
    )
    texts = [
        alt.Tooltip(f"{_reading(number)}:N", title=title)
        for number, title in enumerate(look.readings)
    ]
    seen = alt.when(pointed).then(alt.value(0.9)).otherwise(alt.value(0))
    return (
        alt.Chart(data["readout"])
        .mark_rule(strokeWidth=1.5, color=GREY)
        .encode(
            x=_x(look),
            opacity=alt.OpacityValue(**seen),
            tooltip=[alt.Tooltip("epoch:Q", title="Epoch"), *texts],
        )
        .add_params(pointed)
    )


def _x(look: Look) -> alt.X:
    """All epochs that are shown or planned, so that the axis stands still while a run grows."""
    axis = alt.Axis(tickMinStep=1, format="d", grid=False, titlePadding=8)
    first, last = look.epochs
    fixed: dict[str, Any] = {"domain": [first, last]} if first < last else {}
    scale = alt.Scale(zero=False, nice=False, padding=8, **fixed)
    return alt.X("epoch:Q", title="Epoch", axis=axis, scale=scale)


def _y(look: Look, **options: Any) -> dict[str, Any]:
    """Title and scale that all layers share."""
    if look.log:  # nice would add up to two decades without a curve
        scale = alt.Scale(type="log", nice=False, padding=LOG_PADDING)
        axis = alt.Axis(labelExpr=LOG_LABEL, labelOverlap="greedy")
        return {"title": look.title, "scale": scale, "axis": axis}
    return {"title": look.title, "scale": alt.Scale(type="linear", zero=False, **options)}


def describe(curves: Curves) -> str:
    """The chart in words: where each variant ends."""
    ends: pd.DataFrame = curves.lines.loc[curves.lines.groupby("variant")["epoch"].idxmax()]
    parts = [
        f"{VARIANT_LABELS.get(row['variant'], row['variant'])} {row['value']:.4g}"
        for row in ends.to_dict("records")
    ]
    return f"{curves.quantity.axis_title} over epochs. Last shown epoch: {'; '.join(parts)}."
