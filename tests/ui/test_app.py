"""The app as a whole: its settings, and the way around Streamlit's older page discovery."""

from __future__ import annotations

import asyncio
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

import streamlit_app
from core.data.image_gate import MAX_BYTES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def config() -> dict:
    return tomllib.loads((ROOT / ".streamlit/config.toml").read_text())


def test_the_app_keeps_to_itself(config):
    assert config["server"]["address"] == "127.0.0.1"
    assert config["server"]["maxUploadSize"] == MAX_BYTES >> 20
    assert config["browser"]["gatherUsageStats"] is False
    assert config["client"]["showErrorDetails"] == "none"
    assert config["runner"]["magicEnabled"] is False


def test_no_file_is_watched(config):
    """Streamlit would watch all of the checkout, with the environment that README puts there."""
    assert config["server"]["fileWatcherType"] == "none"


def test_both_themes_have_their_own_chart_colours(config):
    for theme in ("light", "dark"):
        colors = config["theme"][theme]
        assert colors["chartCategoricalColors"] and colors["chartSequentialColors"]
    assert config["theme"]["light"]["backgroundColor"] == "#FFFFFF"


def test_lifespan_turns_the_older_page_discovery_off(monkeypatch):
    """The one internal attribute the app touches: it must exist, and be what decides."""
    assert "uses_pages_directory" in PagesManager.__annotations__
    monkeypatch.setattr(PagesManager, "uses_pages_directory", None)
    PagesManager(str(ROOT / "streamlit_app.py"))
    assert PagesManager.uses_pages_directory is True  # what would happen without the remedy

    async def live() -> None:
        async with streamlit_app.lifespan(streamlit_app.app):
            PagesManager(str(ROOT / "streamlit_app.py"))
            assert PagesManager.uses_pages_directory is False

    with ThreadPoolExecutor(1) as pool:  # a browser test may have left a loop in this thread
        pool.submit(asyncio.run, live()).result()


def test_outside_a_session_the_entry_file_is_an_app():
    assert isinstance(streamlit_app.app, st.App)
