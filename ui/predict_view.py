"""What the six variants say of a user's own images: one of them at length, many as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from ui.own_images import OwnImage
from ui.state import Selection


@st.fragment
def show(
    selection: Selection, owns: Sequence[OwnImage], refused: Mapping[str, str] | None = None
) -> None:
    """The answers to `owns`; `refused` maps the names of what was not taken to the reasons."""
