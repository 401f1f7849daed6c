"""The tables and the worked formula of Normalization by hand as HTML; no streamlit, no torch."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.analysis import by_hand, by_hand_changes
from core.analysis.by_hand_changes import Moved
from core.analysis.by_hand_table import Table
from ui.byhand_words import LABELS, counted, number, place_of, scope, small

if TYPE_CHECKING:  # importing it would import torch
    from core.analysis.by_hand_torch import Check

MAX_TERMS = 24
TALL = 16
"""Rows that a table shows without scrolling."""
NARROW = 6
"""Channels that a phone shows beside each other."""
MODE_LABELS = {
    by_hand.BATCH: "Batch norm, training",
    by_hand_changes.BATCH_EVALUATION: "Batch norm, evaluation",
    **{kind: LABELS[kind] for kind in by_hand.KINDS[1:]},
}
STYLE = """<style>
.hand { display: grid; gap: 14px; align-items: start; font-size: 0.875rem;
  grid-template-columns: repeat(auto-fit, minmax(min(var(--least, 190px), 100%), 1fr)); }
.hand table { border-collapse: separate; border-spacing: 2px; width: 100%;
  font-variant-numeric: tabular-nums; }
.hand caption { text-align: left; font-weight: 600; padding-bottom: 4px; line-height: 1.3; }
.hand caption small { display: block; font-weight: 400; }
.hand .movement caption small { min-height: 2.6em; }
.hand th { font-weight: 600; font-size: 0.75rem; text-align: right; padding: 2px 4px; }
.hand td { text-align: right; padding: 2px 4px; border-radius: 3px; font-size: 0.8125rem; }
.hand .here { box-shadow: inset 0 0 0 2px var(--st-text-color); font-weight: 700; }
.hand > * { min-width: 0; }
.hand .tall { max-height: 500px; overflow-y: auto; }
.hand .moved {
  background: color-mix(in srgb, #D55E00 calc(10% + var(--share) * 40%), transparent); }
.hand .wrong { text-decoration: underline wavy #D55E00; text-underline-offset: 3px; }
.hand td, .hand th { white-space: nowrap; }
.hand .text { text-align: left; white-space: normal; }
.steps { font-size: 0.9375rem; line-height: 1.65; padding-left: 1.3rem; margin: 0;
  overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.steps sub, .hand sub { line-height: 0; }
</style>"""


def statistics_tables(table: Table, per_group: int, cell: tuple[int, ...]) -> str:
    """μ and σ² of every norm, a table each; the one that the cell uses is framed."""
    parts = []
    for kind in by_hand.KINDS:
        found = by_hand.statistics(table.values, kind, per_group)
        numbers = by_hand.sets(kind, *table.shape[:2], per_group)
        parts.append(_statistics_table(kind, found, int(numbers[cell[0], cell[1]])))
    return f'{STYLE}<div class="hand">{"".join(parts)}</div>'


def _statistics_table(kind: str, found: by_hand.Statistics, here: int) -> str:
    symbol = by_hand.SYMBOLS[kind]
    heads = [*symbol] + [f"{sign}<sub>{symbol}</sub>" for sign in ("μ", "σ²")]
    rows = ""
    for place, (mean, var) in enumerate(zip(found.mean.flat, found.var.flat, strict=True)):
        row, column = divmod(place, found.mean.shape[1])
        keys = {"i": row, "c": column, "g": column}
        rows += "<tr>" + "".join(f'<th scope="row">{keys[letter] + 1}</th>' for letter in symbol)
        look = ' class="here"' if place == here else ""
        rows += f"<td{look}>{number(mean)}</td><td{look}>{number(var)}</td></tr>"
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    each = f"<small>each over {counted(found.count, 'value')}</small>"
    scroll = ' tabindex="0"' if found.mean.size > TALL else ""
    return (
        f'<div class="tall" role="group" aria-label="{LABELS[kind]}"{scroll}><table>'
        f"<caption>{LABELS[kind]}{each}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def steps(table: Table, kind: str, per_group: int, cell: tuple[int, ...], eps: float) -> str:
    """The formula filled in for one cell (image, channel, row, column), as an ordered list."""
    image, channel = cell[:2]
    found = by_hand.statistics(table.values, kind, per_group)
    done = by_hand.normalize(table.values, found, table.gamma, table.beta, eps)
    numbers = by_hand.sets(kind, *table.shape[:2], per_group)
    shared = table.values[numbers == numbers[image, channel]].ravel()
    mean, var = (float(part.flat[numbers[image, channel]]) for part in (found.mean, found.var))
    where = scope(kind, image, channel, table.shape, per_group)
    index = place_of(kind, image, channel, per_group)
    lines = [
        f"{LABELS[kind]} averages {'the' if found.count > 1 else 'only'} "
        f"{counted(found.count, 'value')} of {where}.",
        *_sums(shared, mean, var, index),
        *filled_in(
            *(float(table.values[cell]), mean, var, eps),
            *(float(table.gamma[channel]), float(table.beta[channel])),
            *(float(done.xhat[cell]), float(done.y[cell])),
        ),
    ]
    return ordered(lines)


def ordered(lines: Sequence[str]) -> str:
    """Lines of HTML as a numbered list."""
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f'{STYLE}<ol class="steps">{items}</ol>'


def _sums(values: np.ndarray, mean: float, var: float, index: str) -> list[str]:
    count, total = len(values), number(float(values.sum()))
    terms = _listed([_signed(value) for value in values], " + ")
    how = f", divided by {count}, not {count - 1}: the population variance" if count > 1 else ""
    squares = _listed([f"({number(value)} − {_signed(mean)})²" for value in values], " + ")
    return [
        f"μ<sub>{index}</sub> = ({terms}) / {count} = {total} / {count} = <b>{number(mean)}</b>",
        f"σ²<sub>{index}</sub> = [{squares}] / {count} = <b>{number(var)}</b>{how}",
    ]


def filled_in(
    x: float, mean: float, var: float, eps: float, gamma: float, beta: float, xhat: float, y: float
) -> list[str]:
    """The last two lines of the formula: the normalized value, then γ and β."""
    limit = ""
    if var == 0:
        limit = " (no spread: the value is its own mean, so x̂ is 0 and y is β)"
        if eps == 0:
            limit = " (no spread, and no ε to divide by instead)"
    product = f"{number(gamma)} · {_signed(xhat)} + {_signed(beta)} = <b>{number(y)}</b>"
    return [
        f"x̂ = (x − μ) / √(σ² + ε) = ({number(x)} − {_signed(mean)}) / "
        f"√({number(var)} + {number(eps)}) = <b>{number(xhat)}</b>{limit}",
        "y = γ · x̂ + β" + (", undefined too" if np.isnan(xhat) else f" = {product}"),
    ]


def _signed(value: float) -> str:
    text = number(value)
    return f"({text})" if text.startswith("−") else text


def _listed(terms: Sequence[str], between: str) -> str:
    if len(terms) > MAX_TERMS:
        left_out = len(terms) - MAX_TERMS
        terms = [*terms[: MAX_TERMS - 1], f"… {left_out} more …", terms[-1]]
    return between.join(terms)


def check_table(checks: Sequence[Check]) -> str:
    """What torch's layers make of the table: the largest difference, or that torch refuses."""
    rows = ""
    for check in checks:
        cells = "".join(f"<td>{_difference(value)}</td>" for value in check.differences.values())
        if check.refusal:
            cells = f'<td colspan="2" class="text">refuses: {escape(check.refusal)}</td>'
        rows += (
            f'<tr><th scope="row" class="text">{LABELS[check.kind]}<br>'
            f"<code>{escape(check.layer)}</code></th>{cells}</tr>"
        )
    heads = ("In float64", "In float32")
    head = '<th scope="col" class="text">Layer of torch</th>'
    head += "".join(f'<th scope="col">{text}</th>' for text in heads)
    return (
        f'{STYLE}<div class="hand"><div class="scroll"><table><caption>Largest |difference| of y '
        f"between the table and torch, in training mode</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div></div>"
    )


def _difference(value: float | None) -> str:
    if value is None:
        return "–"
    return "a number where 0 / 0 has none" if np.isinf(value) else small(value)


def movement_tables(found: Sequence[Moved]) -> str:
    """How far each block's y moves, a grid of images × channels per mode."""
    largest = max((float(np.nanmax(one.blocks, initial=0)) for one in found), default=0) or 1.0
    parts = "".join(_movement_table(one, largest) for one in found)
    least = 2 + 1.8 * max((one.blocks.shape[1] for one in found), default=0)
    return f'{STYLE}<div class="hand" style="--least:{least:.1f}rem">{parts}</div>'


def _movement_table(one: Moved, largest: float) -> str:
    head = "".join(f'<th scope="col">c={c + 1}</th>' for c in range(one.blocks.shape[1]))
    rows = ""
    for image, (values, still) in enumerate(zip(one.blocks, one.still, strict=True)):
        cells = "".join(_moved_cell(*pair, largest) for pair in zip(values, still, strict=True))
        rows += f'<tr><th scope="row">i={image + 1}</th>{cells}</tr>'
    wide = one.blocks.shape[1] > NARROW
    scroll = f' tabindex="0" role="group" aria-label="{MODE_LABELS[one.mode]}"' if wide else ""
    return (
        f'<div class="scroll movement"{scroll}><table><caption>{MODE_LABELS[one.mode]}<small>'
        f"{movement_words(one)}</small></caption>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _moved_cell(value: float, still: bool, largest: float) -> str:
    if still:
        return "<td>·</td>"
    share = 0 if np.isnan(value) else value / largest
    text = "0 / 0" if np.isnan(value) else number(value, 2)
    return f'<td class="moved" style="--share:{share:.3f}">{text}</td>'


def movement_words(one: Moved) -> str:
    """What moved, in a few words: "2 of 4 images move", "nothing moves, but for ε: 3e−06"."""
    images = len(one.blocks)
    moving = int((~one.still).any(axis=1).sum())
    if moving:
        each = int((~one.still).all(axis=1).sum())
        partly = "" if each == moving else ", in some channels"
        return f"{moving} of {images} image{'s' * (images > 1)} move{'s' * (moving == 1)}{partly}"
    most = float(np.nanmax(one.blocks, initial=0))
    return "nothing moves" + (f", but for ε: {small(most)}" if most > by_hand_changes.STILL else "")


def example_table(frame: pd.DataFrame) -> str:
    """`core.analysis.by_hand_example.group_means` as a table, the mistake beside the correction."""
    heads = ("Group", "σ²", "μ", "mean of x̂", "mean of x̂²")
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    parts = []
    for title, prefix, look in (
        ("As in the spreadsheet: rows of images 3 and 4", "wrong_", "wrong"),
        ("Corrected: the rows of image 4", "", ""),
    ):
        rows = "".join(
            f'<tr><th scope="row">{row["group"]}</th><td>{number(row["variance"])}</td>'
            f'<td class="{look}">{number(row[f"{prefix}mean"])}</td>'
            f"<td>{number(_clean(row[f'{prefix}xhat_mean']))}</td>"
            f"<td>{number(row[f'{prefix}xhat_square'])}</td></tr>"
            for row in frame.to_dict("records")
        )
        parts.append(
            f'<div class="scroll"><table><caption>{title}</caption><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
        )
    return f'{STYLE}<div class="hand" style="--least:290px">{"".join(parts)}</div>'


def _clean(value: float) -> float:
    """Rounding errors of a sum that is 0 as 0."""
    return 0.0 if abs(value) < by_hand_changes.STILL else value
