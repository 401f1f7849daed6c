"""The editable table of values, whose cells show what they are normalized with.

Pointing at a cell or reaching it with the keyboard marks in the browser, at once, every cell that
shares its mean. What it shows is computed here; what is written into a cell is sent back as text.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st

from core.analysis import by_hand
from core.analysis.by_hand_table import Table
from ui import state
from ui.byhand_words import LABELS, counted, number, place_of, scope

TINTS = 6


@dataclass(frozen=True)
class Changed:
    """What the browser reports: texts by cell, as `core.analysis.by_hand_table.with_cell` names
    them, and the cell that is looked at. Nothing of it is checked.
    """

    edits: Mapping[str, str]
    cell: str


@functools.cache
def _component() -> Callable:
    here = Path(__file__)
    css, js = (here.with_suffix(end).read_text(encoding="utf-8") for end in (".css", ".js"))
    return st.components.v2.component("normlab_byhand", css=css, js=js)


def grid(
    table: Table,
    *,
    kind: str,
    per_group: int,
    eps: float,
    cell: int,
    refused: Mapping[str, tuple[str, str]],
    key: str,
    on_change: Callable[[Changed], None],
) -> None:
    """Shows `table`, coloured by what `kind` averages; `cell` is the value looked at, flattened.

    `refused` maps a cell to a text that is no number and to what is wrong with it. `on_change` runs
    before the page's next run.
    """

    def report() -> None:
        if changed := state.value(key).changed:
            edits = {str(name): str(text) for name, text in changed["edits"].items()}
            on_change(Changed(edits, str(changed["cell"])))

    last = getattr(state.value(key), "changed", None)
    data = {
        "shape": list(table.shape),
        "cells": cells(table),
        "words": [number(value, 6) for value in table.values.flat],
        "norms": [norm_data(table, one, per_group, eps) for one in by_hand.KINDS],
        "chosen": kind,
        "cell": f"v{cell}",
        "refused": {name: text for name, (text, _) in refused.items()},
        "said": " ".join(said for _, said in refused.values()),
        "answered": last["count"] if last else 0,
    }
    _component()(data=data, key=key, on_changed_change=report)


def cells(table: Table) -> dict[str, str]:
    """Every cell's text by its name: values v0, v1, …, γ g0, … and β b0, …"""
    parts = {"v": table.values, "g": table.gamma, "b": table.beta}
    return {
        f"{part}{place}": f"{value:.6g}"
        for part, array in parts.items()
        for place, value in enumerate(array.flat)
    }


def norm_data(table: Table, kind: str, per_group: int, eps: float) -> dict:
    """What the table shows of one norm: sets per block, figures per set and per value, as texts."""
    images, channels = table.shape[:2]
    found = by_hand.statistics(table.values, kind, per_group)
    done = by_hand.normalize(table.values, found, table.gamma, table.beta, eps)
    numbers = by_hand.sets(kind, images, channels, per_group)
    blocks = [divmod(int(np.argmax(numbers == one)), channels) for one in range(found.mean.size)]
    width = found.mean.shape[1]
    return {
        "key": kind,
        "label": LABELS[kind],
        "sets": numbers.ravel().tolist(),
        "index": [place_of(kind, *block, per_group) for block in blocks],
        "over": [_sentence(scope(kind, *block, table.shape, per_group)) for block in blocks],
        # Sets beside and below each other differ in colour.
        "tints": [(one % width + 2 * (one // width)) % TINTS for one in range(len(blocks))],
        "count": counted(found.count, "value"),
        "mean": [number(value) for value in found.mean.flat],
        "variance": [number(value) for value in found.var.flat],
        "xhat": [number(value) for value in done.xhat.flat],
        "y": [number(value) for value in done.y.flat],
    }


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
