"""Feature maps around a normalization layer as tiles; no streamlit."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from core.analysis import map_images
from ui.charts_explain import percent, signed

if TYPE_CHECKING:
    from core.analysis.inside import LayerView

COLUMNS = 4
GAP = np.uint8(150)
"""The grey between maps."""


def mosaic(maps: np.ndarray, limit: float) -> np.ndarray:
    """Maps (C, H, W) beside each other, four in a row, in colours (…, …, 3) uint8.

    White is 0, orange positive, blue negative, up to `limit`; a grey line parts the maps.
    """
    num_rows = -(-len(maps) // COLUMNS)
    height, width = maps.shape[1] + 1, maps.shape[2] + 1
    picture = np.full((num_rows * height - 1, COLUMNS * width - 1, 3), GAP, np.uint8)
    for number, one in enumerate(maps):
        y, x = number // COLUMNS * height, number % COLUMNS * width
        picture[y : y + height - 1, x : x + width - 1] = map_images.to_rgb(one, limit)
    return picture


def tile(title: str, verdict: str, view: LayerView) -> str:
    """One network's maps before and after the layer as a list item, with the figures below.

    The colours of each picture end at its own largest absolute value, which stands above it.
    """
    figures = view.figures()
    groups = int(figures["groups"])
    facts = (
        f"{groups} group{'s' if groups > 1 else ''} of values",
        f"μ {_range(figures, 'mean')}",
        f"σ {_range(figures, 'std', plain=True)}",
        f"Before {_range(figures, 'before')}",
        f"After {_range(figures, 'after')}",
        f"ReLU lets {percent(figures['passed'])} pass",
    )
    pictures = _picture(title, "Before", view.before) + _picture(title, "After", view.after)
    items = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    return (
        f"<li><figure><figcaption><b>{escape(title)}</b> <span>{escape(verdict)}</span>"
        f'</figcaption>{pictures}<ul class="facts">{items}</ul></figure></li>'
    )


def _range(figures: dict[str, float], name: str, *, plain: bool = False) -> str:
    low, high = figures[f"{name}_low"], figures[f"{name}_high"]
    words = [f"{value:.2f}" if plain else signed(value) for value in (low, high)]
    return words[0] if words[0] == words[1] else f"{words[0]} to {words[1]}"


def _picture(title: str, when: str, maps: np.ndarray) -> str:
    limit = map_images.common_limit([maps])
    data = base64.b64encode(map_images.to_png(mosaic(maps, limit))).decode()
    said = f"{len(maps)} feature maps of {title}, {when.lower()}; values "
    said += f"{signed(float(maps.min()))} to {signed(float(maps.max()))}"
    return (
        f"<p>{when}, ±{limit:.2g}</p>"
        f'<img class="mosaic" src="data:image/png;base64,{data}" alt="{escape(said)}">'
    )


def tiles(items: list[str]) -> str:
    """The tiles side by side, as many in a row as there is room."""
    return f'<ul class="maps inside">{"".join(items)}</ul>'
