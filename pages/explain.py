"""Explain: why one image fails under one normalization, and what the others did with it."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import (
    dataset_download,
    explain_choice,
    explain_diagnosis,
    explain_maps,
    explain_nuisance,
    explain_verdict,
    failures_view,
    sidebar,
)

selection = sidebar.render()

st.title("Explain")
st.write(
    "Why did this image fail under this normalization, and what did the other variants see in it?"
)
sidebar.stop_without_runs(selection)
view = failures_view.load(selection)
subject = explain_choice.choose(view)
explain_verdict.show(subject)
if view.images is None:
    what = "are no maps and no" if subject.image is None else "is no"
    dataset_download.offer(view.status, f"there {what} diagnosis of a network")
explain_maps.show(subject)
explain_diagnosis.show(subject)
explain_nuisance.show(subject)
