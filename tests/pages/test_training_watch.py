"""What the sidebar shows of jobs, and what its buttons do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS
from core.errors import UsageError
from core.training import jobs
from tests.fixtures_runs import default_records, write_run
from tests.job_helpers import beat, request, write
from ui import training_watch

DEVICE = "Two cores: no CUDA"


def script() -> None:
    import streamlit as st

    from ui import training_watch

    with st.sidebar:
        training_watch.render()


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr("ui.resources.LOCAL_DIR", tmp_path)
    monkeypatch.setattr("ui.device_line.known", lambda: DEVICE)
    return tmp_path


def draw(app: AppTest | None = None) -> AppTest:
    app = (app or AppTest.from_function(script, default_timeout=60)).run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    """All that is said below the device."""
    device, *captions = app.caption
    assert device.value == f":material/memory: {DEVICE}"
    parts = [*app.markdown, *captions, *app.warning, *app.error]
    return "\n".join(part.value for part in parts)


def button(app: AppTest, label: str):
    return next(one for one in app.button if one.label == label)


def labels(app: AppTest) -> list[str]:
    return [one.label for one in app.button]


def end(job: jobs.Job, state: str, **fields) -> None:
    write(job.path, "end.json", state=state, reason=fields.pop("reason", None), **fields)


@pytest.fixture
def running(here):
    """Job 1, three epochs into its training, and what it has logged."""
    job = jobs.register(request(1), here)
    numbers = {"epoch": 3, "epochs": 20, "steps_done": 40, "total_steps": 200, "seconds_left": 65}
    run = here / "digits/gn/seed-1"
    run.mkdir(parents=True)
    records = default_records(VARIANTS["gn"], 1, 4, 200)[:3]
    (run / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    write(run, "run.json", device={"name": "Test processor"})
    with FileLock(job.path / "lock"):
        beat(job.path)
        found = json.loads((job.path / "progress.json").read_text())
        write(job.path, "progress.json", **found, **numbers)
        yield job


def test_nothing_is_shown_where_nothing_was_trained(here):
    app = draw()
    assert not texts(app) and not labels(app)


def test_a_running_job_shows_progress_charts_and_epochs(running):
    app = draw()
    said = texts(app)
    assert "**Training: Group norm on Digits**" in said
    assert "Job 1 on Test processor" in said and "no sign of life" not in said
    bar = app.get("progress")[0].proto
    assert (bar.value, bar.text) == (20, "20 % · epoch 4 of 20 · about 65 s left")
    charts = [chart.proto for chart in app.get("vega_lite_chart")]
    assert [chart.alt.split(" after")[0] for chart in charts] == list(
        training_watch.TITLES.values()
    )
    assert app.expander[0].label == "Newest epochs"


def test_a_silent_job_says_so(running):
    beat(running.path, ago=30)
    assert "no sign of life for 3" in texts(draw())


def test_stop_is_asked_once_and_said(running):
    app = draw()
    button(app, "Stop").click()
    draw(app)
    assert (running.path / "stop").exists()
    assert "Stopping" in texts(app) and "Stop" not in labels(app)


def test_the_queue_is_shown_reordered_and_cancelled(here):
    for seed in (1, 2, 3):
        jobs.register(request(seed), here)
    app = draw()
    assert "**Starting…** Group norm on Digits" in texts(app)  # nothing is before it
    assert "**2. in the queue:** Group norm, seed 2 on Digits" in texts(app)
    downs = [one for one in app.button if one.label == "Down"]
    assert [one.disabled for one in downs] == [False, False, True]
    downs[0].click()
    draw(app)
    assert [job.id for job in jobs.living_jobs(here)] == [2, 1, 3]
    button(app, "Cancel").click()
    draw(app)
    assert (jobs.find_job(here, 2).path / "stop").exists() and "Cancelling…" in texts(app)


def test_behind_a_running_job_the_first_that_waits_is_in_the_queue(running, here):
    jobs.register(request(2), here)
    assert "**1. in the queue:** Group norm, seed 2 on Digits" in texts(draw())


def test_a_long_queue_is_cut_short(here):
    for seed in range(1, 8):
        jobs.register(request(seed), here)
    assert "3 more wait: see the Runs page." in texts(draw())


def test_done_says_how_well_and_is_dismissed_for_good(here):
    job = jobs.register(request(1), here)
    write_run(here, "digits", VARIANTS["gn"], 1, num_images=200, errors=2)
    end(job, "done")
    app = draw()
    assert "1 run finished, test accuracy 99.00 %." in texts(app)
    assert labels(app) == ["Show them", "Dismiss"]
    button(app, "Dismiss").click()
    assert not texts(draw(app)) and not texts(draw())


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("stopped", "x", "stopped in epoch 3 of 9."),
        ("failed", "out of memory: a smaller batch helps", "out of memory: a smaller batch helps."),
    ],
)
def test_what_did_not_end_says_why_and_can_go_on(here, monkeypatch, state, reason, said):
    job = jobs.register(request(1), here)
    job.log.write_text("first\nlast words\n")
    end(job, state, reason=reason, epoch=2, epochs=9)
    resumed = []
    monkeypatch.setattr(jobs, "resume_job", lambda *found: resumed.append(found))
    app = draw()
    assert said in texts(app) and labels(app) == ["Resume", "Dismiss"]
    assert [code.value for code in app.code] == (["first\nlast words"] if state == "failed" else [])
    button(app, "Resume").click()
    draw(app)
    assert resumed == [(here, 1)]


def test_what_cannot_be_done_is_one_line_until_it_is_closed(here, monkeypatch):
    def refuse(*_: object) -> None:
        raise UsageError("The folder cannot be written.")

    end(jobs.register(request(1), here), "stopped")
    monkeypatch.setattr(jobs, "resume_job", refuse)
    app = draw()
    button(app, "Resume").click()
    draw(app)
    assert [error.value for error in app.error] == ["The folder cannot be written."]
    assert app.error and draw(app).error
    button(app, "Close").click()
    assert not draw(app).error


def test_many_ends_are_cut_short_and_a_damaged_one_is_one_line(here):
    for seed in range(1, 6):
        end(jobs.register(request(seed), here), "done")
    (here / ".jobs/5/job.json").write_text("{")
    said = texts(draw())
    assert "Job 5 is not shown: job.json is not valid JSON." in said
    assert "2 more have ended: see the Runs page." in said


def watch_twice(monkeypatch, change) -> list[str]:
    """Which reruns of the page a tick asks for, before and after `change`."""
    asked: list[str] = []
    monkeypatch.setattr("ui.training_watch.st.rerun", lambda: asked.append("again"))
    kept: dict = {}
    monkeypatch.setattr("ui.state.value", lambda name, default=None: kept.get(name, default))
    monkeypatch.setattr("ui.state.put", kept.__setitem__)
    training_watch._follow(training_watch._list(), is_tick=False)
    training_watch._follow(training_watch._list(), is_tick=True)
    assert asked == []
    change()
    training_watch._follow(training_watch._list(), is_tick=False)  # a click, which must live
    assert asked == []
    for _ in range(3):
        training_watch._follow(training_watch._list(), is_tick=True)
    return asked


def test_the_page_runs_again_once_for_a_finished_run(here, monkeypatch):
    change = lambda: write_run(here, "digits", VARIANTS["gn"], 1)  # noqa: E731
    assert watch_twice(monkeypatch, change) == ["again"]


def test_the_page_runs_again_once_when_a_job_appears(here, monkeypatch):
    assert watch_twice(monkeypatch, lambda: jobs.register(request(1), here)) == ["again"]


def test_what_a_failure_says_is_shown_letter_by_letter(here):
    end(jobs.register(request(1), here), "failed", reason="Net.__init__() takes *no* arguments")
    assert r"Net.\_\_init\_\_() takes \*no\* arguments" in texts(draw())
