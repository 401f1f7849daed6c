"""The pictures that were not taken, each with its reason in one line; no Markdown in names."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import streamlit as st

MANY = 8
"""Lines above which the list scrolls."""


def show_refusals(refused: Mapping[str, str], num_pictures: int) -> None:
    """`refused` maps names, which come from users, to the reasons."""
    if not refused:
        return
    others = "" if len(refused) == num_pictures else " The others go on."
    st.warning(
        f"{len(refused)} of {num_pictures} pictures cannot be used.{others}",
        icon=":material/warning:",
    )
    st.html(refusals_html(refused))


def refusals_html(refused: Mapping[str, str]) -> str:
    """A list that scrolls, with the keyboard too, where there are many."""
    items = "".join(
        f"<li><b>{escape(name)}</b>: {escape(reason)}</li>" for name, reason in refused.items()
    )
    height = "max-height:24rem;overflow:auto;" if len(refused) > MANY else ""
    return (
        f'<ul tabindex="0" aria-label="Pictures that cannot be used" style="{height}'
        f'overflow-wrap:anywhere;margin:0;padding-left:1.25rem">{items}</ul>'
    )
