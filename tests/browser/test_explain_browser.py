"""The Explain page in a real browser, on the shipped digits: views, keys, links, phone and axe."""

from __future__ import annotations

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from core.config import VARIANTS
from core.training.runs import SHIPPED_DIR, read_predictions
from tests.browser.conftest import IDLE

PATH = "/explain?dataset=digits&seed=1"
LAST_PART = "Does it persist over seeds?"


def failing(key: str) -> int:
    found = read_predictions(SHIPPED_DIR / "digits" / key / "seed-1")
    return int(np.flatnonzero(found.predicted != found.targets)[0])


def wait(page: Page) -> None:
    """Until the last part stands and nothing runs."""
    expect(page.get_by_text(LAST_PART)).to_be_visible()
    page.wait_for_selector(IDLE)


def heading(page: Page) -> str:
    return page.locator("h2").first.inner_text()


def check_maps(page: Page) -> None:
    """Six maps or reasons, each with what it explains, and the four charts."""
    tiles = page.locator(".maps > li")
    expect(tiles).to_have_count(6)
    for tile in tiles.all():
        drawn, refused = tile.locator("svg"), tile.locator(".refused")
        assert drawn.count() + refused.count() == 1
        assert "Explains logit" in tile.inner_text() and "Baseline: Black" in tile.inner_text()
    assert page.locator(".maps svg").first.get_attribute("aria-label")
    expect(page.locator('[data-testid="stVegaLiteChart"] svg.marks')).to_have_count(4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_failure_of_each_variant(scheme, shipped, tab):
    opened = tab(color_scheme=scheme)
    page = opened.open(f"{shipped}{PATH}&index={failing('gn')}")
    for key in VARIANTS:
        index, label = failing(key), VARIANTS[key].label
        page.get_by_role("radio", name=label, exact=True).click()
        page.locator(f'.strip [data-pick="{index}"]').click()
        first, diagnosis = page.locator("h2").first, page.locator("h2").nth(2)
        expect(first).to_contain_text(f"Test image {index} ")
        expect(diagnosis).to_have_text(f"Diagnosis of {label}, seed 1")
        wait(page)
        check_maps(page)
    opened.check()


def test_the_keyboard_chooses_an_image_and_a_reload_keeps_the_view(shipped, tab):
    opened = tab()
    page = opened.open(f"{shipped}{PATH}&method=saliency")
    wait(page)
    other = page.locator(".strip button:not([aria-current])").first
    index = other.get_attribute("data-pick")
    other.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h2").first).to_contain_text(f"Test image {index} ")
    wait(page)
    expect(page.locator(f'.strip [data-pick="{index}"]')).to_be_focused()
    expect(page).to_have_url(re.compile(f"index={index}"))
    expect(page).to_have_url(re.compile("method=saliency"))
    shown = page.locator("h2").all_inner_texts()
    page.reload()
    expect(page.locator("h2").first).to_contain_text(f"Test image {index} ")
    wait(page)
    assert page.locator("h2").all_inner_texts() == shown
    assert page.locator(".st-key-chosen-method input").input_value() == "Saliency"
    opened.check()


def test_the_failures_page_leads_here(shipped, tab):
    opened = tab()
    page = opened.open(f"{shipped}{PATH.replace('explain', 'failures')}")
    tile = page.locator(".tiles button").nth(1)
    index = tile.get_attribute("data-pick")
    tile.click()
    page.get_by_role("dialog").get_by_role("link", name="Explain this image").click()
    page.get_by_role("heading", name="Explain", level=1).wait_for()
    wait(page)
    assert heading(page).startswith(f"Test image {index} is labelled")
    assert {f"index={index}", "variant=gn", "dataset=digits", "seed=1"} <= set(
        re.split("[?&]", page.url)
    )
    page.get_by_role("link", name="Into the nuisance lab").click()
    page.get_by_role("heading", name="Nuisance", level=1).wait_for()
    expect(page.locator("#contrast_grey")).to_be_visible()
    assert heading(page).startswith(f"Test image {index} is labelled")
    opened.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_a_phone_scrolls_only_down(scheme, shipped, tab):
    opened = tab(width=390, height=844, color_scheme=scheme)
    page = opened.open(f"{shipped}{PATH}&method=deep_lift&index={failing('gn')}")
    wait(page)
    page.get_by_role("button", name="Test this map").click()
    expect(page.get_by_text("Dashed: the limit.")).to_be_visible()
    wait(page)
    main = page.locator('[data-testid="stMain"]')
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
    found = Axe().run(page).response["violations"]
    assert [(item["id"], item["nodes"][0]["html"]) for item in found] == []
    opened.check()
