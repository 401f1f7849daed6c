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
    """`content` is a PNG, light ink on black, b"" if nothing is drawn.

    `strokes` are what the board needs to go on with it; `count` numbers what the board has sent.
    """

    content: bytes = b""
    strokes: tuple[Any, ...] = ()
    count: int = 0


@functools.cache
def _component() -> Callable:
    here = Path(__file__)
    css, js = (here.with_suffix(end).read_text(encoding="utf-8") for end in (".css", ".js"))
    return st.components.v2.component("normlab_drawing_canvas", css=css, js=js)


def drawing_canvas(drawing: Drawing, *, key: str, on_draw: Callable[[Drawing], None]) -> None:
    """Shows the board; `drawing` is what was drawn last, with which it starts on an opened page.

    Call it after what must follow every stroke, see `live_slider.sliders`. `on_draw` runs before
    the page's next run, at first with an empty drawing when a pointer or the keyboard comes near;
    what it is told comes from the browser, so the content is not yet known to be a picture.
    """

    def report() -> None:
        if drawn := state.value(key).drawn:
            on_draw(Drawing(decode(str(drawn["png"])), tuple(drawn["strokes"]), drawn["count"]))

    data = {"strokes": list(drawing.strokes), "answered": drawing.count}
    _component()(data=data, key=key, on_drawn_change=report)


def decode(url: str) -> bytes:
    """The content of a PNG's data URL, b"" if it is none."""
    try:
        return base64.b64decode(url.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return b""
