"""Predict under stress, in a real browser: many users, many files, bad files, reloads."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks import app
from core.config import VARIANTS
from core.data.datasets import get_dataset
from core.data.image_gate import MAX_BYTES, TOO_LARGE, read_picture
from core.data.preprocess import find_digits, use_as_is
from core.training.runs import SHIPPED_DIR, read_predictions
from tests.browser.conftest import IDLE, PATIENCE, Tab
from tests.browser.predict_helpers import (
    answers,
    digit_on_paper,
    expect_seen,
    margins,
    open_page,
    open_way,
    refusals,
    send,
    upload,
    verdict,
)
from tests.fixtures_explain import digits_split
from tests.pictures import DIGIT, animation, encode
from ui.images import png_data_url

SESSIONS = 8
NO_FILES = "What you bring stays in memory until this page is reloaded, written nowhere."
BLANK = "The picture is blank: its grey levels differ by 0 of 255. Choose one that shows a digit."
RECORDER = """
import os, sys
path = os.environ.pop("WRITTEN", None)  # not for the processes that the server starts

def note(event, found):
    if event == "open" and isinstance(found[2], int) and found[2] & (os.O_WRONLY | os.O_RDWR):
        if found[0] != os.devnull:
            os.write(record, f"{found[0]}\\n".encode(errors="replace"))

if path:
    record = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    sys.addaudithook(note)
"""
"""A sitecustomize.py: notes whatever Python opens to write to, temporary files included."""


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    """Each variant's logits (360, 10) on the test images of digits, as training left them."""
    folder = SHIPPED_DIR / "digits"
    return {key: read_predictions(folder / key / "seed-1").logits for key in VARIANTS}


def has_answers_to(page: Page, index: int, stored: dict[str, np.ndarray]) -> None:
    """Fails unless the page shows test image `index` and what the networks say of it."""
    expect_seen(page, digits_split().images[index])
    assert answers(page) == {key: str(logits[index].argmax()) for key, logits in stored.items()}
    for key, shown in margins(page).items():
        *_, second, first = np.sort(stored[key][index])
        assert shown == pytest.approx(first - second, abs=0.03)  # float16 is stored


def picture(page: Page, index: int) -> Locator:
    """Test image `index` wherever the page shows it."""
    return page.locator(f'img[src="{png_data_url(digits_split().images[index])}"]')


def remove_all(page: Page) -> None:
    page.get_by_role("button", name="Remove all").click()
    expect(verdict(page)).to_have_count(0)
    expect(page.get_by_text(NO_FILES)).to_be_visible()
    page.wait_for_selector(IDLE)


def test_eight_sessions_at_once_each_get_their_own_answers(shipped, chromium: Browser, stored):
    with ExitStack() as open_contexts:
        tabs = []
        for _ in range(SESSIONS):
            context = open_contexts.enter_context(chromium.new_context())
            context.set_default_timeout(PATIENCE)
            tabs.append(Tab(context.new_page()))
            tabs[-1].page.goto(
                f"{shipped}/predict?dataset=digits&seed=1&way=upload", wait_until="commit"
            )
        for first in (0, 100):
            for number, opened in enumerate(tabs):
                opened.page.wait_for_selector(IDLE)
                # Eight cold browsers start at once; one alone may take PATIENCE.
                field = opened.page.locator('input[type="file"]')
                expect(field).to_have_count(1, timeout=SESSIONS * PATIENCE)
                send(opened.page, {"digit.png": encode(digits_split().images[first + number])})
            for number, opened in enumerate(tabs):
                expect(opened.page.get_by_text("1 file is kept")).to_be_visible()
                has_answers_to(opened.page, first + number, stored)
                opened.check()
            for opened in tabs:
                remove_all(opened.page)


def leaf_through(page: Page, step: Callable[[], object], title: str) -> None:
    """Back or forward until the page `title` stands: each choice in the address is a step."""
    heading = page.get_by_role("heading", name=title, level=1)
    for _ in range(8):
        step()
        page.wait_for_timeout(500)
        page.wait_for_selector(IDLE)
        if heading.count():
            return
    raise AssertionError(f"{title} is not in the history.")


def test_an_image_stays_with_its_tab_over_pages_back_and_reload(shipped, tab, stored):
    opened, other = tab(), tab()
    page = open_way(opened, shipped, "upload")
    upload(page, {"digit.png": encode(digits_split().images[3])})
    upload(open_way(other, shipped, "upload"), {"digit.png": encode(digits_split().images[4])})
    for link, heading in (("Explain this image", "Explain"), ("Into the nuisance lab", "Nuisance")):
        page.get_by_role("link", name=link).click()
        page.get_by_role("heading", name=heading, level=1).wait_for()
        expect(page.get_by_role("heading", name="Your image has no known label")).to_be_visible()
        page.wait_for_selector(IDLE)
        expect(picture(page, 3).first).to_be_visible()
        expect(picture(page, 4)).to_have_count(0)
        open_page(page, "Predict")
        has_answers_to(page, 3, stored)
    leaf_through(page, page.go_back, "Nuisance")
    expect(page.get_by_role("heading", name="Your image has no known label")).to_be_visible()
    leaf_through(page, page.go_forward, "Predict")
    expect_seen(page, digits_split().images[3])
    has_answers_to(other.page, 4, stored)
    page.reload()
    opened.wait()
    expect(page.get_by_text(NO_FILES)).to_be_visible()
    opened.open(f"{shipped}/explain?dataset=digits&seed=1&pictures=own")
    expect(page.get_by_text("The image you brought is no longer here")).to_be_visible()
    opened.check()
    other.check()


def test_a_reload_amid_an_upload_leaves_a_page_that_works(shipped, tab, stored):
    opened = tab()
    page = open_way(opened, shipped, "upload")
    send(page, {f"{number}.png": encode(digits_split().images[number]) for number in range(60)})
    page.reload()
    opened.wait()
    expect(page.get_by_text(NO_FILES)).to_be_visible()
    upload(page, {"digit.png": encode(digits_split().images[5])})
    has_answers_to(page, 5, stored)
    assert page.locator('[data-testid="stException"]').count() == 0


def test_names_are_shown_as_text_and_never_as_markup_or_path(shipped, tab):
    opened = tab(width=390, height=844)
    page = open_way(opened, shipped, "upload")
    markup = "<img src=x onerror=alert(1)>**b** :red[x] $x$ [l](http://a.b).png"
    names = [markup, "&lt;b&gt;.png", "\u202egnp.png", "x" * 996 + ".png"]
    shown = [markup, "&lt;b&gt;.png", "\ufffdgnp.png", "…" + "x" * 75 + ".png"]
    upload(page, [(name, encode(DIGIT)) for name in names])
    upload(page, [(name, b"%PDF") for name in names])
    for name in shown:
        expect(page.get_by_role("img", name=f"{name}, as the networks see it")).to_have_count(
            int(name == shown[0])
        )
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    told = [line.partition(": The file")[0] for line in refusals(page)]
    assert told == [f"{name} (2)" for name in shown]
    assert page.locator('img[src="x"]').count() == 0
    main = page.locator('[data-testid="stMain"]')
    assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
    opened.check()


def test_two_hundred_files_are_kept_and_the_next_refused_in_words(shipped, tab, stored):
    opened = tab()
    page = open_way(opened, shipped, "upload")
    images = digits_split().images
    upload(page, {f"{number}.png": encode(images[number]) for number in range(201)})
    expect(page.get_by_text("200 files are kept in")).to_be_visible()
    assert refusals(page) == [
        "200.png: Only 200 files are kept at once. Remove the others and bring it again."
    ]
    has_answers_to(page, 0, stored)
    expect(page.get_by_role("heading", name="All 200 images, and 1 refused")).to_be_visible()
    remove_all(page)
    opened.check()


def test_bad_files_between_good_ones_are_each_named(shipped, tab):
    sheet = np.asarray(Image.fromarray(255 - DIGIT).resize((2000, 2000)))
    light = np.linspace(0.6, 1, 4000)
    photo = (np.pad(sheet, ((500, 500), (1000, 1000)), constant_values=255) * light).astype("uint8")
    good = encode(DIGIT)
    opened = tab()
    page = open_way(opened, shipped, "upload")
    send(page, {"large.png": good + bytes(16 * 2**20)})
    expect(page.get_by_text("File must be 15.0MB or smaller.")).to_be_visible()
    upload(
        page,
        {
            "photo with 12 Mpx.jpg": encode(photo, "JPEG").ljust(6 * 2**20, b"\0"),
            "empty.png": b"",
            "moving.gif": animation("GIF"),
            "too large.png": good + bytes(MAX_BYTES),
            "white.png": encode(np.full((50, 50), 255, np.uint8)),
            "flipped.png": good[:-20] + bytes([good[-20] ^ 1]) + good[-19:],
            "black.png": encode(np.zeros((50, 50), np.uint8)),
            "last.png": good,
        },
    )
    assert refusals(page) == [
        "empty.png: The file is empty: choose a picture.",
        f"white.png: {BLANK}",
        "flipped.png: The PNG picture is damaged or cut off: export or send it again.",
        f"black.png: {BLANK}",
        f"too large.png: {TOO_LARGE}",
    ]
    expect(verdict(page)).to_have_text("All 6 variants read it as 2.")
    page.get_by_role("button", name="moving.gif").click()
    notice = "The file holds several pictures: only the first is used."
    expect(page.get_by_text(notice)).to_be_visible()
    expect_seen(page, DIGIT)
    opened.check()


def test_polarity_and_use_as_it_is_change_what_the_networks_see(shipped, tab):
    opened = tab()
    page = open_way(opened, shipped, "upload")
    content = digit_on_paper(DIGIT)
    picture = read_picture(content)
    [found] = find_digits(picture, centring=get_dataset("digits").centring)
    upload(page, {"paper.png": content})
    expect_seen(page, found.image)
    page.get_by_role("radio", name="Light on dark").click()
    expect(verdict(page)).to_have_count(0)
    expect(page.get_by_text("with this polarity: choose the other one").first).to_be_visible()
    page.get_by_role("radio", name="Use as it is").click()
    expect(verdict(page)).to_be_visible()
    expect_seen(page, use_as_is(picture).image)
    page.get_by_role("radio", name="Dark on light").click()
    expect_seen(page, use_as_is(picture, polarity="dark_on_light").image)
    opened.check()


def test_nothing_of_an_upload_is_written_or_logged(chromium: Browser, tab, tmp_path):
    record, log = tmp_path / "written", tmp_path / "log"
    (tmp_path / "sitecustomize.py").write_text(RECORDER, encoding="utf-8")
    environment = {
        "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "WRITTEN": str(record),
        "NORMLAB_CHECKPOINTS": str(SHIPPED_DIR),
    }
    large = np.kron(DIGIT, np.ones((50, 50), np.uint8))
    opened = tab()
    with log.open("wb") as output, app.serving("streamlit_app.py", environment, output) as address:
        page = open_way(opened, address, "upload")
        before = record.read_bytes()
        upload(page, {"secret name.bmp": encode(large, "BMP"), "secret other.png": b"damaged"})
        expect(verdict(page)).to_be_visible()
        for name in ("Explain", "Nuisance", "Predict"):
            open_page(page, name)
        assert record.read_bytes() == before
        opened.check()  # what ticks complains of a server that is gone
    assert before and "view your Streamlit app" in log.read_text(encoding="utf-8")
    assert "secret" not in log.read_text(encoding="utf-8")
