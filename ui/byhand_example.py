"""The coursework's spreadsheet: its layout, its mistake and the correction."""

from __future__ import annotations

import streamlit as st

from core.analysis import by_hand_example
from ui import byhand_html
from ui.drawing import draw

LAYER = "N+1"


def show() -> None:
    """What goes wrong when the means average other rows than the variances."""
    st.header("The mistake in the coursework's spreadsheet", anchor=False)
    st.write(
        "The spreadsheet computes four images × four channels × 2×2 values at two layers, with the "
        "rows of the images below each other. In layer N+1 the group means of the fourth image "
        "average the wrong rows, half of them of image 3, while the variances take the right ones. "
        "**The numbers here are not the published ones**: they are drawn with a seed, and the "
        "mistake is made on them in the same place."
    )
    frame = by_hand_example.group_means(by_hand_example.example(LAYER).values)
    draw(byhand_html.example_table(frame), key="byhand-example")
    st.caption(
        "Image 4 of layer N+1, two channels per group. A right mean leaves normalized values whose "
        "mean is 0 and whose mean square is 1, but for ε. The straddling rows are the last row of "
        "image 3 and the first of image 4. “Example, layer N+1” above loads the numbers."
    )
