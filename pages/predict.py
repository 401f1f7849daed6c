"""Predict: what all variants make of a digit that the user brings."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import predict_input, sidebar

selection = sidebar.render()

st.title("Predict")
st.write("What do all variants make of your own digit?")
sidebar.stop_without_runs(selection)
predict_input.show(selection)
