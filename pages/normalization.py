"""Normalization by hand: which values share a mean, worked out on a table and on real layers."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import (
    byhand_network,
    byhand_view,
    dataset_download,
    explain_choice,
    failures_view,
    sidebar,
)

selection = sidebar.render()

st.title("Normalization by hand")
st.write("Which values share a mean and a variance, and what does each normalization make of them?")
byhand_view.show()
st.header("The same in a trained network", anchor=False)
sidebar.stop_without_runs(selection)
view = failures_view.load(selection)
subject = explain_choice.choose(
    view, pictures=explain_choice.ALL, purpose="see what the layer makes of it"
)
if view.images is None:
    dataset_download.offer(view.status, "no layer can be followed")
byhand_network.show(subject)
