"""What the sidebar says of jobs: words, which ended ones are news, and what can be gone on with."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import VARIANTS
from core.training import jobs
from core.training.job import Job, list_jobs
from core.training.request import custom_variant, make_request
from tests.fixtures_runs import write_run
from tests.job_helpers import request, write
from ui import training_data


def made(path: Path, **fields) -> Job:
    return Job(
        **{"id": 1, "path": path, "state": "running", "runs": ("digits/gn/seed-1",)} | fields
    )


def ended(runs_dir: Path, seed: int, state: str, ago: float = 0, **fields) -> Job:
    job = jobs.register(request(seed), runs_dir)
    write(job.path, "end.json", state=state, reason=fields.pop("reason", None), **fields)
    os.utime(job.path / "end.json", (time.time() - ago,) * 2)
    return jobs.find_job(runs_dir, job.id)


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        (("digits/gn/seed-1",), "Group norm on Digits"),
        (("mnist/gn/seed-7",), "Group norm, seed 7 on MNIST"),
        (("digits/gn/seed-1", "digits/ln/seed-1"), "2 variants on Digits"),
        (("digits/gn/seed-1", "digits/gn/seed-10"), "Group norm × 2 seeds on Digits"),
        (("odd/set/x", "../../gn", "a\0/b/c"), "set, seed x on odd"),
        ((), "No runs"),
    ],
)
def test_a_job_is_named_in_a_few_words(tmp_path, runs, words):
    assert training_data.subject(made(tmp_path, runs=runs)) == words


def test_a_variant_of_ones_own_is_named_by_what_is_unusual(tmp_path):
    variant = custom_variant("group", channels_per_group=4, epochs=3)
    asked = make_request("digits", [variant])
    job = made(tmp_path, request=asked, runs=asked.runs)
    assert training_data.subject(job) == "Group norm (4 channels per group) on Digits"
    assert training_data.last_epoch(job) == 3
    assert training_data.last_epoch(replace(job, epochs=5)) == 5


def test_progress_says_how_far_it_is_and_how_long_it_takes(tmp_path):
    job = made(tmp_path)
    assert training_data.progress_words(job) == "Loading the images and the networks…"
    assert training_data.share_done(job) == 0
    job = replace(job, epoch=3, epochs=20, steps_done=35, total_steps=200, seconds_left=120.0)
    assert training_data.progress_words(job) == "18 % · epoch 4 of 20 · about 2 min left"
    assert training_data.share_done(job) == 0.175
    assert training_data.progress_words(replace(job, seconds_left=None)).endswith("4 of 20")
    job = replace(job, epoch=20, steps_done=200)
    assert training_data.progress_words(job) == "100 % · epoch 20 of 20 · testing and saving…"


def test_finished_runs_are_those_with_a_manifest(tmp_path):
    assert training_data.finished_runs(tmp_path / "nowhere") == frozenset()
    write_run(tmp_path, "digits", VARIANTS["gn"], 1)
    (tmp_path / "digits" / "gn" / "seed-2").mkdir()
    (tmp_path / ".jobs" / "1" / "seed-1").mkdir(parents=True)
    (tmp_path / "digits" / "notes.txt").write_text("")
    assert training_data.finished_runs(tmp_path) == {"digits/gn/seed-1"}


def test_done_names_the_accuracies_of_what_is_still_there(tmp_path):
    write_run(tmp_path, "digits", VARIANTS["gn"], 1, num_images=200, errors=2)
    write_run(tmp_path, "digits", VARIANTS["gn"], 2, num_images=200, errors=4)
    job = made(tmp_path, state="done", runs=("digits/gn/seed-1", "digits/gn/seed-2"))
    said = training_data.ending_words(job, tmp_path)
    assert said == "Group norm × 2 seeds on Digits: 2 runs finished, test accuracy 98.00–99.00 %."
    one = training_data.ending_words(replace(job, runs=job.runs[:1]), tmp_path)
    assert one.endswith("1 run finished, test accuracy 99.00 %.")
    (tmp_path / "digits/gn/seed-1/manifest.json").write_text("{")
    assert "2 runs finished, test accuracy 98.00 %." in training_data.ending_words(job, tmp_path)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"state": "failed", "reason": "disk full"}, "Group norm on Digits: disk full."),
        ({"state": "failed", "reason": None}, "Group norm on Digits: failed."),
        (
            {"state": "stopped", "reason": "x", "epoch": 3, "epochs": 9},
            "Group norm on Digits: stopped in epoch 4 of 9.",
        ),
        ({"state": "damaged", "reason": "no JSON"}, "Job 1 is not shown: no JSON."),
    ],
)
def test_every_other_end_says_why(tmp_path, fields, words):
    assert training_data.ending_words(made(tmp_path, **fields), tmp_path) == words


def news_of(runs_dir: Path, seen=(), put_away=()) -> list[int]:
    found = training_data.news(list_jobs(runs_dir), runs_dir, seen, put_away)
    return [job.id for job in found]


def test_an_end_is_news_for_ten_minutes_or_for_who_was_there(tmp_path):
    ended(tmp_path, 1, "done", ago=3600)
    ended(tmp_path, 2, "done", ago=10)
    assert news_of(tmp_path) == [2, 1]
    assert news_of(tmp_path, seen={1, 2}) == [2]


def test_the_newest_job_is_news_until_it_has_reached_its_end(tmp_path):
    ended(tmp_path, 1, "failed", ago=3600)
    assert news_of(tmp_path, seen={1}) == [1]
    ended(tmp_path, 2, "done", ago=3600)
    assert news_of(tmp_path, seen={1, 2}) == []


def test_what_was_dismissed_stays_away_for_every_session(tmp_path):
    job = ended(tmp_path, 1, "failed")
    assert news_of(tmp_path, put_away={1}) == []
    assert news_of(tmp_path) == [1]
    training_data.dismiss(job)
    assert news_of(tmp_path) == []


def test_a_job_whose_runs_a_newer_one_has_taken_over_is_no_news(tmp_path):
    ended(tmp_path, 1, "stopped")
    assert news_of(tmp_path) == [1]
    jobs.register(request(1), tmp_path)
    assert news_of(tmp_path) == []


def test_a_damaged_entry_is_news_and_fails_nothing(tmp_path):
    job = ended(tmp_path, 1, "done")
    (job.path / "job.json").write_text("{")
    (tmp_path / ".jobs" / "7").write_text("a file")
    found = training_data.news(list_jobs(tmp_path), tmp_path, (), ())
    assert [job.state for job in found] == ["damaged", "damaged"]
    assert "not valid JSON" in training_data.ending_words(found[1], tmp_path)


def test_the_log_ends_with_its_last_lines(tmp_path):
    job = made(tmp_path)
    assert training_data.log_tail(job) == ""
    job.log.write_bytes(b"\xff" * 10_000 + b"".join(b"line %d\n\n" % n for n in range(30)))
    lines = training_data.log_tail(job, training_data.LOG_LINES).splitlines()
    assert lines[-1] == "line 29" and len(lines) == training_data.LOG_LINES
