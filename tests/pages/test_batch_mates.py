"""The Batch mates page as a script, on the shipped digits."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.analysis import flip_search
from ui import batch_resources

PAGE = Path(__file__).resolve().parents[2] / "pages" / "batch_mates.py"


def opened(**query: str) -> AppTest:
    page = AppTest.from_file(str(PAGE), default_timeout=120)
    page.query_params.update({"dataset": "digits", "seed": "1", **query})
    page.run()
    assert not page.exception and not page.error
    return page


def drawing(page: AppTest, key: str) -> str:
    [part] = [part for part in page.get("bidi_component") if part.proto.id.endswith(f"-{key}")]
    return json.loads(part.proto.json)


def texts(parts) -> list[str]:
    return [part.value for part in parts]


def press(page: AppTest, label: str) -> AppTest:
    next(button for button in page.button if button.label == label).click().run()
    assert not page.exception and not page.error
    return page


@pytest.fixture(scope="module")
def default() -> AppTest:
    """Read only."""
    return opened()


def test_answers_come_first_and_the_proof_beside_them(default):
    assert texts(default.header) == [
        "What the company changes",
        "Accuracy by batch size",
        "Mates that change its mind",
        "Running statistics estimated anew",
    ]
    assert any("alone in the batch" in text for text in texts(default.markdown))
    [proof] = [text for text in texts(default.markdown) if "over the same 3 batches" in text]
    assert "no logit moves" in proof
    table = drawing(default, "company-table")
    assert table.count('scope="row"') == 6 and table.count('class="shade"') == 24


def test_stored_accuracies_are_drawn_at_once(default):
    alts = [chart.proto.alt for chart in default.get("vega_lite_chart")]
    [said] = [text for text in alts if "images in the batch" in text]
    assert said.count("with random mates") == 6 and said.count("mates of one class") == 2
    assert any("1,280 test images in random batches" in text for text in texts(default.caption))


def test_mates_of_the_address_are_in_the_batch():
    page = opened(index="5", mates="3,17,200", mates_class="8")
    table = drawing(page, "company-table")
    assert "with your 3 mates" in table and "mates of class 8" in table
    strip = drawing(page, "mates-strip")
    pressed = re.findall(r'data-pick="(\d+)"[^>]*aria-pressed="true"', strip)
    assert {int(number) for number in pressed} == {3, 17, 200}
    assert page.number_input[0].value == 5
    press(page, "Take all out")
    assert "with your" not in drawing(page, "company-table")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"index": "360"}, "test image 360, which cannot be chosen here"),
        ({"mates": "1,400"}, "mates 1,400, which cannot be chosen here"),
        ({"mates_class": "ten"}, "class ten, which cannot be chosen here"),
        ({"flip": "gn"}, "network gn, which cannot be chosen here"),
        ({"shift": "fire"}, "shift fire, which cannot be chosen here"),
    ],
)
def test_a_wrong_address_is_said(query, said):
    page = opened(**query)
    [warning] = texts(page.warning)
    assert said in warning and "\n" not in warning


def test_a_list_that_is_none_is_refused_in_one_line(default):
    page = opened()
    page.text_input[0].set_value("3; DROP").run()
    [warning] = texts(page.warning)
    assert "is no list of test images" in warning and "\n" not in warning
    assert "with your" not in drawing(page, "company-table")


def test_the_image_is_never_its_own_mate():
    assert "with your 1 mate<" in drawing(opened(index="3", mates="3,4"), "company-table")


def test_a_search_shows_who_leaves_and_who_comes(monkeypatch):
    monkeypatch.setattr(batch_resources, "POOL_SIZE", 20)
    page = press(opened(flip_batch="4"), "Search")
    [found] = [text for text in texts(page.markdown) if text.startswith("**Exchanging")]
    count = int(re.search(r"Exchanging (\d) of its 3 mates", found)[1])
    assert drawing(page, "flip-leav").count("<img") == count
    assert drawing(page, "flip-comi").count("<img") == count
    assert any("Verified with exactly this batch" in text for text in texts(page.caption))
    assert any("over the same two batches: no logit" in text for text in texts(page.markdown))


def test_a_search_that_finds_nothing_says_so(monkeypatch):
    monkeypatch.setattr(flip_search, "search_flip", _nothing)
    page = press(opened(flip_batch="4"), "Search")
    assert any("No exchange was found" in text for text in texts(page.markdown))
    assert any("the budget is spent" in text for text in texts(page.caption))


def _nothing(network, images, num_mates, **_):
    logits = tuple(float(k == 5) for k in range(10))
    return flip_search.Flip((), (), logits, logits, False, 10, True)


def test_estimating_shows_how_accuracy_recovers(monkeypatch):
    monkeypatch.setattr(batch_resources, "NUM_TEST", 60)
    monkeypatch.setattr("core.analysis.reestimation.COUNTS", (1, 32))
    page = press(opened(shift="contrast"), "Estimate")
    alts = [chart.proto.alt for chart in page.get("vega_lite_chart")]
    [said] = [text for text in alts if "statistics come from" in text]
    assert said.count("% at 32") == 2 and said.count("Group norm") == 2
    assert any("rises from" in text for text in texts(page.markdown))
    page.select_slider[0].set_value(page.select_slider[0].options[-1]).run()
    assert not any("rises from" in text for text in texts(page.markdown))


def test_runs_without_networks_are_told_in_one_line(fake_checkpoints):
    fake_checkpoints({"digits": (1, 2)}, num_images=360)
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception and not page.error
    assert any(text.startswith("No answers:") for text in texts(page.warning))
    assert page.selectbox(key="chosen-asked_seed").options == ["1", "2"]


def test_without_the_pictures_it_offers_them(fake_checkpoints, tmp_path, monkeypatch):
    fake_checkpoints({"mnist": (1,)})
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path))
    page = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not page.exception and not page.error and not page.header
    assert any(button.label == "Download MNIST" for button in page.button)
    assert any("no network can be asked about a batch" in text for text in texts(page.markdown))
