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


def limit_of(maps: np.ndarray) -> float:
    """The largest absolute value, at which a colour scale ends."""
    return float(np.abs(maps).max())


def tile(title: str, verdict: str, view: LayerView, after_limit: float) -> str:
    """One network's maps before and after the layer as a list item, with the figures below.

    Before, the colours end at the network's own largest value; after, at `after_limit`.
    """
    before_limit = limit_of(view.before)
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
    pictures = "".join(
        f"<p>{words}</p>{_picture(maps, limit, f'{title}, {words.lower()}')}"
        for words, maps, limit in (
            (f"Before, ±{before_limit:.2g}", view.before, before_limit),
            (f"After, ±{after_limit:.2g}", view.after, after_limit),
        )
    )
    items = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    return (
        f"<li><figure><figcaption><b>{escape(title)}</b> <span>{escape(verdict)}</span>"
        f'</figcaption>{pictures}<ul class="facts">{items}</ul></figure></li>'
    )


def _range(figures: dict[str, float], name: str, *, plain: bool = False) -> str:
    low, high = figures[f"{name}_low"], figures[f"{name}_high"]
    words = [f"{value:.2f}" if plain else signed(value) for value in (low, high)]
    return words[0] if words[0] == words[1] else f"{words[0]} to {words[1]}"


def _picture(maps: np.ndarray, limit: float, said: str) -> str:
    data = base64.b64encode(map_images.to_png(mosaic(maps, limit))).decode()
    words = f"{len(maps)} feature maps of {said}; values {signed(float(maps.min()))} to "
    words += signed(float(maps.max()))
    return f'<img class="mosaic" src="data:image/png;base64,{data}" alt="{escape(words)}">'


def tiles(items: list[str]) -> str:
    """The tiles side by side, as many in a row as there is room."""
    return f'<ul class="maps inside">{"".join(items)}</ul>'
