"""Inline SVG on the page: `st.html` removes it, and an image would not follow the theme."""

from __future__ import annotations

import functools
from collections.abc import Callable

import streamlit as st

CSS = """
.drawing { color: var(--st-text-color); font-family: var(--st-font); }
.drawing [tabindex]:focus-visible { outline: 2px solid var(--st-primary-color); }
.drawing .scroll { overflow-x: auto; }
.drawing svg { display: block; width: 100%; }
.drawing h3 { margin: 0; font-size: 1.0625rem; font-weight: 600; }
.drawing .cube { max-width: 290px; margin: 0.5rem auto; }
.drawing dl { margin: 0; font-size: 0.875rem; line-height: 1.4; }
.drawing dl div { padding: 0.35rem 0; border-top: 1px solid var(--st-border-color); }
.drawing dt { color: color-mix(in srgb, var(--st-text-color) 72%, transparent); }
.drawing dd { margin: 0; }
"""
JS = """
export default function ({ data, parentElement }) {
  let box = parentElement.querySelector(".drawing");
  if (!box) {
    box = document.createElement("div");
    box.className = "drawing";
    parentElement.appendChild(box);
  }
  if (box.shown === data) return;
  const left = box.querySelector(".scroll")?.scrollLeft ?? 0;
  box.innerHTML = data;
  box.shown = data;
  if (left) box.querySelector(".scroll").scrollLeft = left;
}
"""


@functools.cache
def _component() -> Callable:
    return st.components.v2.component("normlab_drawing", css=CSS, js=JS)


def draw(html: str, *, key: str) -> None:
    """Shows `html`, which must be escaped; it takes the page's colours and font."""
    _component()(data=html, key=key)
