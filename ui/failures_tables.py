"""Tables of the Failures page as HTML: confusion, who fails where, overlap, probabilities.

No streamlit. As in `ui/images.py`, what can be clicked is a `<button data-pick="…">`; `--share` in
[0, 1] shades a cell, `--accent` is its colour, and `ui/picker.css` fits both to the theme.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd

from ui.images import NEUTRAL, are_words, format_percent, picture, with_article
from ui.palette import VARIANT_COLORS

RIGHT, WRONG = "#009E73", "#D55E00"
SHARE_ROOM, SEEDS_ROOM, MOST_ROOM = 3.0, 3.5, 9.0
"""The width of a variant's column in em: for "0.11", for "10/10", and at most."""
BREAKS = "overflow-wrap:anywhere"
"""For names that somebody chose, which may be one long word."""


def variant_color(key: str) -> str:
    """The colour of a variant; grey for one that is not published."""
    return VARIANT_COLORS.get(key, NEUTRAL)


def confusion_table(
    matrix: np.ndarray,
    *,
    class_names: Sequence[str],
    selected: tuple[int | None, int | None] = (None, None),
    color: str = NEUTRAL,
) -> str:
    """A (K, K) confusion matrix (rows true, columns predicted) whose mistakes can be clicked.

    A cell picks "true-predicted", a row heading "true-", a column heading "-predicted"; `selected`
    is the pair that is filtered for, None meaning any. Shades compare mistakes only, since the
    diagonal is a hundred times larger.
    """
    mistakes = matrix * (1 - np.eye(len(matrix), dtype=int))
    largest = max(int(mistakes.max()), 1)
    headings = "".join(
        _heading(name, "col", f"-{column}", selected == (None, column), f"taken for {name}")
        for column, name in enumerate(class_names)
    )
    rows = []
    for row, name in enumerate(class_names):
        cells = "".join(
            _confusion_cell(row, column, int(count), largest, class_names, selected)
            for column, count in enumerate(matrix[row])
        )
        heading = _heading(name, "row", f"{row}-", selected == (row, None), f"true label {name}")
        rows.append(f"<tr>{heading}{cells}</tr>")
    words = " words" if are_words(class_names) else ""
    return (
        f'<table class="confusion{words}" style="--accent:{color}">'
        f"<caption>rows: true label; columns: what it was taken for</caption>"
        f"<thead><tr><td></td>{headings}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _heading(name: str, scope: str, pick: str, pressed: bool, said: str) -> str:
    return (
        f'<th scope="{scope}"><button type="button" data-pick="{pick}" title="{escape(said)}" '
        f'aria-label="{escape(said)}" aria-pressed="{str(pressed).lower()}">'
        f"<span>{escape(name)}</span></button></th>"
    )


def _confusion_cell(
    row: int,
    column: int,
    count: int,
    largest: int,
    class_names: Sequence[str],
    selected: tuple[int | None, int | None],
) -> str:
    if row == column:
        return f'<td class="right" title="{count} right">{count}</td>'
    if not count:
        return '<td class="none">·</td>'
    said = f"{class_names[row]} taken for {class_names[column]}: {count}"
    pressed = all(want in (None, have) for want, have in zip(selected, (row, column), strict=True))
    return (
        f'<td style="--share:{count / largest:.3f}"><button type="button" '
        f'data-pick="{row}-{column}" title="{escape(said)}" aria-label="{escape(said)}" '
        f'aria-pressed="{str(pressed and selected != (None, None)).lower()}">{count}</button></td>'
    )


def who_fails_table(
    frame: pd.DataFrame,
    *,
    variants: Mapping[str, str],
    num_seeds: Mapping[str, int],
    images: np.ndarray | None,
    class_names: Sequence[str],
) -> str:
    """One row per image, one column per variant: which variants fail on it, and how they see it.

    `variants` maps keys to labels. `frame` has `index, target` and for each variant key `<key>`
    (how many of its `num_seeds` seeds fail) and `<key>_predicted` (what a failing seed most often
    takes it for; anything where none fails). A cell shows the prediction where there is one seed
    and "k/n" where there are several. A click on an image picks its index.
    """
    head = "".join(_variant_headings(variants, "col", SEEDS_ROOM).values())
    rows = []
    for record in frame.to_dict("records"):
        index, target = int(record["index"]), class_names[int(record["target"])]
        cells = "".join(
            _who_cell(record, key, label, num_seeds[key], class_names)
            for key, label in variants.items()
        )
        image = picture(images, index, "")
        said = f"test image {index}, {with_article(target)}"
        rows.append(
            f'<tr><th scope="row"><button type="button" data-pick="{index}" '
            f'aria-label="{escape(said)}" title="{escape(said)}">{image}<small>{index}</small>'
            f"</button></th><td>{escape(target)}</td>{cells}</tr>"
        )
    words = " words" if are_words(class_names) else ""
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Who fails where">'
        f'<table class="who{words}"><thead><tr>'
        f'<th scope="col">image</th><th scope="col">true</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _who_cell(
    record: Mapping, key: str, label: str, num_seeds: int, class_names: Sequence[str]
) -> str:
    failing = int(record[key])
    if not failing:
        return f'<td class="none" title="{escape(label)}: right">·</td>'
    name = class_names[int(record[f"{key}_predicted"])]
    said = f"{label}: taken for {name}"
    text = name
    if num_seeds > 1:
        said += f" (fails in {failing} of {num_seeds} seeds)"
        text = f"{failing}/{num_seeds}"
    style = f"--accent:{variant_color(key)};--share:{failing / num_seeds:.3f}"
    return f'<td class="wrong" style="{style}" title="{escape(said)}">{escape(text)}</td>'


def _variant_headings(variants: Mapping[str, str], scope: str, least: float) -> dict[str, str]:
    """A heading for each variant, at `least` so many em wide, with its whole name to point at."""
    return {
        key: f'<th scope="{scope}" title="{escape(label)}" '
        f'style="--accent:{variant_color(key)};width:{_room(label, least):g}em;{BREAKS}">'
        f"<span>{escape(short_name(label))}</span></th>"
        for key, label in variants.items()
    }


def short_name(label: str) -> str:
    """A variant in a heading: as in a legend, "Group" or "Batch + L1"."""
    return re.sub(r"^(Batch|Group|Layer) norm\b", r"\1", label)


def _room(label: str, least: float) -> float:
    """How many em a heading is wide: its longest word, and a third of it, fit on a line."""
    name = short_name(label)
    letters = max(*map(len, name.split()), math.ceil(len(name) / 3))
    return min(max(round(0.6 * letters, 1), least), MOST_ROOM)


def overlap_table(frame: pd.DataFrame, *, variants: Mapping[str, str]) -> str:
    """How far the failures of each pair of variants agree, as a square of Jaccard indices.

    `frame` has `row, column` (variant keys), `both, either` (numbers of images, means if there are
    several seeds), `jaccard` in [0, 1] or NaN, and `pairs` (of runs that were compared, 0 where a
    variant has one seed and so nothing to compare it with), as `ui.failures_data.overlap` makes
    it. `variants` maps keys to labels.
    """
    cells = {(record["row"], record["column"]): record for record in frame.to_dict("records")}
    columns, rows = (_variant_headings(variants, scope, SHARE_ROOM) for scope in ("col", "row"))
    body = "".join(
        f"<tr>{rows[row]}{''.join(_overlap_cell(cells[row, column]) for column in variants)}</tr>"
        for row in variants
    )
    side = max(_room(label, SHARE_ROOM) for label in variants.values()) + 1
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Overlap of failures">'
        f'<table class="heat"><thead><tr><td style="width:{side:g}em"></td>'
        f"{''.join(columns.values())}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _overlap_cell(record: Mapping) -> str:
    share, pairs = record["jaccard"], int(record["pairs"])
    if not pairs:
        return '<td class="none" title="one seed only">–</td>'
    if share != share:
        return '<td class="none" title="neither fails on any image">–</td>'
    said = f"both fail on {record['both']:.4g} of {record['either']:.4g} images where one fails"
    said += f" (means over {pairs} pairs of runs)" if pairs > 1 else ""
    return f'<td class="shade" style="--share:{share:.3f}" title="{said}">{share:.2f}</td>'


def probability_table(
    frame: pd.DataFrame, *, variants: Mapping[str, str], class_names: Sequence[str]
) -> str:
    """What each variant says of one image: variants × classes, green where the label is true.

    `frame` has `variant` (key), `class` (name), `probability` in [0, 1] and `is_target` (bool, or
    None where the truth is not known: then no cell is green or orange). Probabilities below half a
    percent are left empty.
    """
    shown = {key: label for key, label in variants.items() if key in set(frame["variant"])}
    headings = {
        key: f'<th scope="row" style="{BREAKS}">{escape(label)}</th>'
        for key, label in shown.items()
    }
    cells = {key: frame[frame["variant"] == key].to_dict("records") for key in shown}
    names = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in class_names)
    rows = "".join(
        f"<tr>{headings[key]}{''.join(map(_probability_cell, cells[key]))}</tr>" for key in shown
    )
    words = " words" if are_words(class_names) else ""
    return (
        f'<table class="heat wide{words}"><thead><tr><td></td>{names}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _probability_cell(record: Mapping) -> str:
    share = record["probability"]
    colors = {True: RIGHT, False: WRONG, None: NEUTRAL}
    style = f"--share:{share:.3f};--accent:{colors[record['is_target']]}"
    text = format_percent(share) if share >= 0.005 else ""
    return f'<td class="shade" style="{style}" title="{share:.2%}">{text}</td>'
