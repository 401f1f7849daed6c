"""Where the keyboard is and what is chosen can be seen, in forced colours too."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import IDLE

BLUE = "rgb(46, 130, 192)"
FOCUSED_RIGHT = """() => {
  let one = document.activeElement;
  while (one.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
  return one === document.body ? 0 : one.getBoundingClientRect().right;
}"""
"""How far right the focused element reaches: less than 0 is off the screen."""


@pytest.fixture
def forced(tab):
    """A function that opens an address in forced colours."""

    def build(address: str) -> Page:
        opened = tab()
        opened.page.emulate_media(forced_colors="active", reduced_motion="reduce")
        page = opened.open(address)
        page.wait_for_selector(IDLE)
        return page

    return build


def colours(part: Locator) -> Counter:
    """The colours of a part's pixels and how many have each."""
    picture = Image.open(io.BytesIO(part.screenshot(animations="disabled"))).convert("RGB")
    return Counter(picture.get_flattened_data())


def ground(part: Locator) -> tuple[int, ...]:
    return colours(part).most_common(1)[0][0]


def inked(part: Locator) -> float:
    """The share of a part that is not as white as the page."""
    found = colours(part)
    return 1 - found[255, 255, 255] / found.total()


def ring(part: Locator) -> tuple[str, str]:
    """Style and colour of the line around a part."""
    style, colour = part.evaluate(
        "part => [getComputedStyle(part).outlineStyle, getComputedStyle(part).outlineColor]"
    )
    return style, colour


def step_onto(part: Locator) -> None:
    """Focuses a part as the keyboard does, which a script's focus is not."""
    part.focus()
    part.page.keyboard.press("Shift+Tab")
    part.page.keyboard.press("Tab")
    expect(part).to_be_focused()


def walk(page: Page, steps: int = 20) -> list[float]:
    """Where the keyboard has been in so many steps."""
    seen = []
    for _ in range(steps):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED_RIGHT))
    return seen


@pytest.mark.parametrize("width", [640, 1280])
def test_the_keyboard_does_not_go_through_a_closed_sidebar(width, server, tab):
    opened = tab(width=width, height=450)
    page = opened.open(f"{server}/curves?dataset=digits")
    sidebar, link = page.get_by_test_id("stSidebar"), page.get_by_role("link", name="Failures")
    if width == 1280:
        expect(link).to_be_visible()
        sidebar.get_by_text("Train networks").click()
        expect(sidebar.get_by_role("button", name="Start training")).to_be_visible()
        sidebar.hover()
        page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
    expect(sidebar).to_have_attribute("data-collapsed", "true")
    expect(link).to_be_hidden()
    assert min(walk(page)) >= 0
    page.get_by_test_id("stExpandSidebarButton").press("Enter")
    expect(link).to_be_visible()
    link.focus()
    expect(link).to_be_focused()
    page.wait_for_function(
        "element => element.getBoundingClientRect().x >= 0", arg=link.element_handle()
    )
    opened.check()


def test_a_ring_says_which_switch_and_which_link_of_a_dialog_the_keyboard_is_on(server, tab):
    opened = tab()
    page = opened.open(f"{server}/curves?dataset=digits")
    switch = page.get_by_role("switch", name="Log scale")
    step_onto(switch)
    track = page.get_by_test_id("stCheckbox").filter(has_text="Log scale").locator("span + div")
    assert ring(track.first) == ("solid", BLUE)
    page = opened.open(f"{server}/failures?dataset=digits&seed=1")
    page.locator(".tiles button").first.click()
    link = page.get_by_role("dialog").get_by_role("link").first
    step_onto(link)
    assert ring(link) == ("solid", BLUE)
    opened.check()


def test_forced_colours_leave_switches_sliders_and_what_is_chosen_on_curves(forced, server):
    page = forced(f"{server}/curves?dataset=mnist")
    switches = page.get_by_test_id("stCheckbox")
    on, off = (
        switches.filter(has_text=name).locator("span:has(> input) + div")
        for name in ("Published curves", "Log scale")
    )
    assert inked(off) > 0.2
    assert ground(on) != ground(off)
    slider = page.get_by_test_id("stSlider")
    assert inked(slider.locator("[data-orientation] > div:empty")) > 0.5
    assert inked(slider.locator("div:has(> div > input)").first) > 0.5
    pills = page.get_by_test_id("stButtonGroup")
    for kind in ("aria-pressed", "aria-checked"):
        chosen, other = (pills.locator(f"[{kind}={word}]").first for word in ("true", "false"))
        assert ground(chosen) != ground(other), kind
    segment = pills.locator("[aria-checked=true]").first
    step_onto(segment)
    assert ring(segment)[0] == "solid"


def test_forced_colours_leave_the_chosen_picture_its_frame_and_bars_and_sliders(forced, shipped):
    page = forced(f"{shipped}/nuisance?dataset=digits&seed=1&index=0")
    expect(page.locator(".lab tbody tr")).to_have_count(6)
    shadow = "part => getComputedStyle(part).boxShadow"
    chosen = page.locator(".strip [aria-current]")
    assert chosen.evaluate(shadow) != "none"
    assert page.locator(".strip button:not([aria-current])").first.evaluate(shadow) == "none"
    assert inked(page.locator(".lab .bar").first) > 0.5
    track = page.locator("#contrast_grey").evaluate(
        "part => getComputedStyle(part).backgroundImage"
    )
    assert track != "none"


def test_forced_colours_leave_bars_of_pictures_and_the_edge_of_a_dialog(forced, server):
    page = forced(f"{server}/failures?dataset=digits&seed=1")
    assert inked(page.locator(".tiles .bar").first) > 0.5
    page.locator(".tiles button").first.click()
    dialog = page.get_by_role("dialog")
    assert dialog.evaluate("part => getComputedStyle(part).borderStyle") == "solid"


def test_forced_colours_leave_the_chosen_page_and_cell(forced, shipped):
    page = forced(f"{shipped}/transplants?dataset=digits")
    pages = page.get_by_test_id("stPagination").get_by_role("button")
    chosen, other = (pages.get_by_text(number, exact=True).first for number in ("1", "2"))
    assert ground(chosen) != ground(other)
    cells = page.locator(".transplants td button")
    shadows = cells.evaluate_all("all => all.map(one => getComputedStyle(one).boxShadow)")
    assert len([shadow for shadow in shadows if shadow != "none"]) == 1


def test_tables_that_scroll_on_normalization_by_hand_have_a_name(shipped, tab):
    opened = tab()
    page = opened.open(f"{shipped}/normalization?dataset=digits")
    tables = page.locator(".tall")
    expect(tables).to_have_count(4)
    names = [table.get_attribute("aria-label") for table in tables.all()]
    assert names == ["Batch norm", "Layer norm", "Group norm", "Instance norm"]
    assert {table.get_attribute("role") for table in tables.all()} == {"group"}
    assert not tables.evaluate_all("all => all.some(one => one.scrollHeight > one.clientHeight)")
    opened.check()
