"""Parts of a page that run right after one another on a busy server, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from benchmarks import app
from tests.browser.conftest import IDLE

RUNNING = '[data-testid="stApp"][data-test-script-state="running"]'


@pytest.fixture(scope="module")
def server(chromium) -> Iterator[str]:
    with app.serving("tests/browser/ticking_app.py") as address:
        yield address


def test_a_field_that_has_been_replaced_goes_from_the_page(server, tab):
    opened = tab()
    page = opened.open(server)
    for turn in range(1, 5):
        page.get_by_role("button", name="Next").click()
        page.locator(f".st-key-field-{turn}").wait_for()
        page.wait_for_selector(IDLE)
        expect(page.locator('[class*="st-key-field-"]')).to_have_count(1, timeout=10_000)
    opened.check()


def test_what_was_entered_outlives_a_click_amid_a_run_of_the_page(server, tab):
    opened = tab()
    page = opened.open(server)
    lasting = page.get_by_label("Lasting")
    lasting.fill("seven")
    lasting.press("Enter")
    for turn in range(1, 5):
        expect(page.get_by_text(f"It says 'seven' in turn {turn - 1}.")).to_be_visible()
        page.get_by_role("button", name="Everything").click()
        page.wait_for_selector(RUNNING)
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text(f"It says 'seven' in turn {turn}.")).to_be_visible()
        page.wait_for_selector(IDLE)
        expect(lasting).to_have_value("seven")
    opened.check()


def test_a_click_amid_a_change_of_page_neither_empties_the_new_page_nor_is_lost(server, tab):
    opened = tab()
    page = opened.open(server)
    for turn in (1, 2):
        page.get_by_role("link", name="Second").click()
        page.get_by_role("button", name="Count").click()
        expect(page.get_by_text(f"Counted {turn}")).to_be_visible()
        page.wait_for_selector(IDLE)
        expect(page.get_by_role("heading", name="Second")).to_be_visible()
        expect(page.get_by_text("All of it")).to_be_visible()
        page.get_by_role("link", name="First").click()
        expect(page.get_by_role("heading", name="Part")).to_be_visible()
        page.wait_for_selector(IDLE)
    opened.check()
