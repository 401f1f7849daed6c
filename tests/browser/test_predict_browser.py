"""Predict in a real browser: a digit drawn with the mouse or with keys, good and bad files."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from core.config import VARIANTS
from tests.browser.conftest import IDLE
from tests.browser.predict_helpers import (
    answers,
    digit_on_paper,
    draw_digit,
    draw_stroke,
    open_way,
    refusals,
    upload,
)
from tests.pictures import DIGIT, PAPER, encode

STREAMLITS_OWN = "presentation-role-conflict"
"""Of the drop zone that st.file_uploader draws."""
SEVENS = dict.fromkeys(VARIANTS, "7")


def verdict(page: Page):
    return page.locator(".st-key-predict-answers .verdict")


def test_a_digit_drawn_with_the_mouse_gets_six_answers_while_it_is_drawn(shipped, tab):
    opened = tab()
    page = open_way(opened, shipped, "draw", "dataset=mnist")
    expect(page.get_by_text("the answers follow the pen")).to_be_visible()
    box = page.locator(".board canvas").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"], steps=6)
    expect(verdict(page)).to_have_text("All 6 variants read it as 1.")  # the pen is still down
    page.mouse.up()
    page.get_by_role("button", name="Clear").click()
    expect(verdict(page)).to_have_count(0)
    draw_digit(page, "7")
    expect(verdict(page)).to_have_text("All 6 variants read it as 7.")
    assert answers(page) == SEVENS
    spoken = page.locator(".st-key-announcer [role=status]")
    expect(spoken).to_contain_text("All 6 variants read it as 7.")
    opened.check()


@pytest.mark.parametrize("digit", ["7 at the top", "4 at all edges"])
def test_a_digit_drawn_up_to_the_edge_is_read_as_it_is_drawn(digit, shipped, tab):
    opened = tab()
    page = open_way(opened, shipped, "draw", "dataset=mnist")
    draw_digit(page, digit)
    expect(verdict(page)).to_have_text(f"All 6 variants read it as {digit[0]}.")
    expect(page.get_by_text("The light is uneven")).to_have_count(0)
    opened.check()


def test_undo_and_a_change_of_page_leave_the_strokes(shipped, tab):
    opened = tab()
    page = open_way(opened, shipped, "draw", "dataset=mnist")
    draw_digit(page, "7")
    expect(verdict(page)).to_contain_text("as 7")
    draw_stroke(page, [(0.1, 0.1), (0.9, 0.9)])
    page.get_by_role("button", name="Clear").click()
    expect(verdict(page)).to_have_count(0)
    for _ in range(2):  # takes back the clearing, then the stroke across
        page.get_by_role("button", name="Undo").click()
    expect(verdict(page)).to_have_text("All 6 variants read it as 7.")
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Curves").click()
    page.get_by_role("heading", name="Curves", level=1).wait_for()
    opened.wait()
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Predict").click()
    expect(verdict(page)).to_have_text("All 6 variants read it as 7.")
    page.wait_for_selector(IDLE)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("the answers follow the pen")).to_be_visible()
    opened.check()


def test_strokes_on_the_way_when_the_page_is_left_are_not_lost(shipped, tab):
    opened = tab()
    page = open_way(opened, shipped, "draw")
    page.locator(".board canvas").hover()
    draw_digit(page, "4")
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Curves").click()
    page.get_by_role("heading", name="Curves", level=1).wait_for()
    opened.wait()
    page.get_by_test_id("stSidebarNavLink").filter(has_text="Predict").click()
    expect(verdict(page)).to_be_visible()
    page.wait_for_selector(IDLE)
    for strokes in (1, 0):
        page.get_by_role("button", name="Undo").click()
        status = page.locator('.board [role="status"]')
        expect(status).to_have_text(f"{strokes} strokes are left.")
    opened.check()


def test_keys_alone_draw_a_digit(shipped, tab):
    opened = tab()
    page = open_way(opened, shipped, "draw", "dataset=mnist")
    page.get_by_label("Drawing board").focus()
    status = page.locator('.board [role="status"]')
    page.keyboard.press("Space")
    expect(status).to_have_text("The pen is down.")
    for _ in range(20):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(status).to_have_text("The pen is up.")
    page.keyboard.press("ArrowRight")
    expect(verdict(page)).to_have_text("All 6 variants read it as 1.")
    page.keyboard.press("Control+z")
    expect(page.get_by_text("the answers follow the pen")).to_be_visible()
    opened.check()


def test_good_files_are_answered_and_bad_ones_named(shipped, tab):
    opened = tab()
    page = open_way(opened, shipped, "upload")
    files = [
        ("photo_1.png", digit_on_paper(DIGIT)),
        ("one.png", encode(DIGIT)),
        ("one.png", encode(PAPER)),
        ("<img src=x onerror=alert(1)>.png", b"%PDF-1.4"),
        ("cut.png", encode(DIGIT)[:120]),
    ]
    upload(page, files)
    assert refusals(page) == [
        "<img src=x onerror=alert(1)>.png: The file is a PDF document: export it as "
        "PNG, JPEG, BMP, GIF, WEBP, TIFF.",
        "cut.png: The PNG picture is damaged or cut off: export or send it again.",
    ]
    assert set(answers(page)) == set(VARIANTS)
    for name in ("photo_1.png", "one.png", "one.png (2)"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    page.get_by_role("button", name="Remove all").click()
    expect(page.get_by_label("Pictures that cannot be used")).to_have_count(0)
    expect(verdict(page)).to_have_count(0)
    opened.check()


def test_digits_of_one_picture_are_offered_one_by_one(shipped, tab):
    opened = tab()
    page = open_way(opened, shipped, "draw", "dataset=mnist")
    draw_stroke(page, [(0.2, 0.3), (0.2, 0.7)])
    draw_stroke(page, [(0.5, 0.3), (0.8, 0.3), (0.65, 0.7)])
    expect(verdict(page)).to_have_text("All 6 variants read it as 1.")
    box = page.get_by_role("button", name="Digit 2 of 2", exact=True)
    box.click()
    expect(verdict(page)).to_have_text("All 6 variants read it as 7.")
    expect(box).to_have_attribute("aria-pressed", "true")
    opened.check()


def test_a_way_in_leaves_nothing_of_another_behind(shipped, tab):
    opened = tab()
    page = open_way(opened, shipped, "draw")
    marks = {
        "Draw": ".board canvas",
        "Upload": '[data-testid="stFileUploader"]',
        "Camera": '[data-testid="stCameraInput"]',
        "Samples": ".st-key-predict-samples",
    }
    for way in ("Upload", "Camera", "Samples", "Upload", "Draw", "Samples", "Draw"):
        page.get_by_role("radio", name=way).click()
        for other, mark in marks.items():
            expect(page.locator(mark)).to_have_count(int(other == way))
    opened.check()


def test_a_sample_is_answered_and_stays_in_the_address(shipped, tab):
    opened = tab()
    page = open_way(opened, shipped, "samples")
    page.locator(".strip button").nth(14).click()
    expect(page).to_have_url(re.compile(r"sample=\d+"))
    expect(verdict(page)).to_contain_text("labelled 7")
    opened.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_a_phone_scrolls_only_down(scheme, shipped, tab):
    opened = tab(width=390, height=844, color_scheme=scheme)
    page = open_way(opened, shipped, "draw", "dataset=mnist")
    draw_stroke(page, [(0.2, 0.3), (0.2, 0.7)])
    draw_stroke(page, [(0.5, 0.3), (0.8, 0.3), (0.65, 0.7)])
    expect(verdict(page)).to_be_visible()
    page.wait_for_selector(IDLE)
    page.wait_for_timeout(500)
    for way in ("Draw", "Camera", "Upload"):
        page.get_by_role("radio", name=way).click()
        page.wait_for_timeout(300)
        page.wait_for_selector(IDLE)
        main = page.locator('[data-testid="stMain"]')
        assert main.evaluate("main => main.scrollWidth <= main.clientWidth"), way
        found = [
            item for item in Axe().run(page).response["violations"] if item["id"] != STREAMLITS_OWN
        ]
        assert [(item["id"], item["nodes"][0]["html"]) for item in found] == [], way
    opened.check()
