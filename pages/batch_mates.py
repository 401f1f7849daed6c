"""Batch mates: what a network makes of an image when other images stand beside it."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import (
    batch_answers,
    batch_choice,
    batch_flip,
    batch_reestimation,
    batch_sizes,
    dataset_download,
    failures_view,
    sidebar,
)

selection = sidebar.render()

st.title("Batch mates")
st.write(
    "Does the answer depend on which other images are in the batch? In training mode batch norm "
    "takes mean and variance from all of them; group and layer norm from the image alone."
)
sidebar.stop_without_runs(selection)
view = failures_view.load(selection)
if view.images is None:
    dataset_download.offer(view.status, "no network can be asked about a batch")
    st.stop()
company = batch_choice.choose(view)
if batch_answers.show(company):
    batch_sizes.show(company)
    batch_flip.show(company)
    batch_reestimation.show(company)
