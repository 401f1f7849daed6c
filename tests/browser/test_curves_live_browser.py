"""A training is followed on the curves page, in a real browser: nothing of the view is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Page, expect

from core.config import VARIANTS
from core.training import jobs
from core.training.request import make_request
from tests.browser.conftest import serving
from tests.fixtures_runs import write_run
from tests.growing_runs import finish, write_growing

CHART = ".st-key-curve-test_loss"
UPDATES = 5
MARK = """chart => {
  const svg = document.querySelector(`${chart} svg.marks`), seen = new Set();
  svg.dataset.first = 'yes';
  const look = () => seen.add(document.querySelector(`${chart} g.mark-line path`)
    .getAttribute('d'));
  look();
  new MutationObserver(look).observe(svg, {subtree: true, attributes: true, childList: true});
  window.seen = seen;
}"""

SAME_LABELS = """([css, wanted]) => JSON.stringify(wanted) ===
  JSON.stringify([...document.querySelectorAll(css)].map(label => label.textContent).sort())"""

SEVERAL_EPOCHS = "css => document.querySelector(css).getAttribute('d').split('L').length > 3"


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def server(chromium, checkpoints: Path, runs_dir: Path) -> Iterator[str]:
    with serving("streamlit_app.py", checkpoints, runs_dir) as address:
        yield address


@pytest.fixture
def job(runs_dir: Path) -> Iterator[jobs.Job]:
    """A real training on digits, of far more epochs than anyone waits for."""
    begun = jobs.start(make_request("digits", ["gn"], epochs=1000), runs_dir)
    yield begun
    if jobs.find_job(runs_dir, begun.id).is_living:
        jobs.stop(runs_dir, begun.id)
    jobs.wait_until_ended(runs_dir, begun.id, 30)


def labels(page: Page) -> list[str]:
    return page.locator(f"{CHART} g.role-axis-label text").all_text_contents()


def epochs(page: Page) -> list[str]:
    """The labels of the axis of epochs; losses have a point."""
    return [label for label in labels(page) if "." not in label]


def zoom(page: Page) -> None:
    """Zooms in with Ctrl and the wheel, after the wheel alone has scrolled the page."""
    box = page.locator(f"{CHART} svg.marks").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5)
    before = epochs(page)
    page.mouse.wheel(0, 120)
    page.wait_for_function("document.querySelector('[data-testid=stMain]').scrollTop > 0")
    assert epochs(page) == before
    page.mouse.wheel(0, -400)
    page.wait_for_function("document.querySelector('[data-testid=stMain]').scrollTop === 0")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -500)
    page.keyboard.up("Control")
    expect(page.locator(f"{CHART} g.role-axis-label text").first).not_to_have_text(before[0])


def test_zoom_legend_and_pointer_outlive_the_epochs_of_a_real_training(server, tab, job, runs_dir):
    opened = tab()
    page = opened.open(f"{server}/curves?dataset=digits&show=Test+loss")
    page.get_by_role("button", name="Show the runs made here").click()
    expect(page.get_by_text("In training: Group norm (seed 1)")).to_be_visible()
    expect(page.locator(f"{CHART} g.mark-line path")).to_have_count(1)  # six are shipped
    # One epoch has no range of losses that a zoom could keep.
    page.wait_for_function(SEVERAL_EPOCHS, arg=f"{CHART} g.mark-line path")
    slider = page.locator(".st-key-epochs input").first
    page.locator(f"{CHART} svg.marks").evaluate("svg => svg.dataset.before = 'yes'")
    slider.press("ArrowRight")  # other epochs are another chart, which comes when it is made
    page.locator(f"{CHART} svg.marks:not([data-before])").wait_for()
    opened.wait()
    zoom(page)
    page.locator(f"{CHART} g.role-legend-label text").first.click()
    box = page.locator(f"{CHART} svg.marks").bounding_box()
    for part in (0.6, 0.61):
        page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] * 0.55)
    page.locator("#vg-tooltip-element.visible").wait_for()
    opened.wait()
    zoomed = labels(page)
    page.evaluate(MARK, CHART)
    page.wait_for_function(f"window.seen.size > {UPDATES}")
    assert labels(page) == zoomed
    assert page.locator(f"{CHART} svg.marks").get_attribute("data-first") == "yes"
    assert page.locator("#vg-tooltip-element.visible").count() == 1
    faded = page.locator(f'{CHART} g.role-legend-label text[opacity="1"]')
    assert faded.count() == 1
    assert slider.input_value() == "2"
    assert "runs=Made+here" in page.url

    jobs.stop(runs_dir, job.id)
    expect(page.get_by_text("Stopped: Group norm (seed 1)")).to_be_visible()
    page.wait_for_function(SAME_LABELS, arg=[f"{CHART} g.role-axis-label text", sorted(zoomed)])
    opened.check()


def test_a_run_that_ends_is_shown_as_finished_without_a_reload(server, tab, runs_dir):
    path = write_growing(runs_dir, "digits", "ln", 7, epochs=3)
    opened = tab()
    with FileLock(path / "lock"):
        page = opened.open(f"{server}/curves?dataset=digits&show=Test+loss&runs=Made+here")
        expect(
            page.get_by_text("In training: Layer norm (seed 7), 3 of 20 epochs.")
        ).to_be_visible()
        finish(path)
    expect(page.get_by_text("In training")).to_have_count(0)
    expect(page.locator(f'{CHART} [aria-label*="Last shown epoch"]').first).to_be_attached()
    opened.check()


def test_a_range_nobody_moved_follows_other_runs_and_stays_out_of_the_address(
    checkpoints, tab, tmp_path
):
    write_run(tmp_path, "digits", replace(VARIANTS["gn"], epochs=80), 1)
    opened = tab()
    with serving("streamlit_app.py", checkpoints, tmp_path) as server:
        page = opened.open(f"{server}/curves?dataset=digits&show=Test+loss")
        first, last = (page.locator(".st-key-epochs input").nth(place) for place in (0, 1))
        expect(last).to_have_value("25")
        for source, epochs in (("Made here", "80"), ("Shipped", "25"), ("Made here", "80")):
            page.get_by_test_id("stSidebar").locator(".st-key-runs input").click()
            page.get_by_role("option", name=source, exact=True).click()
            expect(last).to_have_value(epochs)
            expect(first).to_have_value("1")
            opened.wait()
            assert "epochs=" not in page.url
        first.press("ArrowRight")
        expect(page).to_have_url(re.compile("epochs=2&epochs=80"))
        opened.check()
