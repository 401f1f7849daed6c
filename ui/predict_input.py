"""The ways in: a drawing, files, the camera or samples, all read by the same gate."""

from __future__ import annotations

import streamlit as st

from ui import own_images, predict_view
from ui.own_images import OwnImage
from ui.state import Selection


@st.fragment
def show(selection: Selection) -> None:
    """What was brought and what the networks say of it; a stroke runs only this part again."""
    owns = [own_images.labelled(own) for own in choose(selection)]
    if owns:
        predict_view.show(selection, owns)


def choose(selection: Selection) -> list[OwnImage]:
    """Every digit that the chosen way has brought, in order."""
    return []
