"""What has changed on a page, for who cannot see it: a status line that screen readers speak."""

from __future__ import annotations

import functools
from collections.abc import Callable

import streamlit as st

CSS = (
    "div { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }"
)
JS = """
export default function ({ data, parentElement }) {
  let line = parentElement.querySelector("[role=status]");
  if (!line) {
    // What a page shows when it is opened is read as it stands.
    line = document.createElement("div");
    line.setAttribute("role", "status");
    line.said = data;
    parentElement.appendChild(line);
  }
  if (line.said !== data) line.textContent = line.said = data;
}
"""
PLACE = "announcer"
"""`ui/page.css` takes the container with this key out of the page's layout."""


@functools.cache
def _component() -> Callable:
    return st.components.v2.component("normlab_announce", css=CSS, js=JS)


def announcer() -> Callable[[str], None]:
    """Makes the line, one a page, always at the same place; returns what has a text spoken there.

    A text is spoken if it is another than in the run before, in which it may have been "".
    """
    place = st.container(key=PLACE)

    def announce(text: str) -> None:
        with place:
            _component()(data=text.replace("**", ""), key="announced")

    return announce
