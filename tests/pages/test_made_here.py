"""Every page with runs made here: alone, beside the shipped ones, unlike any of these, and gone."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from streamlit.delta_generator_singletons import context_dg_stack
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS, Variant
from core.training.storage import sha256, to_json
from tests.fixtures_runs import run_info, write_run
from tests.growing_runs import write_growing
from ui import resources, state

ROOT = Path(__file__).resolve().parents[2]
WIDE = Variant("gn_l1_12345678", "group", l1_weight=1e-4, epochs=1, channels_per_group=4)
PLAIN = Variant("bn", "batch", epochs=2)
WIDE_NAME = "Group norm + L1 (4 channels per group, λ 0.0001)"
OF_IMAGES = {"num_images": 360}


def page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=60)
    for key, value in {"dataset": "digits", **query}.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception and not app.error
    return app


def said(app: AppTest) -> str:
    parts = [*app.caption, *app.sidebar.caption, *app.warning, *app.info]
    return "\n".join(str(part.value) for part in parts)


@pytest.fixture
def here(fake_checkpoints, tmp_path: Path) -> Path:
    """Beside the shipped variants, seeds 1 and 2: the folder of runs made here, still empty."""
    fake_checkpoints({"digits": (1, 2)}, **OF_IMAGES)
    return tmp_path / "runs"


def test_without_runs_made_here_the_shipped_are_shown_and_it_is_said(here):
    app = page("overview", runs="Together")
    assert "No run has been made here yet" in said(app)
    assert "12 runs" in said(app)
    assert "Runs" not in [box.label for box in app.selectbox]


def test_a_picker_that_appears_moves_no_fragment_whose_click_would_be_lost(here, monkeypatch):
    places = []

    def note() -> None:
        places.append(context_dg_stack.get()[-1]._get_delta_path_str())

    monkeypatch.setattr("ui.sidebar.training_watch.render", note)
    monkeypatch.setattr("ui.sidebar.training_form.render", lambda dataset: note())
    page("parameters")
    write_run(here, "digits", PLAIN, 1, **OF_IMAGES)
    page("parameters", runs="Together", seed="1")
    watch, form, *later = places
    assert watch != form and later == [watch, form]


def test_the_sidebar_is_turned_once_and_then_follows_whoever_chooses(here):
    write_run(here, "digits", PLAIN, 1, **OF_IMAGES)
    app = page("parameters")

    def runs_picker():
        return next(box for box in app.sidebar.selectbox if box.label == "Runs")

    app.session_state[state.TURN] = {state.SOURCE: state.LOCAL, state.DATASET: "digits"}
    app.run()
    assert runs_picker().value == state.LOCAL
    runs_picker().select(state.SHIPPED).run()
    assert runs_picker().value == state.SHIPPED


def test_an_unknown_source_is_refused_by_name(here):
    write_run(here, "digits", PLAIN, 1, **OF_IMAGES)
    app = page("overview", runs="Elsewhere")
    assert "asks for runs 'Elsewhere'" in said(app)
    assert "12 runs" in said(app)


def test_together_they_stand_side_by_side_under_names_of_their_own(here):
    write_run(here, "digits", WIDE, 3, **OF_IMAGES)
    write_run(here, "digits", PLAIN, 1, **OF_IMAGES)
    app = page("overview", runs="Together")
    table = app.table[0].value
    assert list(table.columns[-2:]) == ["Batch norm", WIDE_NAME]
    assert table["Batch norm"]["Epochs"] == "2"
    assert "14 runs · 1 to 2 seeds" in said(app)
    assert "Not of the published length" in said(app)
    assert "for 1, Batch norm for 2, the others for 20 or 25)" in app.markdown[1].value


def test_what_may_not_be_averaged_is_left_out_and_named(here):
    write_run(here, "digits", VARIANTS["gn"], 1, **OF_IMAGES)
    write_run(here, "digits", replace(VARIANTS["gn"], epochs=2), 7, **OF_IMAGES)
    together = page("overview", runs="Together")
    assert together.table[0].value["Group norm"]["Seeds"] == "2"
    assert "Left out: Group norm (seed 1; 20 epochs): the shipped runs have" in said(together)
    assert "Left out: Group norm (seed 7; 2 epochs): trained for another" in said(together)
    alone = page("overview", runs="Made here", seed="7")
    assert "1 run · seed 7" in said(alone)
    assert "Left out" not in said(alone)


def test_of_three_lengths_the_newest_is_shown_and_the_seeds_count_it_alone(here):
    for seed, epochs in ((1, 60), (2, 80), (3, 3)):
        path = write_run(here, "digits", replace(VARIANTS["gn"], epochs=epochs), seed, **OF_IMAGES)
        info = json.loads((path / "run.json").read_text())
        begin(path, info | {"created": f"2026-01-01T{10 + seed}:00:00+00:00"})
    app = page("overview", runs="Made here")
    assert "1 run · seed 3" in said(app) and "most runs of" not in said(app)
    assert "than the newest run of the variant, whose 3 are shown because" in said(app)
    (seeds,) = app.sidebar.multiselect
    assert seeds.placeholder == "Seed 3, one of 3" and seeds.options == ["1", "2", "3"]
    begin(path, info | {"created": "2026-01-01T09:00:00+00:00"})
    assert "1 run · seed 2" in said(page("overview", runs="Made here"))
    write_run(here, "digits", replace(VARIANTS["gn"], epochs=80), 4, **OF_IMAGES)
    write_run(here, "digits", replace(VARIANTS["gn"], epochs=80), 5, **OF_IMAGES)
    app = page("overview", runs="Made here")
    assert "than most runs of the variant" in said(app)
    assert app.sidebar.multiselect[0].placeholder == "3 of 5 seeds"


def begin(path: Path, info: dict) -> None:
    """Writes `run.json` anew, as its manifest says."""
    (path / "run.json").write_bytes(to_json(info))
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"]["run.json"] = sha256(to_json(info))
    (path / "manifest.json").write_bytes(to_json(manifest))


def test_a_published_variant_of_another_length_has_no_published_figure(here):
    write_run(here, "mnist", replace(VARIANTS["gn"], epochs=2), 1, num_images=1000)
    app = page("overview", runs="Made here", dataset="mnist")
    assert "Published accuracy (%)" not in app.table[0].value["Group norm"]


PAGES = ["curves", "failures", "transplants", "predict", "explain", "nuisance", "parameters"]


@pytest.mark.parametrize("name", PAGES)
def test_one_variant_of_ones_own_is_enough_for_a_page(name, here):
    write_run(here, "digits", WIDE, 3, **OF_IMAGES)
    app = page(name, runs="Made here")
    names = [option for one in (*app.pills, *app.segmented_control) for option in one.options]
    if name not in ("transplants", "predict"):
        assert WIDE_NAME in names


def test_unfinished_runs_are_counted_where_none_has_finished(here):
    folder = here / "digits/ln/seed-1"
    folder.mkdir(parents=True)
    (folder / "run.json").write_bytes(to_json(run_info("digits", VARIANTS["ln"], 1)))
    (folder / "status.json").write_bytes(to_json({"state": "stopped", "reason": "by you"}))
    app = page("failures", runs="Made here")
    assert "No run made here on Digits has finished (1 stopped)." in said(app)
    assert "12 runs" in said(page("overview", runs="Together"))


def test_one_that_was_killed_is_not_said_to_be_running(here):
    path = write_growing(here, "digits", "ln", 1, epochs=2)
    for word, lock in (("running", FileLock(path / "lock")), ("interrupted", nullcontext())):
        with lock:
            assert f"(1 {word})" in said(page("failures", runs="Made here"))


def test_a_run_without_the_asked_seed_is_named(here):
    write_run(here, "digits", WIDE, 3, **OF_IMAGES)
    assert f"Not trained with seed 1: {WIDE_NAME}" in said(page("explain", runs="Together"))


@pytest.mark.parametrize("name", ["overview", "failures", "curves"])
def test_a_run_deleted_while_the_page_is_drawn_is_one_line(name, here, monkeypatch):
    path = write_run(here, "digits", WIDE, 3, **OF_IMAGES)
    write_run(here, "digits", PLAIN, 1, **OF_IMAGES)
    monkeypatch.setattr(resources, "_fingerprint", lambda folder: (str(here), "as before"))
    assert resources.runs("digits", local=True)
    shutil.rmtree(path)
    warnings = [warning.value for warning in page(name, runs="Made here").warning]
    assert len(warnings) == 1
    assert "deleted or changed while this page was drawn" in warnings[0]
