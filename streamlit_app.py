"""NormLab's entry: navigation over pages/, nothing else."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import get_script_run_ctx


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[None]:
    """Makes a page's own address work as the first request to a fresh server, and fast.

    Until the first `st.navigation` call, Streamlit would take pages/ for its older page discovery.
    Slow imports come first, where they do not compete with the browser for the cores.
    """
    PagesManager.uses_pages_directory = False
    importlib.import_module("scipy.special")
    importlib.import_module("ui.overview_view")  # and with it pandas and altair
    importlib.import_module("ui.nuisance_greeting")
    importlib.import_module("ui.sidebar")
    importlib.import_module("streamlit.emojis")  # 0.1 s; asked whether the page's icon is one
    yield


def main() -> None:
    """Runs the page that the address names."""
    st.set_page_config(page_icon="🔢")  # else the browser would fetch the page's icon from the web
    overview = "pages/overview.py"
    page = st.navigation(
        [
            st.Page(
                overview,
                default=True,
                title="Overview",
                url_path="home",
                icon=":material/compare_arrows:",
            ),
            st.Page("pages/curves.py", title="Curves", icon=":material/show_chart:"),
            st.Page("pages/parameters.py", title="Parameters", icon=":material/account_tree:"),
            st.Page("pages/failures.py", title="Failures", icon=":material/grid_view:"),
            st.Page("pages/predict.py", title="Predict", icon=":material/draw:"),
            st.Page("pages/explain.py", title="Explain", icon=":material/search_insights:"),
            st.Page("pages/nuisance.py", title="Nuisance", icon=":material/tune:"),
            st.Page("pages/batch_mates.py", title="Batch mates", icon=":material/groups:"),
            st.Page("pages/transplants.py", title="Transplants", icon=":material/swap_horiz:"),
            st.Page("pages/inside.py", title="Inside", icon=":material/layers:"),
            st.Page(
                "pages/normalization.py",
                title="Normalization by hand",
                icon=":material/calculate:",
            ),
            st.Page("pages/runs.py", title="Runs", icon=":material/inventory_2:"),
            st.Page(
                overview, title="Overview", visibility="hidden"
            ),  # so that /overview is an address too
        ]
    )
    st.set_page_config(page_title=f"{page.title} · NormLab")  # for a tab among others
    page.run()


if get_script_run_ctx(suppress_warning=True) is None:
    app = st.App(__file__, lifespan=lifespan)
else:
    main()
