"""Runs: everything trained here, to be named, noted, kept as a file, brought in or deleted."""

import sys
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import streamlit as st

from ui import (
    runs_actions,
    runs_import,
    runs_jobs,
    runs_listing,
    runs_table,
    runs_words,
    sidebar,
    state,
)

selection = sidebar.render()

st.title("Runs")
st.write("Which networks were trained here, how did they turn out, and what shall become of them?")
table = st.container()
st.header("Import", anchor=False)
runs_import.uploader()
runs_import.work()  # before the table, which then shows what was added
runs_words.show(runs_words.IMPORT)

jobs = runs_listing.jobs_here()
own = runs_listing.made_here(jobs)
with table:
    if not own:
        runs_listing.say_what_to_do(selection.dataset)
    with_shipped = st.toggle("Shipped runs too", **state.bound("shipped"))
    entries = [*own, *(runs_listing.shipped() if with_shipped else [])]
    chosen = runs_table.choose(entries) if entries else []
    runs_words.show(runs_words.CHOSEN)
    runs_actions.show(chosen)
runs_jobs.show(jobs)
runs_listing.follow(runs_listing.signature(own, jobs))
