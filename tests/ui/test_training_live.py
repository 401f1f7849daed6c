"""What runs in training have logged, and the charts that follow them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from core.config import VARIANTS
from core.training.job import Job
from tests.fixtures_runs import default_records
from ui import training_live
from ui.charts_training import describe_live, live_chart

RUNS = ("digits/gn/seed-1", "digits/gn/seed-2", "digits/ln/seed-1")


@pytest.fixture
def job(tmp_path) -> Job:
    return Job(1, tmp_path / ".jobs/1", "running", runs=RUNS, epochs=20)


def log(runs_dir: Path, name: str, epochs: int, torn: str = "") -> None:
    _, key, seed = name.split("/")
    records = default_records(VARIANTS[key], int(seed[-1]), 4, 200)[:epochs]
    (runs_dir / name).mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (runs_dir / name / "metrics.jsonl").write_text(lines + torn)


def test_nothing_is_shown_before_the_first_epoch(tmp_path, job):
    assert training_live.figures(job, tmp_path) is None
    log(tmp_path, RUNS[0], 0)
    assert training_live.figures(job, tmp_path) is None


def test_the_mean_is_over_the_seeds_that_have_got_there(tmp_path, job):
    for name, epochs in zip(RUNS, (2, 1, 1), strict=True):
        log(tmp_path, name, epochs, torn='{"epoch": 3, "test_lo')
    rows = training_live.figures(job, tmp_path).rows
    assert list(zip(rows["variant"], rows["epoch"], rows["runs"], rows["newest"], strict=True)) == [
        ("gn", 1, 2, False),
        ("ln", 1, 1, True),
        ("gn", 2, 1, True),
    ]
    # Of seeds 1 and 2 the mean: 0.02 + 0.3 + 0.0015.
    assert rows["test_loss"][0] == pytest.approx(0.3215)


def test_new_epochs_are_seen_and_an_unchanged_file_is_read_once(tmp_path, job, monkeypatch):
    log(tmp_path, RUNS[0], 1)
    first = training_live.figures(job, tmp_path)
    assert training_live.figures(job, tmp_path) is first
    log(tmp_path, RUNS[0], 2)
    assert training_live.figures(job, tmp_path).rows["epoch"].tolist() == [1, 2]


def test_the_table_speaks_of_a_mean_only_where_there_are_several_runs(tmp_path, job):
    log(tmp_path, RUNS[0], 1)
    assert "mean over" not in training_live.figures(job, tmp_path).table
    log(tmp_path, RUNS[1], 1)
    assert "mean over seeds" in training_live.figures(job, tmp_path).table


def test_a_run_deleted_meanwhile_is_left_out(tmp_path, job):
    log(tmp_path, RUNS[2], 1)
    assert training_live.figures(job, tmp_path).rows["variant"].tolist() == ["ln"]


def test_a_long_training_is_thinned_but_keeps_its_newest_epoch():
    rows = pd.DataFrame({"variant": "gn", "epoch": range(1, 1001), "test_loss": 1.0})
    shown = training_live.chart_rows(rows)
    assert len(shown) <= training_live.MAX_POINTS + 1
    assert shown["epoch"].iloc[-1] == 1000 and shown["newest"].tolist()[-2:] == [False, True]


def test_the_table_has_the_newest_epochs_first_and_is_escaped(tmp_path, job):
    log(tmp_path, RUNS[0], 15)
    log(tmp_path, RUNS[2], 15)
    html = training_live.figures(job, tmp_path).table
    assert html.index(">15<") < html.index(">14<") and ">9<" not in html
    assert html.count("<tr>") == 1 + training_live.MAX_TABLE_ROWS
    odd = pd.DataFrame({"A": ["<b>"]})
    assert "&lt;b&gt;" in training_live.table_html(odd, "<i>") and "<i>" not in html


def frame(epochs: int) -> pd.DataFrame:
    rows = pd.DataFrame({"variant": "gn", "epoch": range(1, epochs + 1), "test_loss": 0.5})
    return training_live.chart_rows(rows)


def test_only_the_data_of_a_live_chart_change():
    first, second = (
        live_chart(frame(n), "test_loss", {"gn": "Group"}, 20, legend=True) for n in (1, 5)
    )
    assert len(first.pop("datasets")["epochs"]) == 1
    assert len(second.pop("datasets")["epochs"]) == 5
    assert first == second
    assert first["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, 20]


def test_colours_and_shapes_are_those_of_every_page_and_others_have_some():
    labels = {"ln": "Layer", "gn_3f2a90c1": "Group (4 channels per group)"}
    spec = live_chart(frame(1), "test_loss", labels, 20, legend=False)
    encoding = spec["layer"][1]["encoding"]
    assert encoding["color"]["scale"]["range"][0] == "#D55E00"
    assert encoding["shape"]["scale"]["range"][0] == "square"
    assert len(set(encoding["color"]["scale"]["range"])) == 2
    assert encoding["color"]["legend"] is None


def test_pointing_at_a_live_chart_names_the_variant_in_words():
    spec = live_chart(frame(1), "test_loss", {"ln": "Layer"}, 20, legend=False)
    for layer in spec["layer"]:
        assert layer["encoding"]["tooltip"][0]["field"] == "label"
        names = {"as": "label", "calculate": '{"ln": "Layer"}[datum.variant]'}
        assert names in layer["transform"]


def test_the_chart_is_told_in_words():
    words = describe_live("test_loss", {"gn": "Group", "ln": "Layer"})
    assert words == "Test loss (nats) after each epoch so far: Group, Layer. Figures below."
