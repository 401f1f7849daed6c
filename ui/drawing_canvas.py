"""A board to draw on with mouse, finger, pen or keys, which reports while something is drawn.

Like the live sliders it never reports before the page has answered its last report.
"""

from __future__ import annotations

import base64
import binascii
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from ui import state

PREFIX = "data:image/png;base64,"


@dataclass(frozen=True)
class Drawing:
    """`content` is a PNG, light ink on black, b"" if nothing is drawn; `strokes` are what the
    board needs to go on with it."""

    content: bytes = b""
    strokes: tuple[Any, ...] = ()


@functools.cache
def _component() -> Callable:
    here = Path(__file__)
    css, js = (here.with_suffix(end).read_text(encoding="utf-8") for end in (".css", ".js"))
    return st.components.v2.component("normlab_drawing_canvas", css=css, js=js)


def drawing_canvas(drawing: Drawing, *, key: str, on_draw: Callable[[Drawing], None]) -> None:
    """Shows the board; `drawing` is what it starts with when the page is opened.

    Call it after what must follow every stroke, see `live_slider.sliders`. `on_draw` runs before
    the page's next run; what it is told comes from the browser, so the content is not yet known to
    be a picture.
    """

    def report() -> None:
        if drawn := state.value(key).drawn:
            on_draw(Drawing(decode(str(drawn["png"])), tuple(drawn["strokes"])))

    last = getattr(state.value(key), "drawn", None)
    data = {"strokes": list(drawing.strokes), "answered": last["count"] if last else 0}
    _component()(data=data, key=key, on_drawn_change=report)


def decode(url: str) -> bytes:
    """The content of a PNG's data URL, b"" if it is none."""
    try:
        return base64.b64decode(url.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return b""
