"""Inside: what each normalization layer does to one image, and how weights and gradients flow."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import (
    dataset_download,
    explain_choice,
    failures_view,
    inside_flow,
    inside_view,
    sidebar,
)

selection = sidebar.render()

st.title("Inside")
st.write(
    "What does each normalization layer do to an image, and how large are weights and gradients "
    "on their way through the network?"
)
sidebar.stop_without_runs(selection)
view = failures_view.load(selection)
subject = explain_choice.choose(view, purpose="follow it through the networks")
if view.images is None:
    what = "no image" if subject.image is None else "no image but yours"
    dataset_download.offer(view.status, f"{what} can be followed through the networks")
inside_view.show(subject)
inside_flow.show(view)
