"""The way of a picture to 28×28 in pictures, so that one sees where a misreading starts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st

from ui import own_images
from ui.images import png_data_url
from ui.own_images import OwnImage
from ui.picker import pick

STEPS = {
    "grey": ("In grey", "the picture as it came, in grey levels"),
    "evened": ("Light evened out", "uneven light and shadows taken out"),
    "inverted": ("Inverted", "light and dark exchanged"),
    "ink": ("Ink alone", "the ink light on black, without specks"),
    "cropped": ("Cropped", "the part with this digit"),
    "centred": ("28×28", "28 by 28 pixels, as the networks see it"),
}
"""Name of a step → its label, and what its picture shows."""
FEW_PIXELS = 64
"""Longest side of pictures that are shown with visible pixels."""


def show(own: OwnImage, owns: Sequence[OwnImage]) -> None:
    """The steps to `own`; where its picture holds several digits, pressing one of them shows it."""
    if not own.digits:
        return
    first = owns.index(own) - own.place  # a picture's digits follow each other

    def choose(picked: str) -> None:
        own_images.choose(owns[first + int(picked)])

    number = len(own.digits)
    found = f": {number} digits found. Press one." if number > 1 else ""
    st.caption(f"From the picture to 28×28{found}")
    pick(steps_html(own), key="predict-steps", on_pick=choose)
    for notice in own.notices:
        st.caption(notice)


def steps_html(own: OwnImage) -> str:
    """Every step as a labelled picture; on the first one a button for each digit, if several."""
    steps = {**own.digits[own.place].steps}
    steps.setdefault("centred", own.image)
    figures = []
    for name, levels in steps.items():
        label, said = STEPS[name]
        boxes = _boxes(own, levels.shape) if name == "grey" and len(own.digits) > 1 else ""
        figures.append(
            f"<li><figure><figcaption>{label}</figcaption>"
            f"<div>{_picture(levels, f'{own.name}: {said}')}{boxes}</div></figure></li>"
        )
    return f'<ol class="steps">{"".join(figures)}</ol>'


def _picture(levels: np.ndarray, alt: str) -> str:
    kind = "" if max(levels.shape) <= FEW_PIXELS else ' class="smooth"'
    return f'<img{kind} src="{png_data_url(levels)}" alt="{escape(alt)}">'


def _boxes(own: OwnImage, shape: tuple[int, ...]) -> str:
    """A button around each digit, placed in percent of the picture (height, width)."""
    height, width = shape
    buttons = []
    for number, digit in enumerate(own.digits):
        if digit.box is None:
            continue
        top, left, bottom, right = digit.box
        place = (
            f"left:{100 * left / width:.2f}%;top:{100 * top / height:.2f}%;"
            f"width:{100 * (right - left) / width:.2f}%;height:{100 * (bottom - top) / height:.2f}%"
        )
        pressed = "true" if number == own.place else "false"
        buttons.append(
            f'<button type="button" data-pick="{number}" style="{place}" aria-pressed="{pressed}" '
            f'aria-label="Digit {number + 1} of {len(own.digits)}"></button>'
        )
    return "".join(buttons)
