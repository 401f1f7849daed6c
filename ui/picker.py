"""HTML whose buttons report which of them was pressed: digit grids and clickable tables.

Plain `st.html` cannot answer a click and a Streamlit button per image takes seconds to draw; this
component shows the HTML of `ui/images.py` at once. The keyboard comes to it with one Tab, goes from
button to button with the arrow keys, Home and End, and leaves it with the next Tab.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from ui import state


@functools.cache
def _component() -> Callable:
    css, js = (Path(__file__).with_suffix(kind).read_text("utf-8") for kind in (".css", ".js"))
    return st.components.v2.component("normlab_picker", css=css, js=js)


def pick(html: str, *, key: str, on_pick: Callable[[str], None] | None = None) -> None:
    """Shows `html`, which must be escaped; calls `on_pick` with a pressed button's `data-pick`.

    `on_pick` runs before the page's next run, so it may change what widgets hold.
    """

    def report() -> None:
        picked = state.value(key).picked
        if picked and on_pick:
            on_pick(picked)

    _component()(data=html, key=key, on_picked_change=report)
