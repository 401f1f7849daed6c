"""Curves: how loss and accuracy went during training, beside the published curves."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import curves_live, curves_view, sidebar

selection = sidebar.render()

st.title("Curves")
st.write("How did loss and accuracy of each variant go during training, epoch by epoch?")
shown = curves_live.join(selection)
curves_live.watch(selection, shown)
if not shown.runs:
    sidebar.stop_without_runs(selection)

choice = curves_view.controls(shown, last_epoch=max(run.epochs for run in shown.runs))
if not choice.variants or not choice.quantities:
    st.info("Choose at least one quantity and one variant.", icon=":material/info:")
    st.stop()

curves_view.caption(choice, shown)
curves_live.draw(selection, shown, choice)
