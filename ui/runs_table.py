"""The table of runs: what is looked for, and which rows are chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from ui import state
from ui.runs_data import STATES, Entry, count, dataset_words, filtered, run_rows

CHOSEN = "runs-chosen"
NUMBER = st.column_config.NumberColumn
TEXT = st.column_config.TextColumn
SOMETIMES = ("title", "reason", "recipe", "note")
"""Columns that are left out where no run has anything to show in them."""

HOW_TO_CHOOSE = (
    "Choose runs by the boxes on the left, to name, download, resume, open or delete them. By "
    "keyboard: the arrow keys lead to a row, Shift and Space choose it, Escape chooses none."
)


def choose(entries: Sequence[Entry]) -> list[Entry]:
    """Draws filters and table; the runs whose rows are chosen."""
    shown = _filter(entries)
    if not shown:
        st.info("No run fits what is looked for.", icon=":material/search_off:")
        return []
    event = st.dataframe(
        _shown_rows(shown),
        hide_index=True,
        # Rows are chosen by position: another list of runs is another table, and what was chosen
        # in the one before stays chosen in it.
        key=f"runs-{_digest(shown)}",
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": _kept_rows(shown)}},
        column_config=_columns(),
        placeholder="–",
        alt="One row per run: what was trained, its state, and the figures of its last epoch",
    )
    chosen = [shown[row] for row in event.selection.rows if row < len(shown)]
    state.put(CHOSEN, [entry.id for entry in chosen])
    st.caption(f"{_count(shown, entries)} {HOW_TO_CHOOSE}")
    return chosen


def _filter(entries: Sequence[Entry]) -> list[Entry]:
    there = {STATES[entry.run.state] for entry in entries}
    found_states = [word for word in STATES.values() if word in there]
    found_sets = sorted({dataset_words(entry.run) for entry in entries})
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        text = st.text_input(
            "Find",
            placeholder="Variant, name, note, device …",
            help="Shows the runs that hold every word somewhere.",
            width=260,
            **state.bound("find"),
        )
        states = _pills("State", found_states, "state")
        datasets = _pills("Data set", found_sets, "sets")
    return filtered(entries, text=text or "", states=states, datasets=datasets)


def _pills(label: str, options: list[str], name: str) -> list[str]:
    """What is chosen; asked only where there is a choice."""
    if len(options) < 2:
        return []
    return st.pills(label, options, selection_mode="multi", **state.bound(name))


def _digest(entries: Sequence[Entry]) -> str:
    return hashlib.sha256("\n".join(entry.id for entry in entries).encode()).hexdigest()[:12]


def _kept_rows(entries: Sequence[Entry]) -> list[int]:
    kept = state.value(CHOSEN, [])
    return [row for row, entry in enumerate(entries) if entry.id in kept]


def _shown_rows(entries: Sequence[Entry]) -> pd.DataFrame:
    rows = run_rows(entries)
    empty = [name for name in SOMETIMES if not rows[name].any()]
    one_source = ["source"] if rows["source"].nunique() == 1 else []
    return rows.drop(columns=[*empty, *one_source])


def _count(shown: Sequence[Entry], entries: Sequence[Entry]) -> str:
    if len(shown) < len(entries):
        return f"{len(shown)} of {count(entries)}."
    return f"{count(entries)}, the newest first."


def _columns() -> dict:
    return {
        "variant": TEXT("Variant", pinned=True),
        "seed": NUMBER("Seed", format="%d"),
        "dataset": "Data set",
        "title": "Name",
        "state": "State",
        "reason": "Why",
        "epochs": "Epochs",
        "accuracy_percent": NUMBER("Test accuracy (%)", format="%.2f"),
        "errors": NUMBER("Errors", format="%d"),
        "seconds": NUMBER("Training (s)", format="%.0f"),
        "recipe": TEXT("Unlike the published recipe"),
        "device": "Device",
        "created": moment("Begun"),
        "kilobytes": NUMBER("On disk (kB)", format="%.0f"),
        "note": "Note",
        "source": "Source",
        "folder": "Folder",
    }


def moment(label: str) -> ColumnConfig:
    """A column of moments, in the reader's own time zone."""
    return st.column_config.DatetimeColumn(
        label, format="YYYY-MM-DD HH:mm", timezone=st.context.timezone
    )
