"""Drawing and uploading on Predict in a browser, and reading what the page says of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import IDLE
from tests.pictures import encode
from ui.images import png_data_url

Point = tuple[float, float]

STROKES: dict[str, list[list[Point]]] = {
    "0": [[(0.5, 0.15), (0.3, 0.3), (0.3, 0.7), (0.5, 0.85), (0.7, 0.7), (0.7, 0.3), (0.5, 0.15)]],
    "1": [[(0.5, 0.15), (0.5, 0.85)]],
    "4": [[(0.35, 0.15), (0.3, 0.5), (0.7, 0.5)], [(0.65, 0.15), (0.65, 0.85)]],
    "7": [[(0.3, 0.2), (0.7, 0.2), (0.45, 0.8)]],
    "4 at all edges": [[(0.3, 0.01), (0.02, 0.6), (0.98, 0.6)], [(0.7, 0.01), (0.7, 0.99)]],
    "7 at the top": [[(0.1, 0.04), (0.9, 0.04), (0.45, 0.95)]],
}
"""Digits as strokes, in parts of the board's width and height."""


def open_way(opened, address: str, way: str, query: str = "dataset=digits&seed=1") -> Page:
    """Predict with `way` ("draw", "upload", "camera" or "samples") chosen, once it stands."""
    page = opened.open(f"{address}/predict?{query}&way={way}")
    if way == "draw":
        page.locator(".board canvas").wait_for()
    page.wait_for_selector(IDLE)
    return page


def draw_stroke(page: Page, points: Sequence[Point]) -> None:
    """One stroke with the mouse over the drawing board."""
    board = page.locator(".board canvas")
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=6)
    page.mouse.up()


def draw_digit(page: Page, digit: str) -> None:
    """One of the digits of `STROKES` with the mouse."""
    for stroke in STROKES[digit]:
        draw_stroke(page, stroke)


def send(page: Page, files: Mapping[str, bytes] | Sequence[tuple[str, bytes]]) -> None:
    """Chooses files (name, content) in the uploader and does not wait."""
    pairs = files.items() if isinstance(files, Mapping) else files
    payloads = [
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
        for name, content in pairs
    ]
    page.locator('input[type="file"]').first.set_input_files(payloads)


def upload(page: Page, files: Mapping[str, bytes] | Sequence[tuple[str, bytes]]) -> None:
    """Chooses files (name, content) in the uploader; waits until the page has taken them over."""
    uploader = page.locator('[class*="st-key-predict-uploader-"]')
    number = int(re.findall(r"predict-uploader-(\d+)", uploader.get_attribute("class") or "")[0])
    send(page, files)
    page.locator(f".st-key-predict-uploader-{number + 1}").wait_for()
    expect(page.locator(f".st-key-predict-uploader-{number}")).to_have_count(0)
    page.wait_for_selector(IDLE)


def answers(page: Page) -> dict[str, str]:
    """What each of the six variants says now: its key → class."""
    rows = page.locator(".st-key-predict-answers tr[data-variant]")
    expect(rows).to_have_count(6)
    said = rows.evaluate_all(
        "rows => rows.map(row => [row.dataset.variant, row.querySelector('.says').innerText])"
    )
    return {variant: text.strip("✓✗ \n") for variant, text in said}


def open_page(page: Page, name: str) -> None:
    """Goes to a page by the navigation; waits until it has run."""
    page.get_by_test_id("stSidebarNavLink").filter(has_text=name).first.click()
    page.get_by_role("heading", name=name, level=1).wait_for()
    page.wait_for_selector(IDLE)


def verdict(page: Page) -> Locator:
    """The sentence that says who says what."""
    return page.locator(".st-key-predict-answers .verdict")


def expect_seen(page: Page, image: np.ndarray) -> None:
    """Waits until the networks are shown `image`, (28, 28) uint8, pixel by pixel."""
    shown = page.locator(".st-key-predict-answers img")
    expect(shown).to_have_attribute("src", png_data_url(image))


def margins(page: Page) -> dict[str, float]:
    """Each variant's margin (logits), to two decimals as it is shown."""
    shown = page.locator(".st-key-predict-answers tr[data-variant]").evaluate_all(
        "rows => rows.map(row => "
        "[row.dataset.variant, row.querySelectorAll('.scaled')[1].innerText])"
    )
    return {variant: float(text) for variant, text in shown}


def refusals(page: Page) -> list[str]:
    """The lines that say which pictures cannot be used and why."""
    return page.get_by_label("Pictures that cannot be used").locator("li").all_inner_texts()


def digit_on_paper(digit: np.ndarray, scale: int = 8) -> bytes:
    """A (28, 28) uint8 digit, light on black, as a PNG of dark ink on a larger white sheet."""
    large = np.kron(255 - digit, np.ones((scale, scale), np.uint8))
    return encode(np.pad(large, 4 * scale, constant_values=255))
