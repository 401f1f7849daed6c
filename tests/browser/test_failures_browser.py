"""The Failures page in a real browser: presses, keys, addresses, pixels, narrow and dark."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import IDLE, serving

PATH = "/failures?dataset=digits&seed=1"
BEYOND = """() => [...document.querySelectorAll('svg.marks text')].filter((text) => {
  const [inner, outer] = [text, text.closest('svg')].map((part) => part.getBoundingClientRect());
  return inner.width && (inner.right > outer.right + 2 || inner.left < outer.left - 2);
}).map((text) => text.textContent)"""
"""What is written in charts and cut off at a side."""
MISTAKE = '.confusion button[data-pick*="-"]:not(th button)'


@pytest.fixture
def failures(tab, server):
    """The page on digits, seed 1, whose pictures are always there."""
    opened = tab()
    opened.open(server + PATH)
    expect(opened.page.locator(".tiles li").first).to_be_visible()
    yield opened
    opened.check()


def count(page: Page) -> int:
    page.wait_for_selector(IDLE)
    return page.locator(".tiles li").count()


def check_picture(image: Locator) -> None:
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [28, 28]
    assert image.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    words = image.get_attribute("alt") or ""
    assert re.fullmatch(r"test image \d+, an? \d taken for an? \d with .*\d+ %", words)


def check_download(page: Page) -> None:
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").first.click()
    table = pd.read_csv(download.value.path())
    assert len(table) == count(page)
    assert list(table.columns[:3]) == ["index", "target", "predicted"]


def test_a_pressed_cell_filters_pictures_and_list_and_a_second_press_clears_it(failures):
    page = failures.page
    check_picture(page.locator(".tiles img").first)
    everything, cell = count(page), page.locator(MISTAKE).first
    target, predicted = (cell.get_attribute("data-pick") or "").split("-")
    number = int(cell.inner_text())
    cell.click()
    expect(page.locator(".tiles li")).to_have_count(number)
    expect(page).to_have_url(re.compile(f"true={target}"))
    expect(page).to_have_url(re.compile(f"taken={predicted}"))
    assert set(page.locator(".tiles b").all_inner_texts()) == {f"{target} → {predicted}"}
    expect(cell).to_have_attribute("aria-pressed", "true")
    check_download(page)
    cell.click()
    expect(page.locator(".tiles li")).to_have_count(everything)
    expect(page).not_to_have_url(re.compile("true="))


def test_the_keyboard_filters_and_opens_an_image_whose_address_brings_it_back(failures):
    page = failures.page
    everything = count(page)
    cell = page.locator(MISTAKE).first
    cell.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".tiles li")).to_have_count(int(cell.inner_text()))
    expect(cell).to_be_focused()
    page.get_by_role("button", name="Clear filters").press("Enter")
    expect(page.locator(".tiles li")).to_have_count(everything)
    tile = page.locator(".tiles button").first
    index = tile.get_attribute("data-pick")
    tile.press("Space")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text(f"Test image {index}")).to_be_visible()
    expect(dialog.locator(".heat tbody tr")).to_have_count(6)
    assert dialog.locator("img").evaluate("image => image.naturalWidth") == 28
    page.reload()
    expect(dialog.get_by_text(f"Test image {index}")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).not_to_have_url(re.compile("image="))


def focused(page: Page) -> str | None:
    """Which button of a component the keyboard is on."""
    return page.evaluate(
        """() => {
          let one = document.activeElement;
          while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
          return one?.dataset?.pick ?? null;
        }"""
    )


def test_one_tab_passes_the_pictures_and_arrows_go_through_them(shipped, tab):
    opened = tab()
    page = opened.open(shipped + PATH)
    page.wait_for_selector(IDLE)
    tiles = page.locator(".tiles button")
    picks = tiles.evaluate_all("all => all.map((one) => one.dataset.pick)")
    rows = tiles.evaluate_all("all => all.map((one) => one.getBoundingClientRect().top)")
    wide = rows.count(rows[0])
    assert len(picks) > 2 * wide > 2
    tiles.first.focus()
    steps = {"ArrowRight": 1, "ArrowDown": 1 + wide, "ArrowLeft": wide, "ArrowUp": 0, "End": -1}
    for key, place in steps.items():
        page.keyboard.press(key)
        assert focused(page) == picks[place]
    said = page.locator(".picker").first.evaluate("box => getComputedStyle(box, '::after').content")
    assert "Arrow keys go on, Enter presses, Tab leaves" in said
    page.keyboard.press("ArrowRight")  # there is none
    assert focused(page) == picks[-1]
    page.keyboard.press("Tab")
    assert focused(page) not in picks
    page.keyboard.press("Shift+Tab")
    assert focused(page) == picks[-1]
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.wait_for_timeout(1000)
    assert focused(page) == picks[1]
    opened.check()


def test_a_filtered_view_survives_a_change_of_page_and_a_reload(failures):
    page = failures.page
    page.locator(MISTAKE).first.click()
    page.wait_for_url(re.compile("taken="))
    shown, query = count(page), page.url.partition("?")[2]
    page.get_by_role("link", name="Curves").click()
    page.get_by_role("heading", name="Curves", level=1).wait_for()
    page.get_by_role("link", name="Failures").click()
    expect(page.locator(".tiles li")).to_have_count(shown)
    assert set(page.url.partition("?")[2].split("&")) == set(query.split("&"))
    page.reload()
    expect(page.locator(".tiles li")).to_have_count(shown)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(tab, server, scheme):
    opened = tab(color_scheme=scheme)
    page = opened.open(server + PATH)
    expect(page.locator(".heat").first).to_be_visible()
    for opening in (None, ".tiles button"):
        if opening:
            page.locator(opening).first.click()
            expect(page.get_by_role("dialog").locator(".heat")).to_be_visible()
        page.wait_for_selector(IDLE)
        found = Axe().run(page).response["violations"]
        assert [(item["id"], item["nodes"][0]["html"]) for item in found] == []


def test_a_narrow_screen_shows_everything_without_sideways_scrolling(tab, server):
    opened = tab(width=390, height=844, color_scheme="dark")
    page = opened.open(f"{server}/failures?dataset=digits")
    expect(page.locator(".who tbody tr").first).to_be_visible()
    assert re.search(r"[123]/3", page.locator(".who tbody").inner_text())  # seeds are counted
    for selector in (".tiles", ".confusion", ".heat", ".who"):
        box = page.locator(selector).first.bounding_box()
        assert box is not None
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, selector
    main = page.locator('[data-testid="stMain"]')
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
    opened.check()


def test_the_filter_by_other_variants_survives_a_change_of_page_and_a_reload(tab, server):
    opened = tab()
    page = opened.open(f"{server}{PATH}&also=Layer+norm")
    expect(page).to_have_url(re.compile("also=ln(&|$)"))
    shown = count(page)
    page.get_by_role("link", name="Curves").click()
    page.get_by_role("heading", name="Curves", level=1).wait_for()
    page.get_by_role("link", name="Failures").click()
    expect(page.locator(".tiles li")).to_have_count(shown)
    expect(page).to_have_url(re.compile("also=ln(&|$)"))
    page.reload()
    expect(page.locator(".tiles li")).to_have_count(shown)
    expect(page.locator(".st-key-chosen-also [data-tag]")).to_have_text(["Layer norm"])
    opened.check()


@pytest.mark.parametrize("width", [1280, 1140, 1000, 390])
def test_the_legends_of_the_charts_are_whole(tab, shipped, width):
    opened = tab(width=width, height=900)
    page = opened.open(f"{shipped}/failures?dataset=mnist")
    legend = page.locator("svg.marks").first.locator(".role-legend-label text")
    expect(legend).to_have_text(["mean over seeds", "single seeds", "published"])
    page.wait_for_timeout(1500)  # charts take their width a moment later
    assert page.evaluate(BEYOND) == []
    opened.check()


def test_alone_and_without_images_it_offers_them_and_shows_the_rest(
    tab, chromium, checkpoints, tmp_path, monkeypatch
):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path / "no-data"))
    with serving("pages/failures.py", checkpoints) as address:
        opened = tab()
        page = opened.open(f"{address}/?dataset=mnist")
        expect(page.get_by_role("button", name="Download mnist", exact=False)).to_be_visible()
        expect(page.locator(".tiles li")).to_have_count(50)
        assert page.locator("[data-testid=stMain] img[src^='data:']").count() == 0
        opened.check()
