"""What all charts share: scales per variant, and export to PNG and SVG. No streamlit.

Charts are pure: a DataFrame goes in, an Altair chart comes out. Encodings are given as channels,
such as `alt.Y2("high:Q")`: for a bare string or condition Altair looks through all its classes,
4 ms each time. In the browser Streamlit's theme colours the background and the text; exported
figures get their own light palette here.
"""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterable
from typing import Any, TypeVar

import altair as alt
from altair.utils import schemapi

from core.config import VARIANT_LABELS as VARIANT_LABELS
from core.config import VARIANTS
from ui.palette import VARIANT_COLORS, VARIANT_SHAPES

# A chart is checked as a whole when it is drawn; checking each of its parts as well when it is made
# took two thirds of the time that making charts takes.
schemapi.disable_debug_mode()

PNG_SCALE = 2
LEGEND: dict[str, Any] = {
    "orient": "top",
    "columnPadding": 8,
    "rowPadding": 4,
    "offset": 4,
    "padding": 0,
    "labelFontSize": 11,
    "labelLimit": 130,  # pixels; what is longer ends in dots
    "symbolOpacity": 1,
}
SHORT_LABEL = 24
"""Letters of a name of which three fit beside each other on a phone."""
INK, INK_ON_DARK = "#4A5563", "#B4BECA"
"""Of numbers in a chart: no grey has a contrast of 4.5 on both backgrounds."""
PADDING = {"left": 4, "top": 4, "right": 8, "bottom": 4}
"""In pixels; Streamlit's own leaves a gap below every chart."""
EXPORT_CONFIG: dict[str, Any] = {
    "background": "#FFFFFF",
    "font": "sans-serif",
    "padding": 12,
    "axis": {"labelColor": "#3B4654", "titleColor": "#1B2430", "gridColor": "#E3E8EE"},
    "legend": {"labelColor": "#1B2430", "titleColor": "#1B2430"},
    "title": {"color": "#1B2430", "subtitleColor": "#3B4654"},
    "view": {"stroke": None, "continuousWidth": 560, "discreteWidth": {"step": 64}},
}
DATA_SET = "{data set}"
"""In the title of an exported figure: the data set it was drawn from."""
TITLE_LETTERS, LINE_LETTERS = 75, 100
"""After which a title and the lines below it are broken."""
T = TypeVar("T", bound=alt.TopLevelMixin)


def variant_color_scale() -> alt.Scale:
    """Variant key → colour."""
    return alt.Scale(domain=list(VARIANT_COLORS), range=list(VARIANT_COLORS.values()))


def variant_shape_scale() -> alt.Scale:
    """Variant key → point shape."""
    return alt.Scale(domain=list(VARIANT_SHAPES), range=list(VARIANT_SHAPES.values()))


def variant_label_expression(*, short: bool = False) -> str:
    """A Vega expression that turns a variant key into its label, for axes and legends.

    `short` leaves out the word "norm", for narrow axes. What stands in brackets is a second line.
    """
    labels = {key: _lines(text, short) for key, text in VARIANT_LABELS.copy().items()}
    return f"{json.dumps(labels)}[datum.value] || datum.value"


def _lines(label: str, short: bool) -> str | list[str]:
    name, bracket, rest = label.partition(" (")
    name = name.replace(" norm", "") if short else name
    return [name, rest.removesuffix(")")] if bracket else name


def legend(**more: Any) -> alt.Legend:
    """A legend above the chart, for charts of 288 pixels too.

    Vega does not break a line that is too long for the chart, and does not follow a number of
    columns that depends on the width when a window changes.
    """
    return alt.Legend(title=None, columns=2, **{**LEGEND, **more})


def variant_legend(shown: Iterable[str] = VARIANTS, *, offset: int = 4) -> alt.Legend:
    """A legend of the variants `shown` above the chart, `offset` pixels from it, for a phone too.

    Two long names fit beside each other, with their end cut off where they must.
    """
    asked = set(shown)
    keys = [key for key in list(VARIANT_COLORS) if key in asked]
    return alt.Legend(
        title=None,
        values=keys,
        columns=2 if _has_long(keys) else 3,
        labelExpr=variant_label_expression(short=True),
        **{**LEGEND, "offset": offset},
    )


def legend_room(shown: Iterable[str]) -> int:
    """By how many pixels a chart must grow so that more than two rows of legend fit above it."""
    keys = set(shown)
    columns, height = (2, 30) if _has_long(keys) else (3, 18)
    return max(0, math.ceil(len(keys) / columns) - 2) * height


def _has_long(keys: Iterable[str]) -> bool:
    return any(len(VARIANT_LABELS.get(key, key)) > SHORT_LABEL for key in keys)


def titled(chart: T, title: str, *lines: str) -> T:
    """`chart` with what its exported files say above it; on the page its surroundings do."""
    return chart.properties(usermeta={"title": title, "lines": lines})


def to_png(chart: alt.TopLevelMixin, data_set: str = "") -> bytes:
    """`chart` as a PNG on white, two pixels per unit; `data_set` is named in its title."""
    import vl_convert

    return vl_convert.vegalite_to_png(_spec(chart, data_set), scale=PNG_SCALE)


def to_svg(chart: alt.TopLevelMixin, data_set: str = "") -> bytes:
    """`chart` as an SVG on white; `data_set` is named in its title."""
    import vl_convert

    return vl_convert.vegalite_to_svg(_spec(chart, data_set)).encode()


def _spec(chart: alt.TopLevelMixin, data_set: str) -> dict[str, Any]:
    spec = chart.to_dict()
    spec.pop("padding", None)  # that of the page
    _lift_limits({**spec, "datasets": {}})
    config = spec.get("config", {})
    view = {**config.get("view", {}), **EXPORT_CONFIG["view"]}  # Altair has a view of its own
    spec["config"] = {**EXPORT_CONFIG, **config, "view": view}
    if said := spec.pop("usermeta", None):
        title = said["title"].replace(DATA_SET, data_set)
        lines = [part for line in said["lines"] for part in _wrapped(line, LINE_LETTERS)]
        spec["title"] = {
            "text": _wrapped(title, TITLE_LETTERS),
            "subtitle": lines,
            "anchor": "start",
            "offset": 12,
            "subtitlePadding": 5,
        }
    return spec


def _lift_limits(part: Any) -> None:
    """Writes labels out of which a narrow page shows the beginning; a file grows with them."""
    if isinstance(part, dict):
        part |= {"labelLimit": 0} if "labelLimit" in part else {}
        part = list(part.values())
    for inner in part if isinstance(part, list) else []:
        _lift_limits(inner)


def _wrapped(text: str, letters: int) -> list[str]:
    return textwrap.wrap(text, letters, break_on_hyphens=False)
