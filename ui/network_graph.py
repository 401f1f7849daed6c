"""The network of one variant as an SVG, drawn from its summary; no streamlit.

Every layer's output is a stack of its channels, drawn to scale. Channels of one shade share their
mean and variance; grey stacks are not normalized. Text and lines take the page's own colour, so the
picture follows the theme.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from core.config import IMAGE_SIZE, Variant, variant_label

if TYPE_CHECKING:  # importing them would import torch
    from core.model.summary import LayerSummary, Summary

PIXEL = 2.2  # the side of one position of a feature map
STEP = 2.2  # how far each channel of a stack stands behind the one before
CELL = 5.0  # the side of one element of a vector
ROW_LABELS_WIDTH = 66
MIN_COLUMN_WIDTH = 57
PICTURE_HEIGHT = 136
MIN_WIDTH = 800  # of the whole picture in pixels; below that its box scrolls
LINE_HEIGHT = 19
ROWS = ("", "kernel", "output", "weights", "norm γ, β", "groups", "sees")
STRONG, WEAK, GREY = 0.9, 0.4, 0.22


@dataclass(frozen=True)
class Column:
    """One output in the picture: its shape (C, H, W), the channels that share statistics, its text.

    `per_group` is None where nothing is normalized. `texts` are the lines below it, as in `ROWS`.
    """

    shape: tuple[int, int, int]
    per_group: int | None
    texts: tuple[str, ...]

    @property
    def width(self) -> float:
        """Of the drawing alone."""
        channels, _, side = self.shape
        return CELL if side == 1 else side * PIXEL + (channels - 1) * STEP

    @property
    def height(self) -> float:
        """Of the drawing alone."""
        channels, side, _ = self.shape
        return CELL * channels if side == 1 else side * PIXEL + (channels - 1) * STEP

    @property
    def room(self) -> float:
        """The width it takes among the other columns."""
        return max(MIN_COLUMN_WIDTH, self.width + 14)


def network_svg(summary: Summary, *, color: str) -> str:
    """The whole network from the image to the ten logits, in a box that scrolls where it must."""
    columns = _columns(summary)
    width = ROW_LABELS_WIDTH + sum(column.room for column in columns)
    height = PICTURE_HEIGHT + LINE_HEIGHT * len(ROWS) + 12
    parts, left, end = [_row_labels(width)], float(ROW_LABELS_WIDTH), None
    for column in columns:
        x = left + (column.room - column.width) / 2
        if end is not None:
            parts.append(_arrow(end, x))
        parts += [_drawing(column, x, color), _texts(column, left + column.room / 2)]
        left, end = left + column.room, x + column.width
    return scroll_box(svg("".join(parts), width, height, alt=network_alt(summary)))


def network_alt(summary: Summary) -> str:
    """The picture in words."""
    shapes = ", ".join(
        f"{layer.name} {_times(layer.output_shape)}" for layer in summary.layers if _drawn(layer)
    )
    name = variant_label(summary.variant.key)
    return (
        f"The network of {name}, from a {IMAGE_SIZE}×{IMAGE_SIZE} image to ten "
        f"logits. Each convolution is followed by normalization and ReLU. Outputs: {shapes}."
    )


def caption(variant: Variant) -> str:
    """How to read the shades."""
    shades = {
        "batch": "every channel has statistics of its own, over all images of a batch",
        "group": "neighbouring channels of one shade are a group and share their statistics",
        "layer": "all channels are one group, hence one shade, and share their statistics",
    }[variant.norm]
    return (
        f"Stacks are drawn to scale, one sheet per channel. Each convolution is followed by "
        f"{variant.norm} normalization and ReLU: {shades}. “sees” is the square of the image that "
        f"one output depends on through the convolutions."
    )


def channels_per_group(norm: str, layer: LayerSummary) -> int:
    """How many channels share one mean in that normalization layer; 1 for batch normalization."""
    return 1 if norm == "batch" else layer.output_shape[0] // (layer.groups or 1)


def _columns(summary: Summary) -> list[Column]:
    norms = {layer.name: layer for layer in summary.layers if layer.name.startswith("norm")}
    side = IMAGE_SIZE
    columns = [Column((1, side, side), None, ("image", "", f"1×{side}×{side}", "", "", "", ""))]
    for layer in filter(_drawn, summary.layers):
        norm = norms.get(layer.name.replace("conv", "norm"))
        columns.append(_column(layer, norm, summary.variant.norm))
    return columns


def _drawn(layer: LayerSummary) -> bool:
    return layer.kernel is not None


def _column(layer: LayerSummary, norm: LayerSummary | None, kind: str) -> Column:
    channels, height, width = layer.output_shape
    per_group = channels_per_group(kind, norm) if norm else None
    texts = (
        layer.name,
        _times(layer.kernel or ()),
        _times(layer.output_shape if height > 1 else layer.output_shape[:1]),
        f"{layer.trainable_parameters:,}" if layer.trainable_parameters else "",
        f"{norm.trainable_parameters}" if norm else "",
        _groups(kind, per_group, channels),
        f"{layer.receptive_field}×{layer.receptive_field}",
    )
    return Column((channels, height, width), per_group, texts)


def _groups(norm: str, per_group: int | None, channels: int) -> str:
    if per_group is None:
        return ""
    return "single" if norm == "batch" else f"{channels // per_group} of {per_group}"


def _times(sizes: Iterable[int]) -> str:
    return "×".join(map(str, sizes))


def _drawing(column: Column, x: float, color: str) -> str:
    channels, side, _ = column.shape
    if side == 1:
        return _vector(channels, x, PICTURE_HEIGHT / 2 - column.height / 2)
    size, y = side * PIXEL, PICTURE_HEIGHT / 2 + column.height / 2 - side * PIXEL
    # From the back to the front, each channel only as far as the next one leaves it visible, so
    # that half-transparent shades do not add up.
    planes = [
        _plane(x + k * STEP, y - k * STEP, size, front=k == 0, look=_look(column, k, color))
        for k in reversed(range(channels))
    ]
    return "".join(planes)


def _look(column: Column, channel: int, color: str) -> str:
    if column.per_group is None:
        return f'fill="currentColor" fill-opacity="{GREY}"'
    shade = WEAK if (channel // column.per_group) % 2 else STRONG
    return f'fill="{color}" fill-opacity="{shade}"'


def _plane(x: float, y: float, size: float, *, front: bool, look: str) -> str:
    line = 'stroke="currentColor" stroke-opacity=".45" stroke-width=".5"'
    if front:
        shape = f"M{x:.1f} {y:.1f}h{size:.1f}v{size:.1f}h{-size:.1f}z"
    else:
        inner = STEP - size
        shape = f"M{x:.1f} {y:.1f}h{size:.1f}v{size:.1f}h{-STEP}v{inner:.1f}h{inner:.1f}z"
    return f'<path d="{shape}" {look} {line}/>'


def _vector(length: int, x: float, y: float) -> str:
    look = f'fill="currentColor" fill-opacity="{GREY}" stroke="currentColor" stroke-width=".4"'
    cells = (
        f'<rect x="{x:.1f}" y="{y + k * CELL:.1f}" width="{CELL}" height="{CELL}" {look}/>'
        for k in range(length)
    )
    return "".join(cells)


def _arrow(start: float, end: float) -> str:
    y, tip = PICTURE_HEIGHT / 2, end - 4
    return (
        f'<path d="M{start + 3:.1f} {y}H{tip - 3:.1f}" stroke="currentColor" stroke-opacity=".5"/>'
        f'<path d="M{tip:.1f} {y}l-5 -3v6z" fill="currentColor" fill-opacity=".6"/>'
    )


def _row_labels(width: float) -> str:
    texts = (text(0, _baseline(row), label, opacity=0.7) for row, label in enumerate(ROWS) if label)
    y = _baseline(0) + 6
    return f'<path d="M0 {y}H{width:.0f}" stroke="currentColor" stroke-opacity=".2"/>' + "".join(
        texts
    )


def _texts(column: Column, center: float) -> str:
    lines = (
        text(center, _baseline(row), line, anchor="middle", weight=600 if row == 0 else 400)
        for row, line in enumerate(column.texts)
        if line
    )
    return "".join(lines)


def _baseline(row: int) -> float:
    return PICTURE_HEIGHT + 16 + row * LINE_HEIGHT + (6 if row else 0)


def text(
    x: float,
    y: float,
    content: str,
    *,
    anchor: str = "start",
    weight: int = 400,
    opacity: float = 1.0,
    more: str = "",
) -> str:
    """An SVG text in the page's colour."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
        f'fill="currentColor" fill-opacity="{opacity}" {more}>{escape(content)}</text>'
    )


def svg(content: str, width: float, height: float, *, alt: str) -> str:
    """An SVG picture that fills its box, with `alt` for those who cannot see it."""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" font-size="12" '
        f'aria-label="{escape(alt)}">{content}</svg>'
    )


def scroll_box(content: str) -> str:
    """`content` in a box that scrolls by touch, wheel and key where the page is too narrow."""
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="Drawing, scrolls sideways">'
        f'<div style="min-width:{MIN_WIDTH}px">{content}</div></div>'
    )
