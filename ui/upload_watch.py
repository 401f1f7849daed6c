"""The names of files that an uploader leaves out as too large: Streamlit tells no script of them.

The uploader shows them itself, but only until it gives way to a new one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import streamlit as st

from ui import state

JS = """
const watched = new WeakSet();

export default function ({ data, parentElement, setStateValue }) {
  if (watched.has(parentElement)) return;
  watched.add(parentElement);
  let last = [];
  const note = (event) => {
    if (!parentElement.isConnected || !event.target.closest(data.uploader)) return;
    const files = [...((event.dataTransfer ?? event.target).files ?? [])];
    const names = files.filter((file) => file.size > data.limit).map((file) => file.name);
    if (last.length || names.length) setStateValue("names", names);
    last = names;
  };
  for (const chosen of ["change", "drop"]) document.addEventListener(chosen, note, true);
}
"""


@functools.cache
def _component() -> Callable:
    return st.components.v2.component("normlab_upload_watch", js=JS)


def watch(uploader: str, limit: int, *, key: str) -> None:
    """Notes what is chosen in uploaders whose keys begin with `uploader`; `limit` is in bytes."""
    data = {"uploader": f'[class*="st-key-{uploader}"]', "limit": limit}
    _component()(data=data, key=key, on_names_change=lambda: None)


def left_out(key: str) -> list[str]:
    """Names of the files last chosen that were too large; they come from the browser."""
    return [str(name) for name in getattr(state.value(key), "names", None) or []]
