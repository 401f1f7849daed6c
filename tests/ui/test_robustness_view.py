"""Robustness on a page: what is stored is shown at once, what is missing is offered and kept."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.analysis import derived, robustness
from core.analysis.robustness import curve_cells, missing
from core.errors import RunError
from core.training.runs import Run, list_runs
from tests.fixtures_runs import copy_shipped
from ui import robustness_view

ZIGZAG = "mnist_c_zigzag"
TABLE = ("mnist_c_zigzag", "mnist_c_stripe")


def curves_page() -> None:
    from ui import robustness_view, sidebar

    robustness_view.curves(sidebar.render(), "mnist_c_zigzag", 1.0)


def table_page() -> None:
    from ui import robustness_view, sidebar

    robustness_view.table(sidebar.render())


@pytest.fixture
def runs(tmp_path, monkeypatch) -> list[Run]:
    """Two variants on digits are shipped, for which nothing has been computed."""
    root = tmp_path / "checkpoints"
    found = copy_shipped(root, "digits/gn/seed-1", "digits/bn_l1/seed-1")
    monkeypatch.setattr("core.training.runs.SHIPPED_DIR", root)
    monkeypatch.setattr("ui.resources.SHIPPED_DIR", root)
    monkeypatch.setattr("ui.resources.LOCAL_DIR", tmp_path / "runs")
    return found


@pytest.fixture
def short_table(monkeypatch) -> None:
    """A table of two corruptions, so that all of it takes a moment."""
    monkeypatch.setattr(robustness, "table_cells", lambda: [(key, 1.0) for key in TABLE])


def run(page) -> AppTest:
    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    return app


def charts(app: AppTest) -> list:
    return app.get("vega_lite_chart")


def test_what_is_missing_is_offered_computed_and_kept(runs):
    app = run(curves_page)
    assert not charts(app)
    assert "not computed yet for 2 of these 2 runs" in app.info[0].value
    (button,) = app.button
    assert button.label.startswith("Compute zigzag (MNIST-C) (about ")
    button.click().run()
    assert not app.exception and not app.info and not app.button
    (chart,) = charts(app)
    assert "Batch norm + L1" in chart.proto.alt
    assert missing(list_runs(runs[0].path.parents[2]), curve_cells([ZIGZAG])) == {}
    assert charts(run(curves_page)) and not run(curves_page).button


def test_a_result_that_cannot_be_stored_is_shown_all_the_same(runs, monkeypatch):
    def refuse(*args: object) -> None:
        raise RunError("Cannot write")

    monkeypatch.setattr(derived, "write_atomic", refuse)
    monkeypatch.setattr(derived, "_unwritten", {})
    app = run(curves_page)
    app.button[0].click().run()
    assert "kept until the server stops" in app.toast[0].value
    assert charts(app)
    assert not (runs[0].path / "robustness.json").exists()
    assert charts(app.run())


def test_a_run_that_cannot_be_loaded_costs_one_line(runs):
    app = run(curves_page)
    (runs[0].path / "manifest.json").write_text("{}")
    app.button[0].click().run()
    # Between two reruns a listing finds the damage; the other run is still offered.
    assert not app.exception
    assert "is not shown" in app.warning[0].value or "Not computed" in app.warning[0].value


def test_without_the_images_it_is_said(runs, monkeypatch):
    from core.data.datasets import DatasetStatus

    gone = DatasetStatus("digits", False, Path(), "Digits are not here: fetch them.")
    monkeypatch.setattr("ui.resources.dataset_status", lambda key: gone)
    app = run(curves_page)
    assert not app.button
    assert "Digits are not here: fetch them." in " ".join(c.value for c in app.caption)


def test_the_table_needs_one_severity_of_each(runs, short_table):
    app = run(table_page)
    assert "2 corruptions: not computed yet" in app.info[0].value
    app.button[0].click().run()
    assert not app.exception and not app.info
    said = " ".join(caption.value for caption in app.caption)
    assert "Seed 1 alone on 360 test images" in said
    assert [button.label for button in app.get("download_button")] == ["CSV", "TeX", "JSON"]


def test_files_say_of_which_data_and_seeds_they_are(runs, short_table, monkeypatch):
    taken = {}
    monkeypatch.setattr(
        robustness_view, "download_files", lambda files, name: taken.update({name: files})
    )
    run(table_page).button[0].click().run()
    table = pd.read_csv(io.BytesIO(taken["robustness-digits-seed-1"]["CSV"]()))
    whole = table["corruption"] != "mnist_c_mean"
    assert set(table[whole]["interval"]) == {"95 % Wilson"}
    found = taken["robustness-digits-seed-1"]["TeX"]().decode()
    (caption,) = (line for line in found.splitlines() if line.startswith(r"\caption"))
    assert "Digits" in caption and r"; seed 1 alone on 360 test images; 95 \% Wilson" in caption
    assert r"\label{tab:robustness-digits-seed-1}" in found


@pytest.mark.parametrize(("severity", "layers"), [("0.0", 3), ("1.0", 4)])
def test_a_figure_marks_a_severity_only_if_one_was_set(runs, monkeypatch, severity, layers):
    taken = []
    monkeypatch.setattr(robustness_view, "download_row", lambda chart, *_: taken.append(chart))
    page = AppTest.from_string(
        "from ui import robustness_view, sidebar\n"
        f"robustness_view.curves(sidebar.render(), '{ZIGZAG}', {severity})",
        default_timeout=60,
    ).run()
    page.button[0].click().run()
    assert not page.exception and len(taken[-1].to_dict()["layer"]) == layers
