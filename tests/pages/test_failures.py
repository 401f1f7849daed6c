"""The Failures page as a script: what it says, its filters, its address, life without pixels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS
from core.data.datasets import DatasetStatus
from core.errors import DataError
from core.training.runs import read_predictions
from ui import resources

PAGE = Path(__file__).resolve().parents[2] / "pages" / "failures.py"
SHOWN = "chosen-variant_shown"


@pytest.fixture
def open_page(fake_checkpoints, tmp_path, monkeypatch):
    """A function that writes runs and opens the page on them, at an address."""
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path / "no-data"))

    def build(seeds=None, query=None, **options) -> AppTest:
        fake_checkpoints(seeds or {"digits": (1,)}, num_images=360, **options)
        page = AppTest.from_file(str(PAGE), default_timeout=60)
        page.query_params.update(query or {})
        return page.run()

    return build


def drawing(page: AppTest, key: str) -> str:
    """The HTML of the picker with that key."""
    [part] = [part for part in page.get("bidi_component") if part.proto.id.endswith(f"-{key}")]
    return json.loads(part.proto.json)


def tiles(page: AppTest) -> list[int]:
    return [int(index) for index in re.findall(r'data-pick="(\d+)"', drawing(page, "tiles"))]


def failed(root: Path, key: str, seed: int = 1) -> set[int]:
    found = read_predictions(root / "digits" / key / f"seed-{seed}")
    return set(np.flatnonzero(found.predicted != found.targets).tolist())


def choose(page: AppTest, variant: str) -> None:
    [choice] = [group for group in page.get("button_group") if group.key == SHOWN]
    choice.set_value(variant).run()


def headings(page: AppTest) -> list[str]:
    return [heading.value for heading in page.header]


def test_it_answers_first_and_shows_every_failure_with_its_picture(open_page, tmp_path):
    page = open_page()
    assert not page.exception and not page.error
    assert page.title[0].value == "Failures"
    assert page.markdown[0].value.startswith("Which test images does each variant get wrong")
    expected = failed(tmp_path / "checkpoints", "gn")
    assert (
        f"**Group norm is wrong on {len(expected)} of 360 test images**" in page.markdown[1].value
    )
    assert headings(page)[0] == f"All {len(expected)} failures"
    assert set(tiles(page)) == expected
    assert drawing(page, "tiles").count('<img src="data:image/png') == len(expected)


def test_another_variant_shows_its_own_failures(open_page, tmp_path):
    page = open_page()
    choose(page, "ln_l2")
    assert set(tiles(page)) == failed(tmp_path / "checkpoints", "ln_l2")


@pytest.mark.parametrize("asked", ["ln", "Layer norm"])
def test_the_address_names_the_variant_by_its_key_or_as_it_once_did(open_page, asked):
    page = open_page(query={"variant_shown": asked})
    assert page.markdown[1].value.startswith("**Layer norm is wrong on") and not page.warning
    assert "ln" in page.query_params["variant_shown"]
    choose(page, "gn_l1")
    assert "gn_l1" in page.query_params["variant_shown"]


def test_a_variant_or_seed_that_does_not_exist_is_said(open_page):
    page = open_page({"digits": (1, 2)}, query={"variant_shown": "layer", "seed_shown": "9"})
    assert not page.exception and page.markdown[1].value.startswith("**Group norm (seed 1)")
    assert [warning.value for warning in page.warning] == [
        "The address asks for the variant layer, which cannot be chosen here. This is Group norm.",
        "The address asks for seed 9, which cannot be chosen here. This is seed 1.",
    ]


def test_the_address_reproduces_the_filters(open_page):
    everything = open_page()
    target, predicted = re.findall(r'data-pick="(\d)-(\d)"', drawing(everything, "confusion"))[0]
    again = AppTest.from_file(str(PAGE), default_timeout=60)
    again.query_params.update({"true": target, "taken": predicted})
    again.run()
    shown = drawing(again, "tiles")
    assert set(re.findall(r"<b>(.*?)</b>", shown)) == {f"{target} → {predicted}"}
    assert len(tiles(again)) < len(tiles(everything))
    assert again.selectbox(key="true").value == int(target)
    marked = re.findall(r'data-pick="([^"]*)"[^>]*aria-pressed="true"', drawing(again, "confusion"))
    assert marked == [f"{target}-{predicted}"]


def test_more_than_a_page_of_failures(open_page):
    page = open_page(errors=150, query={"page": "3"})
    assert len(tiles(page)) == 30
    page.selectbox(key="true").set_value(3).run()
    assert tiles(page) and page.query_params.get("page") in (None, [])


@pytest.mark.parametrize("page", ["9", "0", "x"])
def test_a_page_that_does_not_exist_is_the_first(open_page, page):
    shown = open_page(errors=150, query={"page": page})
    assert not shown.exception and len(tiles(shown)) == 60


@pytest.mark.parametrize(
    "query", [{"true": "x", "taken": "11"}, {"image": "99999"}, {"percent": "-5"}]
)
def test_nonsense_in_the_address_is_ignored(open_page, query):
    page = open_page(errors=20, query=query)
    assert not page.exception and len(tiles(page)) == 20


def test_filters_that_leave_nothing_say_so_and_can_be_cleared(open_page):
    page = open_page(errors=5)
    page.slider(key="percent").set_value((0, 0)).run()
    assert page.info[0].value == "None of the 5 failures of Group norm passes all filters."
    page.button(key="clear-nothing").click().run()
    assert headings(page)[0] == "All 5 failures" and page.slider(key="percent").value == (0, 100)


def test_a_single_failure_is_not_counted_as_several(open_page):
    page = open_page(errors=1, variants=["gn"])
    assert headings(page)[0] == "1 failure"
    assert "1 test image fails in Group norm." in [part.value for part in page.markdown]
    page.slider(key="percent").set_value((0, 0)).run()
    assert page.info[0].value == "The only failure of Group norm does not pass all filters."


def test_several_seeds_are_counted(open_page, tmp_path):
    page = open_page({"digits": (1, 2, 3)})
    root = tmp_path / "checkpoints"
    sizes = [len(failed(root, "gn", seed)) for seed in (1, 2, 3)]
    assert page.markdown[1].value.startswith(f"**Group norm (seed 1) is wrong on {sizes[0]} of")
    assert f"Over 3 seeds: {np.mean(sizes):.1f} wrong on average" in page.markdown[1].value
    assert "/3</td>" in drawing(page, "who")
    page.selectbox(key="chosen-seed_shown").set_value(2).run()
    assert set(tiles(page)) == failed(root, "gn", 2)


def test_a_sidebar_seed_shows_that_training_alone(open_page, tmp_path):
    page = open_page({"digits": (1, 2)}, query={"seed": "2"})
    assert set(tiles(page)) == failed(tmp_path / "checkpoints", "gn", 2)
    assert "/2</td>" not in drawing(page, "who")
    assert not [box for box in page.selectbox if box.key == "chosen-seed_shown"]


def test_an_image_in_the_address_opens_with_all_variants(open_page, tmp_path):
    root = tmp_path / "checkpoints"
    page = open_page()
    index = min(failed(root, "bn_l1"))
    page.selectbox(key="image").set_value(index).run()
    table = drawing(page, "probabilities")
    assert all(variant.label in table for variant in VARIANTS.values())
    [words] = [part.value for part in page.markdown if part.value.startswith("**Test image")]
    assert f"**Test image {index}**" in words and VARIANTS["bn_l1"].label in words


def test_without_images_everything_else_is_shown(open_page):
    page = open_page({"mnist": (1,)})
    assert not page.exception
    offer = [part.value for part in page.markdown if "are not on this machine" in part.value]
    assert len(offer) == 1 and "MNIST" in offer[0]
    assert [button.label for button in page.button if button.label.startswith("Download")] == [
        "Download MNIST"
    ]
    assert "<img" not in drawing(page, "tiles") + drawing(page, "who")
    assert tiles(page) and 'class="tiles bare"' in drawing(page, "tiles")


def test_damaged_images_are_named_and_can_be_fetched_again(open_page, monkeypatch):
    cause = "t10k-images-idx3-ubyte is damaged: its SHA-256 is not the expected one."

    def refuse(key: str):
        raise DataError(cause)

    whole = DatasetStatus("mnist", True, Path("data"))
    monkeypatch.setattr(resources, "dataset_status", lambda key: whole)
    monkeypatch.setattr(resources, "test_images", refuse)
    page = open_page({"mnist": (1,)})
    assert not page.exception and tiles(page)
    assert any("images are damaged" in part.value for part in page.markdown)
    assert cause in [part.value for part in page.caption]
    assert "Download MNIST" in [button.label for button in page.button]


def test_the_class_chart_is_told_in_figures(open_page):
    words = open_page({"mnist": (1, 2)}).get("vega_lite_chart")[0].proto.alt
    assert words.startswith("Test accuracy of Group norm for each class in percent, with 95 % inte")
    assert len(re.findall(r"\d [\d.]+ \([\d.]+ to [\d.]+\)", words)) == 10


def test_published_figures_stand_beside_mnist_only(open_page):
    mnist = open_page({"mnist": (1,), "digits": (1,)})
    assert "published" in mnist.get("vega_lite_chart")[0].proto.spec
    mnist.selectbox(key="dataset").set_value("digits").run()
    assert "published" not in mnist.get("vega_lite_chart")[0].proto.spec


def test_a_variant_without_failures_is_praised_not_broken(open_page):
    page = open_page(errors=0)
    assert not page.exception
    assert page.success[0].value == "Group norm is right on every test image of Digits."


def test_no_runs_say_what_to_do(open_page):
    page = open_page({"digits": (1,)}, query={"dataset": "kmnist"})
    assert not page.exception and page.info and "train" in page.code[0].value


def test_changing_the_data_set_keeps_the_page_alive(open_page):
    page = open_page({"mnist": (1, 2), "digits": (1,)}, errors=150, query={"page": "2"})
    page.selectbox(key="chosen-seed_shown").set_value(2).run()
    page.selectbox(key="dataset").set_value("digits").run()
    assert not page.exception and tiles(page)
