"""The pages Transplants and Inside as scripts: stored figures, figures computed on request."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.analysis import flow_table, transplant_matrix
from core.analysis.derived import read_derived
from core.config import VARIANTS
from core.errors import DataError
from core.training.runs import SHIPPED_DIR, list_runs, read_run

PAGES = Path(__file__).resolve().parents[2] / "pages"


def opened(page: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=120)
    app.query_params.update({"dataset": "digits", "seed": "1", **query})
    app.run()
    assert not app.exception and not app.error
    return app


def drawing(app: AppTest, key: str) -> str:
    """The HTML of the picker with that key."""
    [part] = [part for part in app.get("bidi_component") if part.proto.id.endswith(f"-{key}")]
    return json.loads(part.proto.json)


def words(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.info, *app.warning, *app.header]
    return "\n".join(str(part.value) for part in parts)


def press(app: AppTest, label: str) -> AppTest:
    [button] = [button for button in app.button if button.label.startswith(label)]
    button.click().run()
    assert not app.exception and not app.error
    return app


@pytest.fixture
def unprepared(tmp_path, monkeypatch) -> Path:
    """One shipped run without the figures that were stored beside it."""
    root = tmp_path / "checkpoints"
    shutil.copytree(
        SHIPPED_DIR / "digits/gn/seed-1",
        root / "digits/gn/seed-1",
        ignore=shutil.ignore_patterns("transplants.json", "gradient_flow.json"),
    )
    monkeypatch.setattr("core.training.runs.SHIPPED_DIR", root)
    monkeypatch.setattr("ui.resources.SHIPPED_DIR", root)
    return root


@pytest.mark.parametrize("name", [transplant_matrix.NAME, flow_table.NAME])
@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_every_shipped_run_has_its_figures(name, dataset):
    runs = list_runs(SHIPPED_DIR, dataset)
    assert len(runs) >= len(VARIANTS)
    assert all(read_derived(run, name) for run in runs)


def test_the_matrix_and_its_answer_stand_without_computing():
    app = opened("transplants")
    html = drawing(app, "matrix")
    assert html.count("<button") == 3 * len(VARIANTS)
    assert not app.button
    said = words(app)
    assert "As trained, the variants are right on" in said and "Guessing gives about 10 %" in said
    assert "estimated on 1,250 training images" in said
    assert app.header[0].value == "Weights of Group norm under batch norm"
    own = read_run(SHIPPED_DIR / "digits/gn/seed-1", SHIPPED_DIR).final["errors"]
    assert f"{100 - 100 * own / 360:.2f} % right" in html


def test_the_address_chooses_the_cell_and_the_images():
    app = opened("transplants", weights="ln", norm="group", flips="to_right")
    assert app.header[0].value == "Weights of Layer norm under group norm"
    assert 'data-pick="ln-group" aria-pressed="true"' in drawing(app, "matrix")
    html = drawing(app, "flips")
    assert html.count("<li>") == html.count("<img") > 0
    for tile in html.split("<li>")[1:]:
        caption = tile[tile.index("<b>") :]
        after, label = caption.split(" → ")[1][0], caption.split("label ")[1][0]
        assert after == label


def test_the_diagonal_says_that_nothing_flips():
    app = opened("transplants", weights="bn_l1", norm="batch")
    assert "as trained" in app.info[0].value


def test_a_cell_that_does_not_exist_is_named():
    app = opened("transplants", weights="nobody", norm="nothing")
    warnings = "\n".join(warning.value for warning in app.warning)
    assert "nobody" in warnings and "nothing" in warnings


def test_what_is_missing_is_computed_on_request_and_stored(unprepared):
    app = opened("transplants")
    assert "Transplants of one network not computed yet" in words(app)
    assert not app.get("bidi_component")
    press(app, "Compute")
    assert drawing(app, "matrix").count("<button") == 3
    assert "stored beside the runs" in words(app)
    assert "not computed yet" not in words(app)
    found, expected = (
        json.loads((root / "digits/gn/seed-1/transplants.json").read_text())
        for root in (unprepared, SHIPPED_DIR)
    )
    for norm, text in expected["predicted"].items():
        same = sum(a == b for a, b in zip(text, found["predicted"][norm], strict=True))
        assert same >= 358, norm
    assert not opened("transplants").button


def test_a_folder_that_cannot_be_written_is_said_in_one_line(unprepared, monkeypatch):
    monkeypatch.setattr("ui.stored_results.write_derived", lambda *arguments: False)
    app = press(opened("transplants"), "Compute")
    assert "read-only" in words(app) and drawing(app, "matrix")


def test_missing_training_images_are_a_warning(unprepared, monkeypatch):
    def refuse(*arguments: object) -> None:
        raise DataError("train-images is missing: download it.")

    monkeypatch.setattr("ui.transplants_view.load_split", refuse)
    app = press(opened("transplants"), "Compute")
    assert app.warning[0].value == "Not computed: train-images is missing: download it."
    assert not (unprepared / "digits/gn/seed-1/transplants.json").exists()


def test_an_image_is_followed_through_six_networks():
    app = opened("inside", index="83", norm_layer="3")
    html = drawing(app, "inside-maps")
    assert html.count("<figure>") == len(VARIANTS) and html.count("<img") == 2 * len(VARIANTS)
    assert html.count("1 group of values") == 2 and html.count("12 groups of values") == 2
    assert app.header[0].value == "Test image 83, a 5, layer by layer"
    assert len(app.get("vega_lite_chart")) == 5
    assert "of 256 training images" in words(app) and "One seed" in words(app)


def test_all_seeds_have_an_interval_and_the_start_is_shared():
    app = opened("inside", seed="all", when="before")
    assert "Geometric means over 10 seeds" in words(app)
    assert "All variants have the same effective learning rate" in words(app)


def test_flow_is_computed_on_request(unprepared):
    app = opened("inside")
    assert len(app.get("vega_lite_chart")) == 1
    press(app, "Compute")
    assert len(app.get("vega_lite_chart")) == 5
    path = unprepared / "digits/gn/seed-1/gradient_flow.json"
    assert flow_table.is_complete(json.loads(path.read_text()))


def test_without_trained_weights_nothing_is_followed(fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=360)
    app = opened("inside")
    assert any("Nothing to show" in warning.value for warning in app.warning)
