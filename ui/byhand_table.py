"""The table on the page and what is asked of it; the address carries all of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.analysis import by_hand
from core.analysis.by_hand_example import LAYERS, example
from core.analysis.by_hand_table import (
    LIMITS,
    MAX_CELLS,
    SHEET,
    Shape,
    Table,
    fits,
    from_text,
    random_table,
    resized,
    with_cell,
)
from core.errors import UsageError
from ui import address, byhand_grid, state
from ui.address import Choice
from ui.byhand_words import LABELS

FIRST_SEED, LAST_SEED = 1, 9_999
EPSILONS = {"1e-05": "1e−5", "0.001": "1e−3", "0": "0"}
REFUSED = "byhand-refused"
TOO_MANY = "byhand-too-many"
GRID = "byhand-grid"


def _canonical(text: str) -> str | None:
    found = from_text(text)
    return found.to_text() if found else None


TABLE = Choice("table", _canonical, random_table(SHEET, FIRST_SEED).to_text())
SEED = address.number("table_seed", LAST_SEED, FIRST_SEED)
NORM = address.one_of("norm", list(by_hand.KINDS), by_hand.GROUP)
EPS = address.one_of("eps", list(EPSILONS))


@dataclass(frozen=True)
class Work:
    """The table and how it is normalized; `cell` is (image, channel, row, column), from 0."""

    table: Table
    kind: str
    per_group: int
    eps: float
    cell: tuple[int, int, int, int]


def choose() -> Work:
    """Draws the choices and the table and returns what they come to."""
    table = _load()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = _choose_norm()
        per_group = _choose_per_group(table.shape[1])
        eps = _choose_eps()
    _size_and_numbers(table)
    cell = _cell(table.shape)
    byhand_grid.grid(
        table,
        kind=kind,
        per_group=per_group,
        eps=eps,
        cell=int(np.ravel_multi_index(cell, table.shape)),
        refused=state.value(REFUSED, {}),
        key=GRID,
        on_change=take,
    )
    return Work(table, kind, per_group, eps, cell)


def _load() -> Table:
    TABLE.widget()
    text = state.value(TABLE.key)
    TABLE.settle(text, what="the table", shown="a table of four images × four channels × 2×2")
    table = from_text(text)
    assert table is not None
    return table


def _choose_norm() -> str:
    chosen = st.segmented_control(
        "Normalization",
        list(by_hand.KINDS),
        required=True,
        format_func=LABELS.__getitem__,
        help="Cells of one colour and one index under μ share a mean and a variance.",
        **NORM.widget(),
    )
    NORM.settle(chosen, what="the normalization", shown=LABELS[chosen].lower())
    return chosen


def _choose_per_group(channels: int) -> int:
    options = [str(n) for n in range(1, channels + 1) if channels % n == 0]
    choice = address.one_of("per_group", options, "2" if "2" in options else options[-1])
    chosen = st.selectbox(
        "Channels per group",
        options,
        width=150,
        help="For group norm: with all channels in one group it is layer norm, with one channel "
        "in each it is instance norm.",
        **choice.widget(),
    )
    choice.settle(chosen, what="channels per group:", shown=f"{chosen} of {channels} channels")
    return int(chosen)


def _choose_eps() -> float:
    chosen = st.selectbox(
        "ε",
        list(EPSILONS),
        width=90,
        format_func=EPSILONS.__getitem__,
        help="Added to the variance before the root. With ε = 0, values without spread have no "
        "normalized value: 0 / 0.",
        **EPS.widget(),
    )
    EPS.settle(chosen, what="ε =", shown=f"ε = {EPSILONS[chosen]}")
    return float(chosen)


def _size_and_numbers(table: Table) -> None:
    """The shape of the table, and where its numbers come from."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for (name, limit), size in zip(LIMITS.items(), table.shape, strict=True):
            state.put(_size_key(name), size)
            st.number_input(
                name.capitalize(), 1, limit, step=1, width=125, key=_size_key(name),
                on_change=_resize,
            )  # fmt: skip
        seed = st.number_input(
            "Random seed", 0, LAST_SEED, "min", step=1, width=125, on_change=_draw, **SEED.widget()
        )
        SEED.settle(int(seed), what="seed", shown=f"seed {seed}")
        st.button(
            "Draw numbers",
            icon=":material/casino:",
            on_click=_draw,
            help="Whole numbers from 0 to 9; the seed says which. Another seed draws at once.",
        )
        for layer in LAYERS:
            st.button(
                f"Example, layer {layer}",
                on_click=_put,
                args=[example(layer)],
                help="Four images × four channels × 2×2 values, as in the coursework's "
                "spreadsheet; see below.",
            )
    if wanted := state.value(TOO_MANY):
        st.warning(
            f"{wanted} are {np.prod(_sizes(wanted)):,} values, and a table shows at most "
            f"{MAX_CELLS}: make another side smaller first.",
            icon=":material/grid_off:",
        )


def _sizes(words: str) -> list[int]:
    return [int(size) for size in words.split(" × ")]


def _size_key(name: str) -> str:
    return f"byhand-{name}"


def _resize() -> None:
    wanted = tuple(int(state.value(_size_key(name))) for name in LIMITS)
    if not fits(wanted):
        state.put(TOO_MANY, " × ".join(map(str, wanted)))
        return
    old = from_text(state.value(TABLE.key))
    assert old is not None and len(wanted) == 4
    _put(resized(old, wanted, int(state.value(SEED.key))))


def _draw() -> None:
    old = from_text(state.value(TABLE.key))
    assert old is not None
    _put(random_table(old.shape, int(state.value(SEED.key))))


def _put(table: Table) -> None:
    state.put(TABLE.key, table.to_text())
    state.put(REFUSED, {})
    state.put(TOO_MANY, None)


def _cell_choice(shape: Shape) -> Choice:
    def parse(text: str) -> str | None:
        numbers = text.split(".")
        inside = re.fullmatch(r"[1-8](\.[1-8]){3}", text) and all(
            int(number) <= size for number, size in zip(numbers, shape, strict=True)
        )
        return text if inside else None

    return Choice("cell", parse, "1.1.1.1")


def _cell(shape: Shape) -> tuple[int, int, int, int]:
    choice = _cell_choice(shape)
    choice.widget()
    chosen = state.value(choice.key)
    choice.settle(chosen, what="the cell", shown="the first cell")
    image, channel, row, column = (int(part) - 1 for part in chosen.split("."))
    return image, channel, row, column


def take(changed: byhand_grid.Changed) -> None:
    """Takes over what was written into cells, and which cell is looked at."""
    table = from_text(state.value(TABLE.key))
    assert table is not None
    refused = dict(state.value(REFUSED, {}))
    for name, text in changed.edits.items():
        try:
            table = with_cell(table, name, text)
            refused.pop(name, None)
        except UsageError as error:
            refused[name] = (text[:40], f"{cell_words(name, table.shape)}: {error}")
        except KeyError:  # the table has become smaller in the meantime
            continue
    state.put(TABLE.key, table.to_text())
    state.put(REFUSED, refused)
    place = changed.cell[1:]
    if changed.cell[:1] == "v" and place.isdecimal() and int(place[:9]) < table.values.size:
        parts = np.unravel_index(int(place[:9]), table.shape)
        state.put(_cell_choice(table.shape).key, ".".join(str(int(part) + 1) for part in parts))


def cell_words(name: str, shape: Shape) -> str:
    """A cell of `core.analysis.by_hand_table.with_cell` in words."""
    place = int(name[1:])
    if name[0] != "v":
        return f"{'γ' if name[0] == 'g' else 'β'} of channel {place + 1}"
    image, channel, row, column = (int(part) + 1 for part in np.unravel_index(place, shape))
    return f"Image {image}, channel {channel}, row {row}, column {column}"
