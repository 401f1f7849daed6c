"""What became of the last thing done on the page of runs; it stands there until the next one."""

from __future__ import annotations

import streamlit as st

from ui import state

SAID = "runs-said"


def say(done: str = "", refused: list[str] | None = None) -> None:
    """Keeps one line on what was done, and one for each thing that was refused, for `show`."""
    state.put(SAID, (state.visit(), done, refused or []))


def show() -> None:
    """Draws the lines, as long as the page is not left."""
    visit, done, refused = state.value(SAID, (None, "", []))
    if visit != state.visit():
        return
    if done:
        st.success(done, icon=":material/check:")
    for line in refused:
        st.error(line, icon=":material/error:")
