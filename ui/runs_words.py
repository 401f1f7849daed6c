"""What became of the last thing done on the page of runs; it stands there until the next one."""

from __future__ import annotations

import streamlit as st

from ui import state
from ui.markdown import escape

SAID = "runs-said"
CHOSEN, IMPORT = "chosen", "import"


def say(place: str, done: str = "", refused: list[str] | None = None) -> None:
    """Keeps one line on what was done, and one for each thing refused, for `show(place)`."""
    state.put(SAID, (state.visit(), place, done, refused or []))


def show(place: str) -> None:
    """Draws the lines said there, until something else is done or the page is left."""
    visit, said_of, done, refused = state.value(SAID, (None, "", "", []))
    if (visit, said_of) != (state.visit(), place):
        return
    if done:
        st.success(escape(done), icon=":material/check:")
    for line in refused:
        st.error(escape(line), icon=":material/error:")
