"""The page of runs in a real browser: by mouse and keyboard, to a file and back, gone for good."""

from __future__ import annotations

import io
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core.config import VARIANTS
from core.training.label import read_label
from core.training.runs import SHIPPED_DIR
from tests.browser.conftest import IDLE, Tab, serving
from tests.fixtures_runs import copy_shipped, write_run

GN, LN = "digits/gn/seed-1", "digits/ln/seed-1"
ROW, HEADER = 35, 35  # pixels


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def address(chromium, checkpoints, runs_dir):
    with serving("streamlit_app.py", checkpoints, runs_dir) as address:
        yield address


@pytest.fixture
def root(runs_dir) -> Path:
    """Two finished runs, whose networks load; the folder is the server's."""
    shutil.rmtree(runs_dir / "digits", ignore_errors=True)
    copy_shipped(runs_dir, GN, LN)
    return runs_dir


def open_page(opened: Tab, address: str) -> Page:
    page = opened.open(f"{address}/runs")
    page.locator("canvas").first.wait_for()
    return page


def press_row(page: Page, number: int, now_chosen: int = 1) -> None:
    """Presses the box of a row; no element stands for it, because the table is a canvas."""
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + HEADER + ROW * number + ROW / 2)
    expect(chosen(page)).to_have_count(now_chosen)
    page.wait_for_selector(IDLE)


def chosen(page: Page) -> Locator:
    return page.locator(".st-key-chosen-runs li")


def test_to_a_file_and_gone_and_back(root, address, tab):
    opened = tab()
    page = open_page(opened, address)
    press_row(page, 0)
    press_row(page, 1, now_chosen=2)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download 2 runs").click()
    assert download.value.suggested_filename == "normlab-2-runs.zip"
    content = download.value.path().read_bytes()
    assert len(zipfile.ZipFile(io.BytesIO(content)).namelist()) == 2

    page.get_by_role("button", name="Delete 2 runs").click()
    question = page.get_by_role("dialog")
    expect(question.get_by_text("Group norm, seed 1, Digits")).to_be_visible()
    question.get_by_role("button", name="Delete 2 runs").click()
    expect(page.get_by_text("Nothing has been trained here yet")).to_be_visible()
    expect(page.get_by_text("Deleted 2 runs.")).to_be_visible()
    expect(question).to_have_count(0)
    assert not (root / GN).exists() and not (root / LN).exists()

    file = {"name": "two.zip", "mimeType": "application/zip", "buffer": content}
    page.locator('input[type="file"]').set_input_files([file])
    expect(
        page.get_by_text(f"Added {GN}, {LN}.").or_(page.get_by_text(f"Added {LN}, {GN}."))
    ).to_be_visible()
    expect(page.get_by_text("2 runs, the newest first")).to_be_visible()
    assert (root / GN / "manifest.json").read_bytes() == (
        SHIPPED_DIR / GN / "manifest.json"
    ).read_bytes()
    opened.check()


def test_by_keyboard_alone(root, address, tab):
    opened = tab()
    page = open_page(opened, address)
    page.get_by_label("Find", exact=True).focus()
    while page.evaluate("document.activeElement.tagName") != "CANVAS":
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Space")
    expect(chosen(page)).to_have_count(1)
    opened.wait()
    page.get_by_label("Name", exact=True).fill("By hand")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved name and note of 1 run.")).to_be_visible()
    assert sorted(read_label(root / name)[0] for name in (GN, LN)) == ["", "By hand"]
    opened.check()


def test_what_changes_elsewhere_is_shown_and_what_was_chosen_stays(root, address, tab):
    opened = tab(width=390, height=1400)
    page = open_page(opened, address)
    press_row(page, 1)
    before = chosen(page).all_inner_texts()
    page.get_by_role("button", name="Delete 1 run").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    write_run(root, "digits", VARIANTS["bn_l1"], 1, num_images=360)
    expect(page.get_by_text("3 runs, the newest first")).to_be_attached()
    expect(page.get_by_role("dialog").get_by_role("listitem")).to_have_text(before)
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert chosen(page).all_inner_texts() == before
    widths = page.get_by_test_id("stMain").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert widths[0] <= widths[1] == 390
    opened.check()


def test_curves_opens_with_the_variants_and_seeds_that_were_chosen(root, address, tab):
    copy_shipped(root, "digits/gn/seed-2", "digits/gn/seed-3", "digits/ln/seed-2")
    opened = tab()
    page = open_page(opened, address)
    page.get_by_label("Find", exact=True).fill("group norm")
    page.keyboard.press("Enter")
    expect(page.get_by_text("3 of 5 runs")).to_be_visible()
    press_row(page, 0)
    press_row(page, 1, now_chosen=2)
    seeds = sorted(re.findall(r"seed (\d)", " ".join(chosen(page).all_inner_texts())))
    page.get_by_role("button", name="Open on Curves").click()
    expect(page.get_by_role("heading", name="Curves", level=1)).to_be_visible()
    expect(page.get_by_text("Line: mean over 2 seeds")).to_be_visible()
    expect(page.locator(".st-key-seed [data-tag]")).to_have_text(seeds)
    expect(page).to_have_url(re.compile("variants=gn"))
    assert "variants=ln" not in page.url
    for part in ("runs=Made", *(f"seed={seed}" for seed in seeds)):
        expect(page).to_have_url(re.compile(part))
    page.reload()
    expect(page.get_by_text("Line: mean over 2 seeds")).to_be_visible()
    expect(page.locator(".st-key-seed [data-tag]")).to_have_text(seeds)
    opened.check()


def test_a_page_opened_for_a_run_shows_runs_made_here(root, address, tab):
    opened = tab()
    page = open_page(opened, address)
    press_row(page, 0)
    page.get_by_role("button", name="Open on Overview").click()
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    expect(page.get_by_text("Digits, 360 test images · 2 runs · seed 1")).to_be_visible()
    assert "runs=Made+here" in page.url
    opened.check()
