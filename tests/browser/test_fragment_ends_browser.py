"""What a part of a page no longer draws goes, whatever ticks beside it, in a real browser."""

from __future__ import annotations

from playwright.sync_api import expect

from benchmarks import app
from tests.browser.conftest import IDLE


def test_a_field_that_has_been_replaced_goes_from_the_page(chromium, tab):
    opened = tab()
    with app.serving("tests/browser/ticking_app.py") as address:
        page = opened.open(address)
        for turn in range(1, 5):
            page.get_by_role("button", name="Next").click()
            page.locator(f".st-key-field-{turn}").wait_for()
            page.wait_for_selector(IDLE)
            expect(page.locator('[class*="st-key-field-"]')).to_have_count(1, timeout=10_000)
        opened.check()
