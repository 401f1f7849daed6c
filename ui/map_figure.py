"""Attribution maps as tiles for the page and as one SVG figure to take along; no streamlit.

A map is drawn pixel by pixel in the colours of `core.analysis.map_images`, with the outline of the
image's ink over it, because a map alone does not show where the strokes are. Negative pixels carry
a minus, so the sign needs no colour. Where there is no map, the tile says why.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from core.analysis import map_images
from core.analysis.map_images import MARKED_SHARE, NEGATIVE, NEUTRAL, POSITIVE, to_rgb
from ui.charts import PNG_SCALE

INK_LEVEL = 96
"""Pixels from here on, of 255, lie inside the outline."""
INK, PAPER = "#1B2430", "#FFFFFF"


@dataclass(frozen=True)
class Tile:
    """One map (28, 28) float32 and what is said of it.

    `attributions` is None where no map may be shown; `reason` then says why. `limit` is the end of
    its colour scale. `facts` are short lines, `said` what a screen reader says of the map.
    """

    title: str
    verdict: str
    attributions: np.ndarray | None
    limit: float
    reason: str | None
    facts: tuple[str, ...]
    warning: str | None
    said: str


def tiles_html(tiles: Sequence[Tile], image: np.ndarray) -> str:
    """The maps of `image` (28, 28) uint8 beside each other, as many in a row as there is room."""
    items = "".join(f"<li>{_tile_html(tile, image)}</li>" for tile in tiles)
    return f'<ul class="maps">{items}</ul>'


def _tile_html(tile: Tile, image: np.ndarray) -> str:
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in tile.facts)
    warning = f'<p class="warning">⚠ {escape(tile.warning)}</p>' if tile.warning else ""
    return (
        f"<figure><figcaption><b>{escape(tile.title)}</b> <span>{escape(tile.verdict)}</span>"
        f'</figcaption>{_picture_html(tile, image)}<ul class="facts">{facts}</ul>{warning}</figure>'
    )


def _picture_html(tile: Tile, image: np.ndarray) -> str:
    if tile.attributions is None:
        return f'<p class="refused"><b>No map.</b> {escape(tile.reason or "")}</p>'
    return (
        f'<svg viewBox="0 0 28 28" role="img" aria-label="{escape(tile.said)}">'
        f"{map_svg(tile.attributions, tile.limit, image)}</svg>"
    )


def map_svg(attributions: np.ndarray, limit: float, image: np.ndarray) -> str:
    """SVG elements in a view box of 28 by 28: the map, its minus signs and the ink's outline."""
    data = base64.b64encode(map_images.to_png(to_rgb(attributions, limit))).decode()
    return (
        f'<image width="28" height="28" href="data:image/png;base64,{data}"'
        ' style="image-rendering:pixelated" image-rendering="optimizeSpeed"/>'
        f"{_minus_signs(attributions, limit)}"
        f'<path d="{outline(image)}" fill="none" stroke="{INK}" stroke-width="0.22"'
        ' stroke-opacity="0.75"/>'
    )


def _minus_signs(attributions: np.ndarray, limit: float) -> str:
    share = attributions / limit if limit else np.zeros_like(attributions)
    weak = (share <= -MARKED_SHARE) & (share > -0.5)
    return "".join(
        f'<path d="{_dashes(where)}" stroke="{_hex(color)}" stroke-width="0.16"/>'
        for where, color in ((weak, NEGATIVE), (share <= -0.5, NEUTRAL))
        if where.any()
    )


def _dashes(where: np.ndarray) -> str:
    return "".join(f"M{x + 0.28:.2f} {y + 0.5}h.44" for y, x in np.argwhere(where))


def outline(image: np.ndarray) -> str:
    """SVG path data of the borders between ink and paper of an image (H, W) uint8."""
    ink = np.pad(image >= INK_LEVEL, 1)
    left = np.argwhere(ink[1:-1, 1:] != ink[1:-1, :-1])
    above = np.argwhere(ink[1:, 1:-1] != ink[:-1, 1:-1])
    return "".join([f"M{x} {y}v1" for y, x in left] + [f"M{x} {y}h1" for y, x in above])


def scale_html(limit: float | None, positive: str, negative: str) -> str:
    """The colour bar from -limit to +limit with its numbers, and what its two ends mean.

    A limit of None stands for maps that have a scale each.
    """
    end = "end" if limit is None else f"{limit:.3g}"
    ends = f"−{end}", "0", f"+{end}"
    numbers = "".join(f"<span>{number}</span>" for number in ends)
    return (
        f'<div class="scale"><div class="bar" style="background:linear-gradient(to right,'
        f'{_hex(NEGATIVE)},{_hex(NEUTRAL)},{_hex(POSITIVE)})"></div><div>{numbers}</div>'
        f"<div><span>− {escape(negative)}</span><span>+ {escape(positive)}</span></div></div>"
    )


def _hex(color: np.ndarray) -> str:
    return "#" + "".join(f"{int(part):02X}" for part in color)


def describe_map(attributions: np.ndarray, image: np.ndarray) -> str:
    """Where the map counts most, in words, for who cannot see it."""
    highest, lowest = (
        np.unravel_index(at, attributions.shape)
        for at in (attributions.argmax(), attributions.argmin())
    )
    size = np.abs(attributions)
    on_ink = size[image >= INK_LEVEL].sum() / size.sum() if size.any() else 0.0
    parts = [f"{100 * on_ink:.0f} % of its size lies on the ink"]
    if attributions[highest] > 0:
        parts.append(f"largest {_signed(attributions[highest])} {_place(highest)}")
    if attributions[lowest] < 0:
        parts.append(f"smallest {_signed(attributions[lowest])} {_place(lowest)}")
    return "; ".join(parts)


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−")


def _place(at: tuple[np.intp, ...]) -> str:
    return f"in row {int(at[0]) + 1}, column {int(at[1]) + 1} of 28"


COLUMNS, TILE, GAP, LINE = 3, 200, 24, 15
"""Of the exported figure; sizes in pixels."""


def figure_svg(title: str, tiles: Sequence[Tile], image: np.ndarray, notes: Sequence[str]) -> str:
    """All tiles as one SVG on white, three in a row, `notes` below them."""
    lines = [_wrapped(tile) for tile in tiles]
    height = TILE + LINE * (2 + max(map(len, lines))) + GAP
    num_rows = -(-len(tiles) // COLUMNS)
    width = COLUMNS * (TILE + GAP) + GAP
    below = 2 * GAP + LINE + num_rows * height
    words = [part for note in notes for part in textwrap.wrap(note, 105)]
    parts = [_text(title, GAP, GAP + LINE, size=16, weight=600)]
    for number, (tile, said) in enumerate(zip(tiles, lines, strict=True)):
        x = GAP + number % COLUMNS * (TILE + GAP)
        y = 2 * GAP + LINE + number // COLUMNS * height
        parts.append(_figure_tile(tile, said, image, x, y))
    parts += [_text(word, GAP, below + LINE * n, size=11) for n, word in enumerate(words, 1)]
    total = below + LINE * len(words) + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{total}" '
        f'viewBox="0 0 {width} {total}" font-family="sans-serif"><rect width="{width}" '
        f'height="{total}" fill="{PAPER}"/>{"".join(parts)}</svg>'
    )


def to_png(svg: str) -> bytes:
    """An SVG figure as a PNG, two pixels per unit."""
    import vl_convert

    return vl_convert.svg_to_png(svg, scale=PNG_SCALE)


def _wrapped(tile: Tile) -> list[str]:
    said = [*tile.facts, *([f"Warning: {tile.warning}"] if tile.warning else [])]
    return [line for fact in said for line in textwrap.wrap(fact, 36)]


def _figure_tile(tile: Tile, lines: Sequence[str], image: np.ndarray, x: int, y: int) -> str:
    head = _text(f"{tile.title}  {tile.verdict}", x, y + LINE, size=12, weight=600)
    top = y + 2 * LINE - 4
    if tile.attributions is None:
        words = textwrap.wrap(f"No map. {tile.reason}", 32)
        frame = (
            f'<rect x="{x}" y="{top}" width="{TILE}" height="{TILE}" fill="none" '
            f'stroke="{INK}" stroke-dasharray="4 4"/>'
        )
        drawn = frame + "".join(
            _text(word, x + 8, top + LINE * n + 6, size=11) for n, word in enumerate(words, 1)
        )
    else:
        drawn = (
            f'<svg x="{x}" y="{top}" width="{TILE}" height="{TILE}" viewBox="0 0 28 28">'
            f"{map_svg(tile.attributions, tile.limit, image)}</svg>"
        )
    said = [_text(line, x, top + TILE + LINE * n, size=10) for n, line in enumerate(lines, 1)]
    return head + drawn + "".join(said)


def _text(words: str, x: int, y: int, *, size: int, weight: int = 400) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{INK}">'
        f"{escape(words)}</text>"
    )
