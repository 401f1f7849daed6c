"""Transplants: the weights of one variant under the normalization of another."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import dataset_download, failures_view, sidebar, transplants_view

selection = sidebar.render()

st.title("Transplants")
st.write(
    "Does what a network has learned sit in its weights alone? What do the weights of one variant "
    "do under the normalization of another?"
)
sidebar.stop_without_runs(selection)
view = failures_view.load(selection)
found = transplants_view.load(view)
if view.images is None:
    dataset_download.offer(view.status, "nothing new can be computed and flips have no pictures")
if found is not None:
    chosen = transplants_view.show_matrix(found, view)
    transplants_view.show_flips(found, view, chosen)
