"""Failures: which test images each variant gets wrong, and who else does."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import (
    failures_causes,
    failures_compare,
    failures_filters,
    failures_grid,
    failures_view,
    sidebar,
)

selection = sidebar.render()

st.title("Failures")
st.write(
    "Which test images does each variant get wrong, what does it take them for, "
    "and do the other variants fail there too?"
)
sidebar.stop_without_runs(selection)
view = failures_view.load(selection)

variant = failures_view.choose_variant(view)
summary = st.container()
failures_view.offer_images(view)
with st.container(horizontal=True, vertical_alignment="bottom"):
    seed = failures_view.choose_seed(view, variant)
    shown = failures_filters.filters(view, variant, seed)
with summary:
    failures_view.headline(view, variant, seed)

left, right = st.columns([3, 2], gap="large")
with left:
    failures_grid.grid(view, variant, seed, shown)
with right:
    failures_grid.confusion(view, variant, seed)
    failures_compare.classes(view, variant)
    failures_compare.one_image(view, variant, seed)

failures_compare.who_fails_where(view)
failures_causes.show(view)
