"""The lab in a real browser, on the shipped digits: keys, drags, links, phone and axe."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from core.config import VARIANTS
from core.training.runs import SHIPPED_DIR
from tests.browser.conftest import IDLE, serving

BATCH = [key for key, variant in VARIANTS.items() if variant.norm == "batch"]


def opened_lab(tab, address: str, query: str = "", **options):
    """The lab on an image that all six get right, once it stands."""
    opened = tab(**options)
    page = opened.open(f"{address}/nuisance?dataset=digits&seed=1&index=0{query}")
    expect(page.locator(".lab tbody tr")).to_have_count(6)
    expect(page.locator("#contrast_grey")).to_be_visible()
    page.wait_for_selector(IDLE)
    return opened


def wrong(page: Page) -> list[str]:
    """The variants that are wrong now."""
    rows = page.locator(".lab tbody tr.wrong")
    return rows.evaluate_all("rows => rows.map(row => row.dataset.variant)")


def shares(page: Page) -> list[str]:
    cells = page.locator(".lab tbody td.share")
    return cells.evaluate_all("cells => cells.map(cell => cell.title)")


def output(page: Page, name: str) -> str:
    return page.locator(f"output[for={name}]").inner_text()


def test_keys_move_the_slider_and_batch_norm_alone(shipped, tab):
    opened = opened_lab(tab, shipped)
    page = opened.page
    assert wrong(page) == [] and output(page, "contrast_grey") == "×1"
    page.locator("#contrast_grey").focus()
    page.keyboard.press("Home")
    expect(page.locator(".lab tbody tr.wrong")).to_have_count(len(BATCH))
    assert wrong(page) == BATCH
    assert output(page, "contrast_grey") == "×0.1"
    assert page.locator("#contrast_grey").get_attribute("aria-valuetext") == "×0.1"
    expect(page.locator("#contrast_grey")).to_be_focused()
    expect(page).to_have_url(re.compile("contrast_grey=0.1"))
    status = page.locator('.sliders [role="status"]')
    expect(status).to_contain_text(f"{len(BATCH)} of 6 variants are wrong")
    opened.check()


def test_six_answers_change_while_the_slider_is_dragged(shipped, tab):
    opened = opened_lab(tab, shipped)
    page = opened.page
    page.locator("#rotation").scroll_into_view_if_needed()
    before, box = shares(page), page.locator("#rotation").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, middle, steps=8)
    page.wait_for_function(
        """before => {
          const deep = root => [...root.querySelectorAll("*")].flatMap(
            one => one.shadowRoot ? deep(one.shadowRoot) : [one]);
          const now = deep(document).filter(one => one.matches(".lab tbody td.share"));
          return now.length === 6 && now.every((cell, i) => cell.title !== before[i]);
        }""",
        arg=before,
    )
    page.mouse.up()
    expect(page).to_have_url(re.compile(r"rotation=\d+"))
    page.get_by_role("button", name="Reset Rotation").click()
    expect(page).to_have_url(re.compile(r"rotation=0"))
    expect(page.locator(".lab img").last).to_have_attribute("alt", re.compile("unchanged"))
    assert shares(page) == before
    opened.check()


def test_a_reload_keeps_the_view_and_reset_all_leaves_it(shipped, tab):
    opened = opened_lab(tab, shipped, "&mnist_c=mnist_c_fog&mnist_c_fog=3&shift_x=-2")
    page = opened.page
    assert (output(page, "mnist_c_fog"), output(page, "shift_x")) == (
        "level 3",
        "−2\N{NO-BREAK SPACE}px",
    )
    found = shares(page)
    page.reload()
    expect(page.locator("#mnist_c_fog")).to_be_visible()
    page.wait_for_selector(IDLE)
    assert shares(page) == found
    page.get_by_role("button", name="Reset all").click()
    expect(page.locator("#mnist_c_fog")).to_have_count(0)
    expect(page.locator("output[for=shift_x]")).to_have_text("0\N{NO-BREAK SPACE}px")
    assert shares(page) != found
    opened.check()


def test_overview_leads_here_with_the_contrast_that_was_set(shipped, tab):
    opened = tab()
    page = opened.open(f"{shipped}/overview?dataset=digits&seed=1")
    slider = page.locator("#contrast_grey")
    slider.focus()
    page.keyboard.press("Home")
    expect(page.locator(".lab tbody tr.wrong")).to_have_count(len(BATCH))
    expect(page).to_have_url(re.compile("contrast_grey=0.1"))
    page.get_by_role("link", name="Into the lab").click()
    page.get_by_role("heading", name="Nuisance", level=1).wait_for()
    expect(page.locator("#rotation")).to_be_visible()
    expect(page.locator(".lab tbody tr.wrong")).to_have_count(len(BATCH))
    assert output(page, "contrast_grey") == "×0.1"
    opened.check()


def test_without_pictures_overview_leads_to_the_digit_it_shows_instead(
    chromium, tab, tmp_path, monkeypatch
):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path / "no-data"))
    with serving("streamlit_app.py", SHIPPED_DIR) as address:
        opened = tab()
        page = opened.open(f"{address}/overview?dataset=mnist")
        page.locator("#contrast_grey").focus()
        page.keyboard.press("Home")
        expect(page.locator(".lab tbody tr.wrong")).to_have_count(len(BATCH))
        page.get_by_role("button", name="Into the lab").click()
        page.get_by_role("heading", name="Nuisance", level=1).wait_for()
        expect(page.locator("#rotation")).to_be_visible()
        expect(page).to_have_url(re.compile("dataset=digits"))
        page.reload()
        expect(page.get_by_role("combobox", name="Data set")).to_have_value("digits")
        expect(page.locator(".lab tbody tr.wrong")).to_have_count(len(BATCH))
        assert output(page, "contrast_grey") == "×0.1"
        opened.check()


def test_a_move_that_gets_lost_is_sent_once_more(shipped, tab):
    opened = opened_lab(tab, shipped)
    slider = opened.page.locator("#contrast_grey")
    slider.evaluate(
        """input => {
          const box = input.closest(".sliders"), report = box.report;
          box.report = () => { box.report = report; };
        }"""
    )
    slider.focus()
    opened.page.keyboard.press("Home")
    expect(opened.page.locator(".lab tbody tr.wrong")).to_have_count(len(BATCH))
    opened.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_a_phone_scrolls_only_down(scheme, shipped, tab):
    query = "&contrast_grey=3&mnist_c=mnist_c_stripe"
    opened = opened_lab(tab, shipped, query, width=390, height=844, color_scheme=scheme)
    page = opened.page
    page.wait_for_timeout(500)  # charts take their width after the script has run
    main = page.locator('[data-testid="stMain"]')
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
    found = Axe().run(page).response["violations"]
    assert [(item["id"], item["nodes"][0]["html"]) for item in found] == []
    page.locator("#shear").focus()
    answers, slider = page.locator(".lab").bounding_box(), page.locator("#shear").bounding_box()
    assert answers["y"] + answers["height"] <= slider["y"] + 1 and answers["y"] > 0
    opened.check()
