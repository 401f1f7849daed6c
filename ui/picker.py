"""HTML whose buttons report which of them was pressed: digit grids and clickable tables.

Plain `st.html` cannot answer a click and a Streamlit button per image takes seconds to draw; this
component shows the HTML of `ui/images.py` at once and stays usable with the keyboard.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from ui import state

JS = """
function bringIntoView(scroll, current) {
  if (!scroll || !current) return;
  const [outer, inner] = [scroll.getBoundingClientRect(), current.getBoundingClientRect()];
  scroll.scrollLeft += inner.left - outer.left - outer.width / 2 + inner.width / 2;
}

export default function ({ data, parentElement, setTriggerValue }) {
  let box = parentElement.querySelector(".picker");
  if (!box) {
    box = document.createElement("div");
    box.className = "picker";
    parentElement.appendChild(box);
  }
  if (box.shown !== data) {
    // Redrawing loses focus and scroll position, so both are put back.
    const focused = parentElement.activeElement?.dataset?.pick;
    const before = box.querySelector(".scroll");
    const [left, top] = [before?.scrollLeft ?? 0, before?.scrollTop ?? 0];
    box.innerHTML = data;
    box.shown = data;
    box.querySelector(".scroll")?.scrollTo(left, top);
    if (!before) bringIntoView(box.querySelector(".scroll"), box.querySelector("[aria-current]"));
    if (focused) box.querySelector(`[data-pick="${focused}"]`)?.focus({ preventScroll: true });
  }
  box.onclick = (event) => {
    const button = event.target.closest("[data-pick]");
    if (button) setTriggerValue("picked", button.dataset.pick);
  };
}
"""


@functools.cache
def _component() -> Callable:
    css = Path(__file__).with_name("picker.css").read_text(encoding="utf-8")
    return st.components.v2.component("normlab_picker", css=css, js=JS)


def pick(html: str, *, key: str, on_pick: Callable[[str], None] | None = None) -> None:
    """Shows `html`, which must be escaped; calls `on_pick` with a pressed button's `data-pick`.

    `on_pick` runs before the page's next run, so it may change what widgets hold.
    """

    def report() -> None:
        picked = state.value(key).picked
        if picked and on_pick:
            on_pick(picked)

    _component()(data=html, key=key, on_picked_change=report)
