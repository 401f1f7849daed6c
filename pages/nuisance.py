"""Nuisance: what contrast, noise, shifts and the like do to one image and to all of them."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import (
    dataset_download,
    explain_choice,
    failures_view,
    nuisance_settings,
    nuisance_view,
    robustness_view,
    sidebar,
)

selection = sidebar.render()

st.title("Nuisance")
st.write(
    "Which change of an image that leaves its meaning alone does each normalization bear, and "
    "which makes it fail?"
)
sidebar.stop_without_runs(selection)
view = failures_view.load(selection)
subject = explain_choice.choose(view, pictures=explain_choice.ALL, purpose="change it")
if view.images is None:
    what = "no image" if subject.image is None else "no image but yours"
    dataset_download.offer(view.status, f"{what} can be changed here")
nuisance_settings.rest()
nuisance_view.show(subject, selection)
st.header("Every corruption, every variant", anchor=False)
robustness_view.table(selection)
