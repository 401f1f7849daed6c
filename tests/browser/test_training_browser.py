"""A real training beside the pages: it is followed, stopped, gone on with, and its run appears."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.training import jobs
from core.training.request import make_request
from tests.browser.conftest import open_list, serving

FOLLOWED = """() => {
  window.first = [...document.querySelectorAll('.st-key-training :is(canvas, svg.marks)')];
  return window.first.length;
}"""
STILL_THERE = "() => window.first.every(one => one.isConnected)"


@pytest.fixture
def runs_dir(tmp_path) -> Iterator[Path]:
    yield tmp_path
    for job in jobs.living_jobs(tmp_path):
        jobs.stop(tmp_path, job.id)
        jobs.wait_until_ended(tmp_path, job.id, 30)


def epoch(page: Page) -> int:
    return int(page.locator(".st-key-training").inner_text().split("epoch ")[1].split(" of")[0])


def picker(page: Page, name: str) -> Locator:
    return page.get_by_test_id("stSidebar").get_by_role("combobox", name=name)


def follow(page: Page) -> None:
    """Two epochs pass: charts stay the same, an open part and an open list stay open."""
    expect(page.locator(".st-key-training :is(canvas, svg.marks)")).to_have_count(2)
    assert page.evaluate(FOLLOWED) == 2
    page.get_by_text("Newest epochs").click()
    expect(picker(page, "Runs")).to_have_value("Shipped")  # stands there since the run has begun
    open_list(picker(page, "Data set"))
    options = page.get_by_role("option")
    expect(options.first).to_be_visible()
    before = epoch(page)
    page.wait_for_function(
        "before => +document.querySelector('.st-key-training').innerText"
        ".split('epoch ')[1].split(' of')[0] >= before + 2",
        arg=before,
    )
    assert options.first.is_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("On the test set")).to_be_visible()
    assert page.evaluate(STILL_THERE)


def test_a_training_is_followed_stopped_and_gone_on_with(
    chromium: Browser, tab, checkpoints, runs_dir
):
    with serving("streamlit_app.py", checkpoints, runs_dir) as address:
        first, second = tab(), tab(width=1280, color_scheme="dark")
        page = first.open(f"{address}/runs")
        expect(page.locator(".st-key-training")).to_have_count(0)
        jobs.start(make_request("digits", ["ln"], epochs=1000), runs_dir)
        expect(page.get_by_text("Training: Layer norm on Digits")).to_be_visible()
        follow(page)
        other = second.open(f"{address}/runs")
        expect(other.get_by_text("Training: Layer norm on Digits")).to_be_visible()
        other.locator(".st-key-training").get_by_role("button", name="Stop", exact=True).click()
        for shown in (page, other):
            expect(shown.get_by_text("Layer norm on Digits: stopped in epoch")).to_be_visible()
        # What has ended without a result stays until it is dismissed, also beside a newer job.
        jobs.start(make_request("digits", ["gn"], epochs=1), runs_dir)
        expect(page.get_by_text("1 run finished, test accuracy")).to_be_visible()
        page.locator(".st-key-training-resume-1 button").first.click()
        expect(page.get_by_text("Training: Layer norm on Digits")).to_be_visible()
        page.get_by_role("button", name="Show them").click()
        expect(picker(page, "Runs")).to_have_value("Made here")
        expect(picker(page, "Data set")).to_have_value("digits")
        first.check()
        second.check()
