"""The section "Failures by normalization" on the shipped digits, and on runs that cannot tell."""

from __future__ import annotations

import json
from pathlib import Path

import altair as alt
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.config import VARIANT_LABELS, VARIANTS
from ui import failures_causes, failures_compare

PAGE = Path(__file__).resolve().parents[2] / "pages" / "failures.py"


def opened(**query: str) -> AppTest:
    page = AppTest.from_file(str(PAGE), default_timeout=120)
    page.query_params.update({"dataset": "digits", **query})
    page.run()
    assert not page.exception and not page.error
    return page


def texts(parts) -> list[str]:
    return [part.value for part in parts]


def survey(page: AppTest) -> str | None:
    parts = [p for p in page.get("bidi_component") if p.proto.id.endswith("-survey")]
    return json.loads(parts[0].proto.json) if parts else None


@pytest.fixture(scope="module")
def shipped() -> AppTest:
    """All seeds of the shipped digits."""
    return opened()


def test_the_answer_comes_first_with_how_far_it_carries(shipped):
    assert texts(shipped.header)[-1] == "Failures by normalization"
    said = texts(shipped.markdown)
    [first] = [
        k
        for k, text in enumerate(said)
        if "sets a normalization apart" in text or ("fails more than the others" in text)
    ][:1]
    assert any("in any of 10 seeds" in text for text in said[first:])
    assert any("small changes and repaired layers" in text for text in said[first:])


def test_every_figure_is_shown_with_a_description_and_can_be_taken_along(shipped):
    described = [chart.proto.alt for chart in shipped.get("vega_lite_chart")]
    for what, count in (("Interactions", 24), ("Slopes", 36), ("Differences", 36)):
        assert any(text.startswith(f"{what}: {count} effects") for text in described)
    names = [button.proto.help for button in shipped.get("download_button")]
    for name in ("causes", "slopes", "differences", "failure survey"):
        assert f"Download {name} digits 10 seeds as CSV" in names


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    """The table of each file that the page then offers."""
    return {}


@pytest.fixture
def taken(monkeypatch, tables) -> dict[str, str]:
    """What stands above each figure that the page then offers, by the name of its files."""
    found = {}

    def row(chart, frame, name) -> None:
        said = chart.to_dict()["usermeta"] if chart else {"title": "", "lines": []}
        found[name] = " ".join([said["title"], *said["lines"]]).replace("\u00a0", " ")
        tables[name] = frame

    for place in (failures_causes, failures_compare):
        monkeypatch.setattr(place, "download_row", row)
    return found


def test_files_and_figures_say_of_which_seeds_they_are(taken, tables):
    opened()
    for name in ("causes", "slopes", "differences", "classes"):
        file = f"{name}-digits-{'gn-' * (name == 'classes')}10-seeds"
        assert ", {data set}, 10 seeds " in taken[file]
    assert "over the seeds (Student's t)" in taken["classes-digits-gn-10-seeds"]
    for name in ("who-fails-where", "overlap", "failure-survey"):
        assert f"{name}-digits-10-seeds" in taken
    counts = tables["who-fails-where-digits-10-seeds"]
    assert counts["failing_runs"].tolist() == counts[list(VARIANTS)].sum(axis=1).tolist()
    for name, rows, what in (
        ("causes", 24, "; clustered by image and run"),
        ("slopes", 36, "; clustered by image and run"),
        ("failure-survey", 150, "; Student's t"),
    ):
        kinds = set(tables[f"{name}-digits-10-seeds"]["interval"])
        assert kinds == {f"95 % joint over {rows} rows (Bonferroni){what}"}


def test_files_of_one_seed_are_others_than_those_of_all(taken, tables):
    opened(seed="1")
    assert set(tables["classes-digits-gn-seed-1"]["interval"]) == {"95 % Wilson"}
    assert all(tables["failure-survey-digits-seed-1"]["interval"].str.endswith("Newcombe"))
    assert all(name.endswith("-seed-1") for name in taken)
    said = taken["classes-digits-gn-seed-1"]
    assert ", {data set}, seed 1 " in said and "95 % Wilson intervals" in said


def test_what_was_drawn_once_is_shown_again_and_not_made_again(shipped, monkeypatch):
    def drawn() -> list[str]:
        charts = [chart.proto.SerializeToString() for chart in shipped.get("vega_lite_chart")]
        return [*charts, survey(shipped)]

    def refuse(*_, **__):
        raise AssertionError("made again")

    first = drawn()
    assert len(first) == 5
    for place, name in (
        (failures_causes, "failure_causes"),
        (failures_causes, "survey_frame"),
        (failures_compare, "count_failing_seeds"),
        (failures_compare, "overlap"),
        (failures_compare.metrics, "per_class_accuracy"),
        (alt.LayerChart, "to_dict"),
    ):
        monkeypatch.setattr(place, name, refuse)
    shipped.run()
    assert not shipped.exception and drawn() == first


def test_another_name_of_a_variant_is_shown_at_once(shipped, monkeypatch):
    monkeypatch.setitem(VARIANT_LABELS, "gn", "Something else")
    shipped.run()
    assert "Something else" in survey(shipped)
    assert any("of Something else for" in c.proto.alt for c in shipped.get("vega_lite_chart"))


def test_the_survey_of_the_shipped_runs_is_there_at_once(shipped):
    table = survey(shipped)
    assert table is not None and table.count('<th scope="row"') == 25
    assert table.count('<td class="shade') == 25 * len(VARIANTS)


def test_one_seed_with_few_failures_is_refused_with_the_reason():
    page = opened(seed="1")
    [said] = [text for text in texts(page.info) if text.startswith("No comparison")]
    assert "Too few failures: Batch norm" in said and "Show all seeds" in said
    assert survey(page) is not None
    assert any("One seed each: intervals" in text for text in texts(page.caption))


def test_runs_without_a_survey_are_offered_one(fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=360)
    page = opened()
    assert survey(page) is None
    assert any("Small changes of all failures of 6 networks" in t for t in texts(page.markdown))
    # These runs have no weights: asking for it ends in one line.
    next(button for button in page.button if button.label.startswith("Compute")).click().run()
    assert not page.exception
    assert any(text.startswith("Not computed: ") for text in texts(page.warning))


def test_without_pictures_it_says_so(fake_checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path / "none"))
    fake_checkpoints({"mnist": (1,)}, num_images=200)
    page = opened(dataset="mnist")
    assert any("needs the pictures" in text for text in texts(page.caption))
    assert survey(page) is None
