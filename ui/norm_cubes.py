"""What a normalization layer averages, as the picture of a B×C×HW block and the figures beside it.

Drawn from real shapes: as many columns as the layer has channels. Positions and images are too many
to draw; a few stand for all and their number is written beside them. No streamlit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from core.config import NORM_LABELS
from ui.network_graph import channels_per_group, svg, text

if TYPE_CHECKING:  # importing it would import torch
    from core.model.summary import LayerSummary

FRONT_WIDTH, FRONT_HEIGHT = 168.0, 110.0
DEPTH_X, DEPTH_Y = 15.0, -11.0  # one image further back
ROWS, IMAGES = 6, 4
LEFT, TOP = 26.0, 52.0
SHADES = (0.05, 0.16)


@dataclass(frozen=True)
class NormFacts:
    """What one normalization does in one layer, for a batch of `batch_size` images.

    `values_per_mean` elements share one mean, of which a batch has `num_means`; `kept` counts the
    values stored between batches, `groups` is the number of groups in each layer of the network.
    """

    norm: str
    shape: tuple[int, int, int]
    batch_size: int
    per_group: int
    values_per_mean: int
    num_means: int
    trainable: int
    statistics: int
    counters: int
    groups: tuple[int, ...] | None


def norm_facts(
    norm: str, layer: LayerSummary, *, batch_size: int, groups: tuple[int, ...] | None
) -> NormFacts:
    """The facts of the normalization layer `layer`, a row of the summary."""
    channels, height, width = layer.output_shape
    per_group = channels_per_group(norm, layer)
    images_per_mean = batch_size if norm == "batch" else 1
    values = images_per_mean * per_group * height * width
    return NormFacts(
        norm=norm,
        shape=(channels, height, width),
        batch_size=batch_size,
        per_group=per_group,
        values_per_mean=values,
        num_means=batch_size * channels * height * width // values,
        trainable=layer.trainable_parameters,
        statistics=layer.running_statistics,
        counters=layer.buffers - layer.running_statistics,
        groups=groups,
    )


def norm_card(facts: NormFacts, *, color: str) -> str:
    """Name, picture and figures of one normalization as HTML."""
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in card_rows(facts).items()
    )
    mark = f'<span style="color:{color}" aria-hidden="true">■</span>'
    return (
        f"<h3>{mark} {NORM_LABELS[facts.norm]}</h3>"
        f'<div class="cube">{cube_svg(facts, color=color)}</div><dl>{rows}</dl>'
    )


def card_rows(facts: NormFacts) -> dict[str, str]:
    """The figures of a card, by name."""
    positions = facts.shape[1] * facts.shape[2]
    count = facts.batch_size if facts.norm == "batch" else facts.per_group
    unit = "images" if facts.norm == "batch" else "channels"
    kept = f"{facts.statistics} statistics, {facts.counters} counter"
    return {
        "One mean over": f"{count} {unit} × {positions} positions = {facts.values_per_mean:,}",
        "Means": f"{facts.num_means} in a batch of {facts.batch_size}",
        "Groups": ", ".join(map(str, facts.groups)) + " (norm1 to norm7)"
        if facts.groups
        else "none: every channel by itself",
        "Trainable parameters": f"{facts.trainable}: γ and β of each channel",
        "Kept between batches": kept if facts.statistics else "nothing",
        "Predicts with": "stored statistics" if facts.statistics else "the image's own statistics",
    }


def cube_svg(facts: NormFacts, *, color: str) -> str:
    """The block; the cells that share the first mean in colour, other sets in turning greys."""
    channels, height, width = facts.shape
    content = "".join(_front(facts, color) + _top(facts, color) + _side(facts, color))
    middle = TOP + FRONT_HEIGHT / 2
    content += text(LEFT + FRONT_WIDTH / 2, TOP + FRONT_HEIGHT + 17, f"{channels} channels",
                    anchor="middle")  # fmt: skip
    content += text(LEFT - 9, middle, f"{height}×{width} positions", anchor="middle",
                    more=f'transform="rotate(-90 {LEFT - 9} {middle})"')  # fmt: skip
    x, y = (
        LEFT + FRONT_WIDTH + IMAGES * DEPTH_X / 2 + 9,
        TOP + FRONT_HEIGHT + IMAGES * DEPTH_Y / 2 + 11,
    )
    slant = math.degrees(math.atan2(DEPTH_Y, DEPTH_X))
    content += text(x, y, f"{facts.batch_size} images", anchor="middle",
                    more=f'transform="rotate({slant:.0f} {x} {y})"')  # fmt: skip
    return svg(content, LEFT + FRONT_WIDTH + IMAGES * DEPTH_X + 16, TOP + FRONT_HEIGHT + 24,
               alt=cube_alt(facts))  # fmt: skip


def cube_alt(facts: NormFacts) -> str:
    """The picture in words."""
    scope = {
        "batch": "one channel of all images",
        "group": f"{facts.per_group} channels of one image",
        "layer": "all channels of one image",
    }[facts.norm]
    return f"{NORM_LABELS[facts.norm]}: one mean is taken over all positions of {scope}."


def set_of(facts: NormFacts, image: int, channel: int) -> tuple[int, int]:
    """Which mean a value belongs to: all values with the same answer share it."""
    if facts.norm == "batch":
        return 0, channel
    return image, channel // facts.per_group


def _look(facts: NormFacts, image: int, channel: int, color: str) -> str:
    owner = set_of(facts, image, channel)
    fill, shade = (color, 0.9) if owner == (0, 0) else ("currentColor", SHADES[sum(owner) % 2])
    return (
        f'fill="{fill}" fill-opacity="{shade}" stroke="currentColor" stroke-opacity=".35" '
        'stroke-width=".6"'
    )


def _cell(x: float, y: float, across: tuple, down: tuple, look: str) -> str:
    return (
        f'<path d="M{x:.1f} {y:.1f}l{across[0]:.1f} {across[1]:.1f}l{down[0]:.1f} {down[1]:.1f}'
        f'l{-across[0]:.1f} {-across[1]:.1f}z" {look}/>'
    )


def _front(facts: NormFacts, color: str) -> list[str]:
    width, height = FRONT_WIDTH / facts.shape[0], FRONT_HEIGHT / ROWS
    return [
        _cell(LEFT + c * width, TOP + r * height, (width, 0), (0, height),
              _look(facts, 0, c, color))
        for c in range(facts.shape[0]) for r in range(ROWS)
    ]  # fmt: skip


def _top(facts: NormFacts, color: str) -> list[str]:
    width = FRONT_WIDTH / facts.shape[0]
    return [
        _cell(LEFT + c * width + n * DEPTH_X, TOP + n * DEPTH_Y, (width, 0), (DEPTH_X, DEPTH_Y),
              _look(facts, n, c, color))
        for c in range(facts.shape[0]) for n in range(IMAGES)
    ]  # fmt: skip


def _side(facts: NormFacts, color: str) -> list[str]:
    height, x = FRONT_HEIGHT / ROWS, LEFT + FRONT_WIDTH
    return [
        _cell(x + n * DEPTH_X, TOP + n * DEPTH_Y + r * height, (DEPTH_X, DEPTH_Y), (0, height),
              _look(facts, n, facts.shape[0] - 1, color))
        for n in range(IMAGES) for r in range(ROWS)
    ]  # fmt: skip
