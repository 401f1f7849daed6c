"""Training from the sidebar in a real browser, with real trainings on digits and real kills."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks import app
from core.training import jobs
from core.training.checkpoint import load_network
from core.training.job import Job, living_jobs
from core.training.process import identity_from_dict
from core.training.runs import SHIPPED_DIR, list_runs, read_metrics
from core.training.storage import read_json
from tests.browser.conftest import PATIENCE, choose

REPOSITORY = Path(__file__).resolve().parents[2]
END_SECONDS = 240.0
ENDLESS = 1000
"""Epochs of a training that no test sees to its end."""


@pytest.fixture
def runs_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder for runs; whatever still trains there at the end is ended."""
    folder = tmp_path / "runs"
    yield folder
    for job in living_jobs(folder):
        send(job, signal.SIGCONT)
        jobs.stop(folder, job.id)
        jobs.wait_until_ended(folder, job.id, END_SECONDS)


@pytest.fixture
def site(chromium: Browser, runs_dir: Path) -> Iterator[str]:
    """The address of a server that keeps its runs in `runs_dir`."""
    with app.serving("streamlit_app.py", environment(runs_dir)) as address:
        yield address


def environment(runs_dir: Path) -> dict[str, str]:
    return {"NORMLAB_CHECKPOINTS": str(SHIPPED_DIR), "NORMLAB_RUNS": str(runs_dir)}


def sidebar(page: Page) -> Locator:
    return page.get_by_test_id("stSidebar")


def fill_form(page: Page, variants: list[str], epochs: int, seeds: str = "1") -> Locator:
    """Opens the form on a page of digits, fills it and returns its Start."""
    side = sidebar(page)
    side.get_by_text("Train networks").click()
    group = side.get_by_test_id("stButtonGroup").filter(has_text="Layer norm + L2")
    for label in ("Group norm", "Layer norm", "Batch norm + L1", "Group norm + L1"):
        if label not in variants:
            group.get_by_role("button", name=label, exact=True).click()
    for label in ("Layer norm + L2", "Batch norm + L1 + L2"):
        if label not in variants:
            group.get_by_role("button", name=label, exact=True).click()
    field = side.get_by_role("spinbutton", name="Epochs")
    field.fill(str(epochs))
    field.press("Enter")
    if seeds != "1":
        side.get_by_role("textbox", name="Seeds").fill(seeds)
    start = side.get_by_role("button", name="Start training")
    expect(side.get_by_text(f"{epochs} epochs").first).to_be_visible()
    expect(start).to_be_enabled()
    return start


def only_job(runs_dir: Path) -> Job:
    [job] = jobs.list_jobs(runs_dir)
    return job


def expect_epoch(page: Page, epochs: int) -> None:
    """The running job shows its progress."""
    words = re.compile(rf"epoch \d+ of {epochs}", re.IGNORECASE)
    expect(sidebar(page).get_by_text(words).first).to_be_visible()


def expect_finished(page: Page) -> None:
    """The sidebar says how the run ended."""
    said = sidebar(page).get_by_text("1 run finished").first
    expect(said).to_be_visible(timeout=1000 * END_SECONDS)


def send(job: Job, number: signal.Signals) -> None:
    """Sends a signal to the job's process: SIGSTOP makes no machine too fast for what follows."""
    identity = identity_from_dict(read_json(job.path / "process.json"))
    assert identity is not None and identity.send(number)


def assert_whole(runs_dir: Path, epochs: int) -> None:
    """Every run is done, its lines complete and its network loads."""
    found = list_runs(runs_dir)
    assert found
    for run in found:
        assert (run.state, run.reason) == ("done", None)
        assert [record["epoch"] for record in read_metrics(run.path)] == list(range(1, epochs + 1))
        load_network(run)


def test_a_training_is_started_left_reloaded_stopped_resumed_and_seen_to_end(site, tab, runs_dir):
    epochs = 25
    opened = tab()
    page = opened.open(f"{site}/overview?dataset=digits")
    fill_form(page, ["Group norm"], epochs).click()
    expect_epoch(page, epochs)
    send(only_job(runs_dir), signal.SIGSTOP)
    assert only_job(runs_dir).state == "running"

    page.get_by_role("link", name="Parameters").click()
    expect(page.get_by_role("heading", name="Parameters", level=1)).to_be_visible()
    expect_epoch(page, epochs)
    page.reload()
    expect_epoch(page, epochs)
    second = tab()
    other = second.open(f"{site}/failures?dataset=digits")
    expect_epoch(other, epochs)

    sidebar(other).get_by_role("button", name="Stop").click()
    expect(sidebar(other).get_by_text("Stopping")).to_be_visible()
    send(only_job(runs_dir), signal.SIGCONT)
    for each in (page, other):
        expect(sidebar(each).get_by_role("button", name="Resume")).to_be_visible()
    stopped = only_job(runs_dir)
    assert stopped.state == "stopped"
    [run] = list_runs(runs_dir)
    assert run.state == "stopped"

    sidebar(page).get_by_role("button", name="Resume").click()
    expect_epoch(page, epochs)
    for each in (page, other):
        expect_finished(each)
    assert_whole(runs_dir, epochs)
    # Without a reload the run is there to be picked.
    choose(sidebar(other).get_by_role("combobox", name="Runs"), "Made here")
    expect(sidebar(other).get_by_text(f"Group norm (seed 1; {epochs} epochs)")).to_be_visible()
    for one in (opened, second):
        one.check()


def test_of_two_starts_at_once_one_trains_and_the_other_is_told(site, tab, runs_dir):
    tabs = [tab(), tab()]
    starts = [
        fill_form(one.open(f"{site}/parameters?dataset=digits"), ["Layer norm"], ENDLESS)
        for one in tabs
    ]
    # Sent without waiting for the page, as two hands would.
    for start in starts:
        start.evaluate("button => setTimeout(() => button.click(), 50)")
    for one in tabs:
        expect_epoch(one.page, ENDLESS)
        expect(sidebar(one.page).get_by_text("Being trained now")).to_be_visible()
    assert len(jobs.list_jobs(runs_dir)) == 1
    for one in tabs:
        one.check()


def test_the_server_and_then_the_trainer_are_killed_and_nothing_is_lost(chromium, tab, runs_dir):
    epochs = 25
    with app.serving_process("streamlit_app.py", environment(runs_dir)) as (address, server):
        page = tab().open(f"{address}/overview?dataset=digits")
        fill_form(page, ["Group norm"], epochs).click()
        expect_epoch(page, epochs)
        send(only_job(runs_dir), signal.SIGSTOP)
        server.kill()
        server.wait()
    assert only_job(runs_dir).state == "running"
    with app.serving("streamlit_app.py", environment(runs_dir)) as address:
        opened = tab()
        page = opened.open(f"{address}/overview?dataset=digits")
        expect_epoch(page, epochs)
        send(only_job(runs_dir), signal.SIGKILL)
        expect(sidebar(page).get_by_text("was killed").first).to_be_visible()
        sidebar(page).get_by_role("button", name="Resume").click()
        expect_finished(page)
        opened.check()
    assert_whole(runs_dir, epochs)


def test_what_the_command_line_starts_is_seen_and_stopped_here_and_the_reverse(site, tab, runs_dir):
    opened = tab()
    page = opened.open(f"{site}/overview?dataset=digits")
    command(runs_dir, "train", "gn", "--dataset", "digits", "--epochs", str(ENDLESS), "--detach")
    expect_epoch(page, ENDLESS)
    fill_form(page, ["Layer norm"], ENDLESS).click()
    expect(sidebar(page).get_by_role("button", name="Cancel")).to_be_visible()
    found = command(runs_dir, "jobs")["jobs"]
    assert [(job["state"], job["runs"]) for job in found] == [
        ("running", ["digits/gn/seed-1"]),
        ("queued", ["digits/ln/seed-1"]),
    ]
    sidebar(page).get_by_role("button", name="Stop").click()
    stopped = jobs.wait_until_ended(runs_dir, found[0]["job"], PATIENCE / 1000)
    assert stopped.state == "stopped"
    expect_epoch(page, ENDLESS)
    command(runs_dir, "stop", str(found[1]["job"]))
    expect(sidebar(page).get_by_role("button", name="Stop")).to_have_count(0)
    opened.check()


def command(runs_dir: Path, *words: str) -> dict:
    """What a command of NormLab answers."""
    done = subprocess.run(
        [sys.executable, "-m", "core", *words, "--json"],
        cwd=REPOSITORY,
        env={**os.environ, **environment(runs_dir)},
        check=True,
        capture_output=True,
        text=True,
        timeout=END_SECONDS,
    )
    return json.loads(done.stdout)
