"""The Batch mates page in a real browser: mates by keyboard, links, phone and axe."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import IDLE

PATH = "/batch_mates?dataset=digits&seed=1"
LAST_PART = "Running statistics estimated anew"


def wait(page: Page) -> None:
    expect(page.get_by_role("heading", name=LAST_PART)).to_be_visible()
    page.wait_for_selector(IDLE)


def test_mates_by_keyboard_and_a_reload_keeps_them(shipped, tab):
    opened = tab()
    page = opened.open(f"{shipped}{PATH}")
    wait(page)
    expect(page.locator(".company .shade")).to_have_count(24)
    first = page.locator(".strip button").first
    index = first.get_attribute("data-pick")
    first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".company thead")).to_contain_text("with your 1 mate")
    expect(page).to_have_url(re.compile(f"mates={index}"))
    expect(page.locator(f'.strip [data-pick="{index}"]')).to_have_attribute("aria-pressed", "true")
    wait(page)
    page.reload()
    expect(page.locator(".company thead")).to_contain_text("with your 1 mate")
    wait(page)
    page.locator(f'.strip [data-pick="{index}"]').click()
    expect(page.locator(".company .shade")).to_have_count(24)
    opened.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_a_phone_scrolls_only_down(scheme, shipped, tab):
    opened = tab(width=390, height=844, color_scheme=scheme)
    page = opened.open(f"{shipped}{PATH}&flip_batch=2&mates=1,2")
    wait(page)
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_text("Coming instead:")).to_be_visible()
    wait(page)
    main = page.locator('[data-testid="stMain"]')
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
    found = Axe().run(page).response["violations"]
    assert [(item["id"], item["nodes"][0]["html"]) for item in found] == []
    opened.check()
