"""Normalization by hand in a real browser: mouse, keyboard, absurd input, phone and axe."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import IDLE

TABLE = "2x2x1x2~1_3_5_7_2_2_4_8"


def opened_table(tab, address: str, query: str = "", **options):
    opened = tab(**options)
    page = opened.open(f"{address}/normalization?dataset=digits&seed=1&table={TABLE}{query}")
    expect(page.locator(".sheet input")).to_have_count(8 + 4)
    expect(page.locator(".steps").first).to_be_visible()
    page.wait_for_selector(IDLE)
    return opened


def cell(page: Page, name: str):
    return page.locator(f"[data-cell={name}]")


def shared(page: Page) -> list[str]:
    """The cells that are marked as normalized together."""
    marked = page.locator(".sheet .shares input")
    return marked.evaluate_all("cells => cells.map(cell => cell.dataset.cell)")


def test_pointing_at_a_cell_shows_whom_it_is_normalized_with(shipped, tab):
    opened = opened_table(tab, shipped, "&norm=batch")
    page = opened.page
    assert shared(page) == ["v0", "v1", "v4", "v5"]
    cell(page, "v7").hover()
    assert shared(page) == ["v2", "v3", "v6", "v7"]
    chosen = page.locator(".card.chosen")
    expect(chosen).to_contain_text("Channel 2 of all 2 images: 4 values")
    for part in ("μc=2 = 6", "σ²c=2 = 2.5", "x̂ = 1.2649", "y = 1.2649"):
        expect(chosen).to_contain_text(part)
    page.locator("h1").hover()
    assert shared(page) == ["v0", "v1", "v4", "v5"]
    page.get_by_role("radio", name="Instance norm").click()
    expect(page.locator(".card.chosen")).to_contain_text("Instance norm")
    assert shared(page) == ["v0", "v1"]
    opened.check()


def test_keys_go_from_cell_to_cell_and_change_them(shipped, tab):
    opened = opened_table(tab, shipped, "&norm=layer&eps=0")
    page = opened.page
    cell(page, "v0").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    expect(cell(page, "v6")).to_be_focused()
    assert shared(page) == ["v4", "v5", "v6", "v7"]
    page.keyboard.type("10")
    page.keyboard.press("Enter")
    expect(cell(page, "g1")).to_be_focused()
    page.keyboard.type("3")
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile(r"table=2x2x1x2~1_3_5_7_2_2_10_8~1_3~0_0"))
    expect(page).to_have_url(re.compile(r"cell=2\.2\.1\.1"))
    steps = page.locator(".steps").first
    expect(steps).to_contain_text("(2 + 2 + 10 + 8) / 4 = 22 / 4 = 5.5")
    expect(steps).to_contain_text("(10 − 5.5) / √(12.75 + 0) = 1.2603")
    expect(steps).to_contain_text("3 · 1.2603 + 0 = 3.7808")
    expect(page.locator(".hand code").first).to_be_visible()
    expect(cell(page, "b1")).to_be_focused()
    page.keyboard.type("7")
    page.keyboard.press("Escape")
    assert cell(page, "b1").input_value() == "0"
    page.reload()
    expect(cell(page, "v6")).to_have_value("10")
    expect(page.locator(".steps").first).to_contain_text("1.2603")
    cell(page, "v4").fill("-1234.56")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("_-1234.56_"))
    assert cell(page, "v4").evaluate("cell => cell.scrollWidth <= cell.clientWidth")
    opened.check()


def test_letters_and_an_empty_cell_are_refused_and_the_last_value_counts(shipped, tab):
    opened = opened_table(tab, shipped)
    page = opened.page
    cell(page, "v3").fill("seven <b>")
    page.keyboard.press("Enter")
    alert = page.locator(".byhand .errors")
    expect(alert).to_contain_text("Image 1, channel 2, row 1, column 2: “seven <b>” is not a")
    expect(cell(page, "v3")).to_have_attribute("aria-invalid", "true")
    assert cell(page, "v3").input_value() == "seven <b>"
    cell(page, "v0").fill("")
    page.keyboard.press("Tab")
    expect(alert).to_contain_text("The cell is empty")
    assert "table=" + TABLE in page.url
    cell(page, "v3").fill("-1.5")
    page.keyboard.press("Enter")
    cell(page, "v0").fill("1")
    page.keyboard.press("Enter")
    expect(alert).to_have_text("")
    expect(page).to_have_url(re.compile(r"table=2x2x1x2~1_3_5_-1\.5_2_2_4_8"))
    opened.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_a_phone_scrolls_only_down(scheme, shipped, tab):
    query = "&change_part=image&variant=bn_l1"
    opened = opened_table(tab, shipped, query, width=390, height=844, color_scheme=scheme)
    page = opened.page
    cell(page, "v1").fill("x")
    page.keyboard.press("Enter")
    expect(page.locator(".byhand .errors")).to_contain_text("not a number")
    page.wait_for_timeout(500)  # charts take their width after the script has run
    main = page.locator('[data-testid="stMain"]')
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
    found = Axe().run(page).response["violations"]
    assert [(item["id"], item["nodes"][0]["html"]) for item in found] == []
    opened.check()
