"""Curves: how loss and accuracy went during training, beside the published curves."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import curves_insights, curves_view, resources, sidebar
from ui.curves_data import all_epochs

selection = sidebar.render()

st.title("Curves")
st.write("How did loss and accuracy of each variant go during training, epoch by epoch?")
sidebar.stop_without_runs(selection)

rows = all_epochs(
    [
        (variant, run.seed, resources.metrics(run))
        for variant, runs in selection.by_variant.items()
        for run in runs
    ]
)
choice = curves_view.controls(selection, last_epoch=int(rows["epoch"].max()))
rows = rows[rows["variant"].isin(choice.variants)]
if rows.empty or not choice.quantities:
    st.info("Choose at least one quantity and one variant.", icon=":material/info:")
    st.stop()

curves_view.caption(choice, selection)
curves_view.figures(choice, rows)
curves_insights.show(selection, choice)
