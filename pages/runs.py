"""Runs: everything trained here, to be named, noted, kept as a file, brought in or deleted."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import sidebar

selection = sidebar.render()

st.title("Runs")
