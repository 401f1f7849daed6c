"""What moves when the table is changed: invariances, and batch norm's stored statistics."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core.analysis import by_hand, by_hand_changes
from core.analysis.by_hand_changes import CHANNEL, EVERYTHING, IMAGE, PARTS, Change
from core.analysis.by_hand_table import Table
from ui import address, byhand_html, state
from ui import charts_byhand as charts
from ui.byhand_table import Work
from ui.byhand_words import number
from ui.downloads import download_row
from ui.drawing import draw
from ui.live_slider import Move, Slider, sliders

PART_LABELS = {EVERYTHING: "Whole batch", IMAGE: "One image", CHANNEL: "One channel"}
KEPT, DRAWN = "kept", "drawn"
NEW_NUMBERS_SEED = 1_000
"""Of the numbers that replace an image's or a channel's."""
SLIDERS = {
    "factor": Slider("factor", "Multiply by a", -2, 4, 0.1, 1, prefix="×"),
    "constant": Slider("constant", "Add b", -10, 10, 0.5, 0),
    "steps": Slider("steps", "Training steps before and after", 1, 50, 1, 20),
}
CHOICES = {
    "factor": address.amount("factor", -2, 4, 2),
    "constant": address.amount("constant", -10, 10, 0),
    "steps": address.amount("steps", 1, 50, 20),
}
PART = address.one_of("change_part", list(PARTS))
NUMBERS = address.one_of("change_numbers", [KEPT, DRAWN])


def show(work: Work) -> None:
    """The change, what moves in each norm, and what batch norm stores meanwhile."""
    st.header("What moves, and what does not", anchor=False)
    change = _choose(work.table)
    _sliders()
    changed = change.apply(work.table, NEW_NUMBERS_SEED)
    steps = int(float(state.value(CHOICES["steps"].key)))
    batches = [work.table.values] * steps + [changed.values] * steps
    try:
        running = by_hand.running_statistics(batches)
    except ValueError:
        running = None
    stored = running.after(steps) if running else None
    found = by_hand_changes.movement(work.table, changed, stored, work.per_group, work.eps)
    draw(byhand_html.movement_tables(found), key="byhand-movement")
    st.caption(
        "The largest |Δy| of each block, image i and channel c, in units of y; a point where "
        "nothing moves. Batch norm in evaluation mode uses what it stored in "
        f"{steps} training steps on the unchanged table, for both."
    )
    if running is None:
        st.info(
            "Batch norm cannot be trained on this table: each channel has a single value, which is "
            "its own mean. Add images, rows or columns.",
            icon=":material/info:",
        )
        return
    _running(work, changed, running, steps)


def _choose(table: Table) -> Change:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        part = st.segmented_control(
            "Change", list(PARTS), required=True, format_func=PART_LABELS.__getitem__,
            **PART.widget(),
        )  # fmt: skip
        PART.settle(part, what="the change", shown=PART_LABELS[part].lower())
        if part == EVERYTHING:
            return Change(part, 0, *_factor_and_constant())
        count = table.shape[0 if part == IMAGE else 1]
        which = address.one_of(f"changed_{part}", [str(n + 1) for n in range(count)])
        options = [str(n + 1) for n in range(count)]
        chosen = st.selectbox(part.capitalize(), options, width=100, **which.widget())
        which.settle(chosen, what=part, shown=f"{part} {chosen}")
        numbers = st.segmented_control(
            "Its numbers", [KEPT, DRAWN], required=True,
            format_func={KEPT: "Keep", DRAWN: "Draw new ones"}.__getitem__, **NUMBERS.widget(),
        )  # fmt: skip
        NUMBERS.settle(numbers, what="numbers", shown="the table's own")
    return Change(part, int(chosen) - 1, *_factor_and_constant(), replaced=numbers == DRAWN)


def _factor_and_constant() -> tuple[float, float]:
    for name in CHOICES:
        CHOICES[name].widget()
    return float(state.value(CHOICES["factor"].key)), float(state.value(CHOICES["constant"].key))


def _sliders() -> None:
    values = {name: float(state.value(choice.key)) for name, choice in CHOICES.items()}
    for name, choice in CHOICES.items():
        shown = f"{SLIDERS[name].label.lower()} {SLIDERS[name].words(values[name])}"
        choice.settle(state.value(choice.key), what=f"{name} =", shown=shown)
    sliders({"": list(SLIDERS.values())}, values, key="byhand-sliders", on_move=take)


def take(move: Move) -> None:
    """Takes over what a slider reports; values that mean nothing are ignored."""
    for name, value in move.values.items():
        found = CHOICES[name].parse(str(value)) if name in CHOICES else None
        if found is not None:
            state.put(CHOICES[name].key, found)


def _running(work: Work, changed: Table, running: by_hand.Running, steps: int) -> None:
    """Stored μ and σ² over steps on the table and then on the changed one."""
    channel = work.cell[1]
    own = [by_hand.statistics(one.values, by_hand.BATCH, 1) for one in (work.table, changed)]
    batches = [(float(one.mean[0, channel]), float(one.var[0, channel])) for one in own]
    frame = charts.running_frame(running, [batches[0]] * steps + [batches[1]] * steps, channel)
    st.subheader(f"What batch norm stores of channel {channel + 1}", anchor=False)
    for column, measure in zip(st.columns(2), charts.KINDS, strict=True):
        chart = charts.running_chart(frame, measure)
        column.altair_chart(chart, key=f"running-{measure}", alt=_alt(frame, measure, steps))
    share = 100 * (1 - (1 - by_hand.MOMENTUM) ** steps)
    st.caption(
        f"Points: what is stored; dashed: the batch's own. {steps} training steps on the table, "
        f"then {steps} on the changed one; each moves what is stored by a tenth of the "
        f"difference, so {share:.0f} % of the way after {steps}. "
        "Stored is the variance divided by n − 1, so it heads for n / (n − 1) times the dashed "
        "one. Group, layer and instance norm store nothing: they are the same in both modes."
    )
    download_row(None, frame, "running-statistics")


def _alt(frame: pd.DataFrame, measure: str, steps: int) -> str:
    stored = frame[frame["source"] == "stored"][measure].to_numpy()
    told = ", ".join(
        f"{number(float(stored[step]))} after {step} steps" for step in np.array([0, 1, 2]) * steps
    )
    return f"Stored {charts.KINDS[measure]} by training step: {told}."
