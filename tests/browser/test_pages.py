"""Every page in a real browser: by address, by navigation, alone, in both themes, on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import serving

MUST_SHOW = {
    "overview": ["differences in accuracy", "Side by side", "Trainable parameters", "7,946"],
    "curves": ["Test loss", "Test accuracy", "Dashed: published"],
    "parameters": ["7,946", "Batch norm", "Group norm", "Layer norm"],
    "failures": ["True label", "Confusion matrix", "Who fails where"],
    "predict": ["Draw a digit", "Upload", "Camera", "Samples"],
    "explain": ["Press one", "is labelled", "Attribution maps", "Diagnosis of", "persist"],
    "nuisance": ["is labelled", "Reset all", "Accuracy over the test set", "Every corruption"],
    "batch_mates": ["group and layer norm from the image alone"],
    "transplants": ["weights of one variant"],
    "inside": ["Test image", "Normalization layer"],
    "normalization": ["Means and variances", "Largest |difference|"],
    "runs": ["Nothing has been trained here yet", "Import", "Exported runs"],
}
TITLES = {"normalization": "Normalization by hand"}
PAGES = list(MUST_SHOW)
BACKGROUND = {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 22, 29)"}


def title(name: str) -> str:
    return TITLES.get(name, name.capitalize().replace("_", " "))


def assert_shows(page, name: str) -> None:
    assert page.locator("h1").inner_text() == title(name)
    for text in MUST_SHOW[name]:
        page.get_by_text(text).first.wait_for(state="attached")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("theme", BACKGROUND)
def test_by_address(name, theme, server, tab):
    opened = tab(color_scheme=theme)
    page = opened.open(f"{server}/{name}")
    assert_shows(page, name)
    app = page.locator('[data-testid="stApp"]')
    assert app.evaluate("e => getComputedStyle(e).backgroundColor") == BACKGROUND[theme]
    opened.check()


def test_the_first_page_is_the_overview(server, tab):
    opened = tab()
    assert_shows(opened.open(server), "overview")
    opened.check()


def test_by_navigation(server, tab):
    opened = tab()
    page = opened.open(server)
    for name in [*PAGES[1:], PAGES[0]]:
        page.get_by_test_id("stSidebarNavLink").filter(has_text=title(name)).click()
        page.locator("h1", has_text=title(name)).wait_for()
        opened.wait()
        assert_shows(page, name)
        expect(page).to_have_title(f"{title(name)} · NormLab")
        expect(page.get_by_test_id("stSidebarLogo")).to_be_visible()
    opened.check()


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_nothing_is_wider_than_the_screen(name, server, tab):
    opened = tab(width=390, height=844)
    page = opened.open(f"{server}/{name}")
    page.wait_for_timeout(500)  # charts take their width after the script has run
    widths = page.get_by_test_id("stMain").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert widths[0] <= widths[1] == 390
    opened.check()


@pytest.mark.parametrize("name", ["overview", "failures"])
def test_as_the_first_request_to_a_fresh_server(name, checkpoints, chromium, tab):
    """Streamlit's older page discovery would answer with the wrong page, or none.

    The overview has two addresses; the failures stand for the pages that have one.
    """
    with serving("streamlit_app.py", checkpoints) as address:
        opened = tab()
        page = opened.open(f"{address}/{name}")
        assert_shows(page, name)
        links = page.get_by_test_id("stSidebarNavLink").all_inner_texts()
        assert [link.split("\n")[-1] for link in links] == [title(key) for key in PAGES]
        opened.check()


@pytest.mark.parametrize("name", PAGES)
def test_alone(name, checkpoints, chromium, tab):
    with serving(f"pages/{name}.py", checkpoints) as address:
        opened = tab()
        assert_shows(opened.open(address), name)
        opened.check()
