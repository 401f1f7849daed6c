"""Overview: the variants side by side, and which of their differences are real."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from core.analysis.resolution_sentence import judged
from ui import nuisance_greeting, nuisance_settings, overview_view, resources, sidebar
from ui.chart_titles import runs_in_file_name
from ui.overview_data import how_made, run_table, variant_table

selection = sidebar.render()

st.title("Overview")
st.write(
    "Which of the variants classifies best, and which of the differences between them are "
    "larger than chance?"
)
sidebar.stop_without_runs(selection)

variants = variant_table(selection.by_variant)
runs = run_table(selection.runs)
files = runs_in_file_name(selection.dataset, selection.by_variant)

verdict = st.container(border=True, key="verdict")
greeting = st.container()
overview_view.accuracies(variants, runs, files)
overview_view.side_by_side(variants)
with verdict, st.spinner("Comparing all pairs of variants…"):
    pairs = judged(resources.compare(selection.by_variant), how_made(selection.by_variant))
    overview_view.verdict(pairs, selection)
overview_view.pair_matrix(pairs, files)
overview_view.single_runs(runs)
overview_view.explanation(selection)
nuisance_settings.rest()
with greeting:
    nuisance_greeting.show(selection)
