"""Choices in a real browser: the link keeps them, the keyboard makes them, charts answer."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

CHART = '[data-testid="stVegaLiteChart"] svg.marks'


def expect_sidebar(page, dataset: str, *seeds: str) -> None:
    expect(page.locator(".st-key-dataset input")).to_have_value(dataset)
    expect(page.locator(".st-key-seed [data-tag]")).to_have_text(list(seeds))


def test_a_link_reproduces_data_set_and_seed(server, tab):
    opened = tab()
    page = opened.open(f"{server}/curves?dataset=digits&seed=2")
    expect_sidebar(page, "digits", "2")
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Overview").click()
    page.get_by_text("360 test images · 6 runs · seed 2").wait_for()
    expect(page).to_have_url(re.compile("dataset=digits"))
    expect(page).to_have_url(re.compile("seed=2"))
    page.reload()
    opened.wait()
    expect_sidebar(page, "digits", "2")
    opened.check()


def test_several_seeds_are_chosen_and_go_into_the_address(server, tab):
    opened = tab()
    page = opened.open(f"{server}/overview?dataset=digits&seed=2")
    page.get_by_text("360 test images · 6 runs · seed 2").wait_for()
    page.locator(".st-key-seed input").focus()
    page.keyboard.type("3")
    page.keyboard.press("Enter")
    page.get_by_text("360 test images · 12 runs · 2 seeds").wait_for()
    expect(page).to_have_url(re.compile("seed=2&seed=3"))
    page.reload()
    opened.wait()
    expect_sidebar(page, "digits", "2", "3")
    opened.check()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_chosen_seeds_can_be_read(theme, server, tab):
    opened = tab(color_scheme=theme)
    page = opened.open(f"{server}/overview?dataset=digits&seed=2")
    colors = page.locator(".st-key-seed [data-tag]").evaluate(
        "tag => [getComputedStyle(tag).color, getComputedStyle(tag).backgroundColor]"
    )
    assert colors == ["rgb(255, 255, 255)", "rgb(11, 90, 143)"]  # a contrast of 7.3
    opened.check()


def test_choices_stay_however_soon_the_page_is_left(server, tab):
    opened = tab()
    opened.page.add_init_script(
        "const ask = window.setInterval;"
        "window.setInterval = (f, ms, ...rest) => ms < 500 ? ask(f, ms, ...rest) : 0;"
    )  # no fragment ticks, so every page is left after its first run
    page = opened.open(f"{server}/curves?dataset=digits&seed=2&log=true")
    for name in ("Overview", "Parameters", "Curves"):
        page.get_by_test_id("stSidebarNavLink").filter(has_text=name).click()
        page.get_by_role("heading", level=1, name=name).wait_for()
        opened.wait()
        expect_sidebar(page, "digits", "2")
        expect(page).to_have_url(re.compile("dataset=digits&seed=2"))
    expect(page).to_have_url(re.compile("log=true"))
    opened.check()


def test_a_choice_made_with_the_keyboard_goes_into_the_address(server, tab):
    opened = tab()
    page = opened.open(server)
    page.locator(".st-key-dataset input").focus()
    page.keyboard.type("digits")
    page.keyboard.press("Enter")
    page.get_by_text("Digits, 360 test images").wait_for()
    expect(page).to_have_url(re.compile("dataset=digits"))
    opened.check()


def opacities(chart) -> set[str]:
    lines = chart.locator("g.mark-line path")
    return {path.get_attribute("opacity") for path in lines.all()}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_one_sees_which_link_the_keyboard_is_on(theme, server, tab):
    opened = tab(color_scheme=theme)
    page = opened.open(server)
    link = page.get_by_test_id("stSidebarNavLink").filter(has_text="Curves")
    for _ in range(5):
        page.keyboard.press("Tab")
        if link.evaluate("link => link === document.activeElement"):
            break
    outline = link.evaluate("link => getComputedStyle(link).outline")
    assert outline == "rgb(46, 130, 192) solid 2px"
    opened.check()


def test_a_legend_entry_singles_its_variant_out(server, tab):
    opened = tab()
    page = opened.open(f"{server}/curves?show=Test+loss&published=false")
    chart = page.locator(CHART)
    chart.locator("g.role-legend-label text", has_text="Group + L1").click()
    page.wait_for_function(
        "selector => [...document.querySelectorAll(selector + ' g.mark-line path')]"
        ".some(path => path.getAttribute('opacity') === '0.06')",
        arg=CHART,
    )
    assert opacities(chart) == {"1", "0.06"}
    opened.check()


def test_pointing_reads_every_variant_at_one_epoch(server, tab):
    opened = tab()
    page = opened.open(f"{server}/curves?show=Test+loss")
    box = page.locator(CHART).bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.7)
    page.mouse.move(box["x"] + box["width"] * 0.55, box["y"] + box["height"] * 0.7)
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    text = tooltip.inner_text()
    assert "Epoch" in text and "Group norm + L1" in text and "Batch norm + L1 + L2" in text
    opened.check()


def axis_labels(page) -> list[str]:
    return page.locator(f"{CHART} g.role-axis-label text").all_inner_texts()


def test_zoom_outlives_a_rerun(server, tab):
    opened = tab()
    page = opened.open(f"{server}/curves?dataset=digits&show=Test+loss")
    before = axis_labels(page)
    box = page.locator(CHART).bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.7)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -600)
    page.keyboard.up("Control")
    page.wait_for_timeout(300)
    zoomed = axis_labels(page)
    assert zoomed != before
    page.keyboard.press("r")  # Streamlit's key for running the script again
    page.wait_for_timeout(700)
    opened.wait()
    assert axis_labels(page) == zoomed
    opened.check()


@pytest.mark.parametrize(
    ("kind", "start"), [("CSV", b"variant,"), ("PNG", b"\x89PNG"), ("SVG", b"<svg")]
)
def test_figures_can_be_taken_along(kind, start, server, tab):
    opened = tab()
    page = opened.open(f"{server}/curves?show=Test+loss")
    with page.expect_download() as download:
        page.get_by_role("button", name=kind, exact=True).click()
    assert download.value.suggested_filename == f"test-loss-mnist.{kind.lower()}"
    assert download.value.path().read_bytes().startswith(start)
    opened.check()


def test_charts_and_tables_have_words_for_who_cannot_see_them(server, tab):
    opened = tab()
    page = opened.open(server)
    page.locator('[aria-label^="Test accuracy in percent"]').first.wait_for(state="attached")
    page.locator('[aria-label^="Differences of 15 pairs"]').first.wait_for(state="attached")
    opened.check()
