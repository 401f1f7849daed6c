"""Transplants and Inside in a real browser, on the shipped digits: clicks, links, phone and axe."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import IDLE


def check_phone_and_axe(page: Page) -> None:
    page.wait_for_selector(IDLE)
    main = page.locator('[data-testid="stMain"]')
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
    found = Axe().run(page).response["violations"]
    assert [(item["id"], item["nodes"][0]["html"]) for item in found] == []


def test_a_cell_shows_its_flips_and_a_reload_keeps_them(shipped, tab):
    opened = tab()
    page = opened.open(f"{shipped}/transplants?dataset=digits&seed=1")
    expect(page.locator("h2")).to_have_text("Weights of Group norm under batch norm")
    cell = page.locator('[data-pick="ln-group"]')
    cell.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h2")).to_have_text("Weights of Layer norm under group norm")
    expect(page.locator('[data-pick="ln-group"]')).to_have_attribute("aria-pressed", "true")
    page.get_by_role("radio", name=re.compile("wrong → right")).click()
    expect(page).to_have_url(re.compile("flips=to_right"))
    page.wait_for_selector(IDLE)
    tiles = page.locator(".tiles figcaption").all_inner_texts()
    assert tiles
    page.reload()
    expect(page.locator("h2")).to_have_text("Weights of Layer norm under group norm")
    expect(page.locator(".tiles figcaption")).to_have_text(tiles, use_inner_text=True)
    opened.check()


def test_a_layer_is_chosen_and_a_reload_keeps_it(shipped, tab):
    opened = tab()
    page = opened.open(f"{shipped}/inside?dataset=digits&seed=1&index=83")
    expect(page.locator(".inside > li")).to_have_count(6)
    page.get_by_role("radio", name="7", exact=True).click()
    # The seventh layer of batch norm has a mean of its own for each of 16 channels.
    expect(page.get_by_text("16 groups of values")).to_have_count(2)
    page.reload()
    expect(page.get_by_text("16 groups of values")).to_have_count(2)
    expect(page.locator('[data-testid="stVegaLiteChart"] svg.marks')).to_have_count(5)
    opened.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["transplants", "inside"])
def test_axe_finds_nothing_and_a_phone_scrolls_only_down(name, scheme, shipped, tab):
    opened = tab(width=390, height=844, color_scheme=scheme)
    page = opened.open(f"{shipped}/{name}?dataset=digits")
    expect(page.get_by_role("button", name="CSV").last).to_be_visible()
    check_phone_and_axe(page)
    opened.check()
