"""Runs and jobs as rows; what is looked for; several runs as one file and apart again."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import VARIANTS
from core.errors import RunError
from core.training import jobs
from core.training.archive import export_run
from core.training.job import list_jobs
from core.training.label import write_label
from core.training.request import custom_variant, make_request
from core.training.runs import Run, list_runs, read_run
from tests.fixtures_runs import write_run
from tests.job_helpers import REQUEST, beat, dead_process, write
from ui.runs_data import (
    Entry,
    describe,
    filtered,
    job_rows,
    recipe_words,
    run_rows,
    size_of,
)
from ui.runs_files import MAX_RUNS, export_several, unpack
from ui.training_data import LOG_BYTES, log_tail

OWN = make_request("digits", [custom_variant("group", channels_per_group=4)]).variants[0]


@pytest.fixture
def runs(tmp_path) -> list[Run]:
    """Group norm with two seeds, one of them named, and a variant of one's own."""
    for seed in (1, 2):
        write_run(tmp_path, "digits", VARIANTS["gn"], seed, num_images=100, errors=4)
    write_run(tmp_path, "mnist", OWN, 1, num_images=100)
    write_label(tmp_path / "digits/gn/seed-2", "First try", "much too short")
    return list_runs(tmp_path)


def make_unfinished(path: Path, epochs: int) -> None:
    """Turns a finished run into one that was stopped after so many epochs."""
    (path / "manifest.json").unlink()
    lines = (path / "metrics.jsonl").read_text().splitlines(keepends=True)
    (path / "metrics.jsonl").write_text("".join(lines[:epochs]))
    write(path, "status.json", state="stopped", reason="stopped in epoch 4")


def row(run: Run) -> dict:
    return run_rows([Entry(run)]).iloc[0].to_dict()


def test_a_finished_run_as_a_row(runs):
    found = row(runs[1])
    assert found.pop("created").isoformat() == "2026-01-01T00:00:00+00:00"
    assert found.pop("kilobytes") == size_of(runs[1].path) / 1e3 > 0.1
    assert found == {
        "variant": "Group norm",
        "seed": 2,
        "dataset": "Digits",
        "title": "First try",
        "state": "finished",
        "reason": "",
        "epochs": "20",
        "accuracy_percent": 96.0,
        "errors": 4,
        "seconds": 400.0,
        "recipe": "",
        "device": "Test processor",
        "note": "much too short",
        "source": "made here",
        "folder": "digits/gn/seed-2",
    }


def test_an_unfinished_run_shows_its_last_epoch_so_far(runs, tmp_path):
    make_unfinished(runs[0].path, epochs=3)
    found = row(read_run(runs[0].path, tmp_path))
    assert (found["state"], found["reason"]) == ("stopped", "stopped in epoch 4")
    assert (found["epochs"], found["seconds"]) == ("3 of 20", 60.0)
    assert found["accuracy_percent"] == pytest.approx(96 - 5 / 3 + 5 / 20)
    assert found["errors"] is None


def test_a_damaged_run_is_a_row_that_says_why(runs, tmp_path):
    (runs[0].path / "run.json").write_text("{")
    found = row(read_run(runs[0].path, tmp_path))
    assert (found["variant"], found["state"]) == ("gn", "damaged")
    assert "JSON" in found["reason"]


@pytest.mark.parametrize("device", [None, "cpu", {"name": 3}, {}])
def test_a_device_that_is_none_fails_no_row(runs, device):
    assert row(replace(runs[0], info={**runs[0].info, "device": device}))["device"] in ("", "3")


def test_variants_of_ones_own_and_other_recipes_are_told_apart(runs):
    assert row(runs[2])["variant"] == "Group norm (4 channels per group)"
    recipe = {**runs[0].info["recipe"], "batch_size": 128, "learning_rate": 0.05}
    other = replace(runs[0], info={**runs[0].info, "recipe": recipe})
    assert recipe_words(other) == "batches of 128, learning rate 0.05"


def test_a_link_takes_no_space_however_much_lies_behind_it(runs, tmp_path):
    link = tmp_path / "digits/gn/seed-9"
    link.symlink_to(runs[0].path)
    assert size_of(link) == 0


def test_a_run_in_a_few_words(runs):
    assert describe(runs[0]) == "Group norm, seed 1, Digits: 20 epochs, 96.00 %"
    assert describe(runs[1]).startswith("Group norm, seed 2, Digits (First try): ")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [0, 1, 2]),
        ({"text": "GROUP seed-1"}, [0, 2]),
        ({"text": "too short"}, [1]),
        ({"text": "4 channels"}, [2]),
        ({"text": "batch"}, []),
        ({"datasets": ["MNIST"]}, [2]),
        ({"states": ["finished"], "datasets": ["Digits"]}, [0, 1]),
        ({"states": ["stopped", "failed"]}, []),
    ],
)
def test_looking_for_runs(runs, wanted, found):
    entries = [Entry(run) for run in runs]
    asked = {"text": "", "states": [], "datasets": [], **wanted}
    assert filtered(entries, **asked) == [entries[number] for number in found]


def test_only_what_was_made_here_and_is_in_no_hand_can_be_changed(runs, tmp_path):
    make_unfinished(runs[0].path, epochs=1)
    stopped = read_run(runs[0].path, tmp_path)
    assert Entry(stopped).is_resumable and Entry(stopped).is_deletable
    assert not Entry(stopped, own=False).is_resumable
    assert not Entry(stopped, own=False).is_deletable
    assert not Entry(runs[1]).is_resumable and Entry(runs[1]).is_deletable
    for state in ("running", "queued"):
        taken = Entry(replace(stopped, state=state))
        assert not taken.is_resumable and not taken.is_deletable


# Jobs


def test_jobs_as_rows(tmp_path):
    job = jobs.register(REQUEST, tmp_path)
    rows = job_rows(list_jobs(tmp_path))
    assert rows[["job", "state", "place"]].values.tolist() == [[1, "waiting", 1]]
    write(job.path, "process.json", **dead_process().to_dict())
    beat(job.path)
    (job.path / "log.txt").write_text("x" * LOG_BYTES + "the end\n")
    (tmp_path / ".jobs/2").mkdir()
    rows = job_rows(list_jobs(tmp_path))
    assert rows["state"].tolist() == ["damaged", "interrupted"]
    assert "killed" in rows["reason"][1] and rows["what"][1] == REQUEST.summary()
    assert rows["what"][0] == "" and "job.json" in rows["reason"][0]
    read = log_tail(list_jobs(tmp_path)[1])
    assert read.endswith("xthe end") and len(read) < LOG_BYTES
    assert log_tail(list_jobs(tmp_path)[0]) == ""


# Files


def bundle(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.zip", content)
    return buffer.getvalue()


def test_several_runs_are_one_file_and_apart_again(runs):
    entries = [Entry(runs[0]), Entry(runs[0], own=False), Entry(runs[2])]
    parts = unpack("three.zip", export_several(entries))
    assert [name for name, _ in parts] == [f"{entry.file_name}.zip" for entry in entries]
    assert len({name for name, _ in parts}) == 3
    assert [content for _, content in parts] == [export_run(entry.run) for entry in entries]
    assert export_several(entries) == export_several(entries)


def test_a_run_that_is_not_whole_fails_the_bundle_by_name(runs):
    (runs[1].path / "metrics.jsonl").write_text("")
    with pytest.raises(RunError, match=r"metrics\.jsonl"):
        export_several([Entry(run) for run in runs])


def test_one_exported_run_is_handed_on_as_it_is(runs):
    content = export_run(runs[0])
    assert unpack("one.zip", content) == [("one.zip", content)]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"\x80\x04pickle", bundle()])
def test_what_is_no_bundle_is_left_to_the_gate(content):
    assert unpack("bad.zip", content) == [("bad.zip", content)]


def test_a_bomb_is_refused_before_it_is_unpacked():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("one.zip", bytes(4 << 20))
    assert len(buffer.getvalue()) < 8192
    with pytest.raises(RunError, match="no bundle of exported runs"):
        unpack("bomb.zip", buffer.getvalue())


def test_entries_that_lie_upon_each_other_are_refused():
    one = bundle(a=bytes(1000), b=b"")
    # The second entry of the directory claims the place and size of the first.
    start = one.index(b"PK\x01\x02")
    first = bytearray(one[start : one.index(b"PK\x01\x02", start + 4)])
    second = first.replace(b"a.zip", b"b.zip")
    end = one[one.index(b"PK\x05\x06") :]
    with pytest.raises(RunError, match="no bundle of exported runs"):
        unpack("bomb.zip", one[:start] + bytes(first) + bytes(second) + end)


def test_too_many_runs_are_refused():
    with pytest.raises(RunError, match="more than 200"):
        unpack("many.zip", bundle(**{f"run-{n}": b"" for n in range(MAX_RUNS + 1)}))


def test_rows_of_no_run_are_no_rows():
    assert json.loads(run_rows([]).to_json()) == {}
