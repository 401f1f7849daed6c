"""The training form in a real browser: it stays beside the page, and two clicks are one start."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from core.config import VARIANTS
from core.training.job import list_jobs, living_jobs
from core.training.jobs import stop, wait_until_ended
from core.training.runs import SHIPPED_DIR
from tests.browser.conftest import serving

STOP_SECONDS = 60.0


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of the runs made here; nothing goes on training in it after the tests."""
    folder = tmp_path_factory.mktemp("runs")
    yield folder
    for job in living_jobs(folder):
        stop(folder, job.id)
        wait_until_ended(folder, job.id, STOP_SECONDS)


@pytest.fixture(scope="module")
def address(chromium, runs):
    with serving("streamlit_app.py", SHIPPED_DIR, runs) as address:
        yield address


def field(page, name: str):
    return page.locator(f".st-key-train-{name} input")


def start_button(page):
    return page.get_by_role("button", name="Start training")


def open_form(opened, address: str):
    page = opened.open(f"{address}/runs?dataset=digits")
    page.get_by_test_id("stSidebar").get_by_text("Train networks").click()
    expect(start_button(page)).to_be_enabled()
    return page


def test_typing_names_what_is_wrong_and_leaves_the_page_alone(address, tab):
    opened = tab()
    page = open_form(opened, address)
    page.evaluate("document.querySelector('h1').mark = 'the same heading'")
    field(page, "seeds").fill("1-0")  # and no key or click after it
    expect(page.get_by_text("Seeds '1-0' are not possible")).to_be_visible()
    expect(start_button(page)).to_be_disabled()
    field(page, "seeds").fill("11-12")
    page.get_by_text("12 runs on Digits").wait_for()
    expect(start_button(page)).to_be_enabled()
    assert page.evaluate("document.querySelector('h1').mark") == "the same heading"
    opened.check()


def test_beside_start_stands_what_became_of_it(chromium, tmp_path, tab):
    opened = tab(width=1280, height=800)
    with serving("streamlit_app.py", SHIPPED_DIR, tmp_path) as address:
        page = open_form(opened, address)
        for label in [variant.label for variant in VARIANTS.values() if variant.key != "gn"]:
            page.locator(".st-key-train-variants").get_by_text(label, exact=True).click()
        field(page, "epochs").fill("3")
        field(page, "epochs").press("Enter")
        page.get_by_text("1 run on Digits").wait_for()
        expect(start_button(page)).to_be_enabled()
        start_button(page).click()
        expect(page.get_by_text("see above.")).to_be_in_viewport()
        trained = page.get_by_text("Trained: 1 run.")
        expect(trained).to_be_in_viewport()
        expect(page.get_by_test_id("stSidebar").get_by_text("Already here")).to_have_count(0)
        page.get_by_role("button", name="Show it").click()
        expect(page.get_by_test_id("stSidebar").locator(".st-key-runs input")).to_have_value(
            "Made here"
        )
        opened.check()


def test_two_clicks_and_two_tabs_are_one_start(address, runs, tab):
    first, second = tab(), tab(width=390, color_scheme="dark")
    pages = [open_form(first, address)]
    second.open(f"{address}/runs?dataset=digits")
    second.page.get_by_test_id("stExpandSidebarButton").click()
    second.page.get_by_test_id("stSidebar").get_by_text("Train networks").click()
    pages.append(second.page)
    for page in pages:
        field(page, "epochs").fill("1000")  # nobody waits for its end
        field(page, "epochs").press("Enter")
        page.get_by_text("1000 epochs;").wait_for()
        field(page, "seeds").fill("21")
        page.get_by_text("seed 21").wait_for()
        expect(start_button(page)).to_be_enabled()
    start_button(pages[0]).dblclick()
    for page in pages:  # the second tab hears of it by itself
        expect(page.get_by_text("Job 1 ").last).to_be_visible()
        expect(page.get_by_text("see above.")).to_be_visible()
        expect(start_button(page)).to_be_disabled()
    assert [job.request.seeds for job in list_jobs(runs)] == [(21,)]
    pages[0].reload()
    first.wait()
    first.check()
    second.check()
