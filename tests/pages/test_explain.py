"""The Explain page as a script, on the shipped digits: views, refusals, life without pixels."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.analysis.methods import METHODS
from core.config import VARIANTS
from core.training.runs import SHIPPED_DIR, read_predictions
from tests.thorough import VARIANTS_OR_ONE_PER_NORM

PAGE = Path(__file__).resolve().parents[2] / "pages" / "explain.py"
FAILS = "83"  # all six take it for a 9 with seed 1


def failing(key: str, seed: int = 1) -> set[int]:
    found = read_predictions(SHIPPED_DIR / "digits" / key / f"seed-{seed}")
    return set(np.flatnonzero(found.predicted != found.targets).tolist())


def opened(**query: str) -> AppTest:
    page = AppTest.from_file(str(PAGE), default_timeout=120)
    page.query_params.update({"dataset": "digits", "seed": "1", **query})
    page.run()
    assert not page.exception
    return page


def drawing(page: AppTest, key: str) -> str:
    """The HTML of the picker with that key."""
    [part] = [part for part in page.get("bidi_component") if part.proto.id.endswith(f"-{key}")]
    return json.loads(part.proto.json)


def facts(page: AppTest) -> list[str]:
    """What stands below the maps."""
    return re.findall(r"<li>([^<]+)</li>", drawing(page, "maps"))


def drawings(page: AppTest) -> set[str]:
    return {part.proto.id.rpartition("-")[2] for part in page.get("bidi_component")}


def texts(parts) -> list[str]:
    return [part.value for part in parts]


def headings(page: AppTest) -> list[str]:
    return texts(page.header)


def widget(page: AppTest, key: str):
    return next(part for part in page.get("button_group") if part.key == key)


@pytest.fixture(scope="module")
def default() -> AppTest:
    """A failure of all six; read only."""
    return opened(index=FAILS)


def test_the_image_and_the_verdict_come_first(default):
    assert default.title[0].value == "Explain"
    assert headings(default) == [
        f"Test image {FAILS} is labelled 5",
        "Attribution maps",
        "Diagnosis of Group norm, seed 1",
        "What change would turn the answer?",
    ]
    assert "**All 6 variants take it for a 9.**" in texts(default.markdown)
    assert not default.warning and not default.error
    table = drawing(default, "probabilities")
    assert all(variant.label in table for variant in VARIANTS.values())
    assert default.get("vega_lite_chart")[0].proto.alt.count("wrong") == 6


def test_the_strip_offers_the_failures_and_marks_the_shown_one(default):
    strip = drawing(default, "strip")
    assert {int(index) for index in re.findall(r'data-pick="(\d+)"', strip)} == failing("gn")
    assert re.findall(r'data-pick="(\d+)"[^>]*aria-current', strip) == [FAILS]
    assert f"test image {FAILS}, a 5 taken for a 9 with" in strip


def test_six_maps_state_target_baseline_steps_and_completeness(default):
    html = drawing(default, "maps")
    assert html.count('role="img"') + html.count('class="refused"') == 6
    assert facts(default).count("Explains logit 9 − logit 5 (predicted minus true)") == 6
    errors = re.findall(r"<li>([\d,]+) steps, completeness error (?:< )?([\d.]+) %</li>", html)
    drawn = [float(error) for _, error in errors]
    assert len(drawn) == 6 and sum(error <= 5 for error in drawn) == html.count('role="img"')
    assert facts(default).count("Baseline: Black image") == 6
    words = next(text for text in texts(default.caption) if text.startswith("One scale for all"))
    [limit] = re.findall(r"to \+([\d.]+);", words)
    assert f"<span>+{limit}</span>" in drawing(default, "scale")


def test_the_diagnosis_has_sentences_and_figures(default):
    words = [chart.proto.alt for chart in default.get("vega_lite_chart")]
    assert sum(text.startswith("Shapley value φ of each layer") for text in words) == 1
    assert sum(text.startswith("Part of each channel in the margin") for text in words) == 1
    [shares] = [text for text in words if text.startswith("Share of the gradient")]
    assert "Batch norm + L1 0 %" in shares and "Group norm 0 %" not in shares
    assert any("Group norm" in text for text in texts(default.markdown))
    assert len(default.dataframe[0].value) == 7


def test_what_would_turn_each_answer_is_said_and_shown(default):
    sentences = next(t for t in texts(default.markdown) if t.startswith("- Group norm says 9"))
    assert sentences.count("\n") == len(VARIANTS) - 1
    assert "would be right if" in sentences or "makes it right" in sentences
    table = drawing(default, "changes")
    assert table.count('<th scope="col"') == len(VARIANTS)
    pictures = re.findall(r'<img src="data:image/png[^"]+" alt="if [^"]+, it says 5', table)
    assert len(pictures) == table.count("<img ") > 0


def test_every_figure_can_be_taken_along(default):
    labels = [button.proto.label for button in default.get("download_button")]
    assert labels.count("PNG") == labels.count("SVG") >= 5
    assert labels.count("CSV") >= labels.count("PNG") and labels.count("JSON") == 4


@pytest.mark.parametrize("key", VARIANTS_OR_ONE_PER_NORM)
def test_the_address_names_variant_and_image(key):
    index = min(failing(key))
    page = opened(variant=key, index=str(index))
    assert headings(page)[0].startswith(f"Test image {index} is labelled")
    assert headings(page)[2] == f"Diagnosis of {VARIANTS[key].label}, seed 1"
    assert not page.warning
    marked = re.findall(r'data-pick="(\d+)"[^>]*aria-current', drawing(page, "strip"))
    assert marked == [str(index)]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"index": "360"}, "test image 360, which cannot be chosen here"),
        ({"variant": "bn"}, "the variant bn, which cannot be chosen here"),
        ({"method": "lime"}, "the method lime, which cannot be chosen here"),
        ({"target": "5-5"}, "the explained output 5-5, which cannot be chosen here"),
        ({"baseline": "/etc/passwd"}, "the baseline /etc/passwd, which cannot be chosen here"),
    ],
)
def test_a_wrong_address_is_said_and_the_default_shown(query, said):
    page = opened(**query)
    [warning] = texts(page.warning)
    assert said in warning and "\n" not in warning
    assert facts(page).count("Baseline: Black image") == 6
    assert page.selectbox(key="chosen-method").value == "integrated_gradients"


def test_a_method_that_is_not_valid_is_a_reason_in_place_of_a_map():
    page = opened(index=FAILS, method="deep_lift")
    html = drawing(page, "maps")
    assert html.count('class="refused"') == 4 and html.count('role="img"') == 2
    for norm in ("group", "layer"):
        assert html.count(METHODS["deep_lift"].invalid[norm]) == 2
    assert all(
        reason in " ".join(texts(page.caption)) for reason in METHODS["deep_lift"].invalid.values()
    )


def test_a_baseline_that_is_not_valid_is_warned_of_and_refused():
    page = opened(index=FAILS, baseline="zero")
    assert len([text for text in texts(page.warning) if "not valid" in text]) == 2
    html = drawing(page, "maps")
    assert html.count('class="refused"') >= 4 and "ignores the contrast" in html


def test_each_map_can_have_its_own_scale(default):
    page = opened(index=FAILS, own_scale="true")
    html = drawing(page, "maps")
    limits = re.findall(r"<li>Scale ±([\d.e-]+)</li>", html)
    assert len(limits) == html.count('role="img"') and len(set(limits)) > 1
    assert any("their sizes cannot be compared" in text for text in texts(page.caption))
    assert "Scale ±" not in drawing(default, "maps")


def test_several_methods_of_one_variant_stand_beside_each_other():
    page = opened(index=FAILS, maps="methods", variant="bn_l1")
    html = drawing(page, "maps")
    for label in ("Integrated Gradients", "Saliency", "Occlusion", "DeepLIFT", "Grad-CAM"):
        assert html.count(f"<b>{label}</b>") == 1
    assert "Completeness is not defined for it" in html and "Scale ±" in html
    page.multiselect(key="methods").set_value([]).run()
    assert not page.exception and "Choose at least one method." in texts(page.info)


def test_another_target_is_stated():
    page = opened(index=FAILS, target="pred", method="saliency")
    assert facts(page).count("Explains logit 9 (predicted)") == 6
    assert facts(page).count("No baseline") == 6


@pytest.mark.thorough
def test_one_contrast_can_be_set_for_variants_that_differ():
    right, wrong = failing("gn") - failing("bn_l1"), failing("gn") & failing("ln")
    page = opened(index=str(min(right & wrong)))
    assert any("explain different outputs" in text for text in texts(page.caption))
    assert len({fact for fact in facts(page) if fact.startswith("Explains")}) > 1
    contrast = page.selectbox(key="chosen-target").options[1]
    page.selectbox(key="chosen-target").set_value(contrast).run()
    [said] = {fact for fact in facts(page) if fact.startswith("Explains")}
    assert not page.exception and said.endswith("(as chosen)")
    assert not any("explain different outputs" in text for text in texts(page.caption))


def test_all_seeds_mean_the_first_that_fails_and_it_is_said():
    seeds = {seed: failing("bn_l1", seed) for seed in range(1, 11)}
    index = min(set.union(*seeds.values()) - seeds[1])
    first = min(seed for seed, found in seeds.items() if index in found)
    page = opened(variant="bn_l1", index=str(index), seed="all")
    assert headings(page)[2] == f"Diagnosis of Batch norm + L1, seed {first}"
    offered = len(set.union(*seeds.values()))
    assert any(text.startswith(f"{offered} failures of Batch") for text in texts(page.caption))
    page.selectbox(key="chosen-explained_seed").set_value("1").run()
    assert headings(page)[2] == "Diagnosis of Batch norm + L1, seed 1"
    assert any(text.startswith(f"{len(seeds[1])} failures of") for text in texts(page.caption))


def test_classes_and_all_images_can_be_looked_through():
    page = opened(index=FAILS)
    widget(page, "chosen-pictures").set_value("all").run()
    page.selectbox(key="chosen-class").set_value("3").run()
    assert not page.exception
    found = read_predictions(SHIPPED_DIR / "digits" / "gn" / "seed-1")
    offered = {int(i) for i in re.findall(r'data-pick="(\d+)"', drawing(page, "strip"))}
    assert offered == set(np.flatnonzero(found.targets == 3).tolist())
    assert headings(page)[0].startswith(f"Test image {FAILS} ")


def test_persistence_is_told_over_all_seeds_even_if_one_is_shown(default):
    table = default.dataframe[1].value
    assert len(table) == 5 and set(table["seeds that fail"].str.split(" of ").str[1]) == {"10"}
    untested = table["p_adjusted"] == "not tested"
    assert set(table["persistent"][untested]) == {"–"}
    assert set(table["persistent"][~untested]) <= {"yes", "no"}
    assert untested.any() and table[~untested]["p_adjusted"].astype(float).between(0, 1).all()
    assert set(default.dataframe[0].value["flips"]) <= {"yes", "no"}


def test_a_map_is_tested_when_asked_for():
    page = opened(index=FAILS, method="saliency")
    [button] = [button for button in page.button if button.label == "Test this map"]
    before = len(page.get("vega_lite_chart"))
    button.click().run()
    assert not page.exception
    said = " ".join(texts(page.markdown))
    for words in ("Randomized weights: ", "Deletion: ", "Insertion: ", "Infidelity ", "Seeds: "):
        assert f"**{words}" in said
    assert "the maps of 10 seeds" in said
    assert len(page.get("vega_lite_chart")) == before + 3


def png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_picture_of_ones_own_becomes_the_baseline():
    page = opened(index=FAILS, baseline="own")
    assert any("Until there is an image" in text for text in texts(page.info))
    digit = np.zeros((28, 28), np.uint8)
    digit[6:22, 13:15] = 255
    page.file_uploader[0].set_value(("one.png", png(digit), "image/png")).run()
    assert not page.exception and not page.error
    assert facts(page).count("Baseline: Own image") == 6


@pytest.mark.parametrize(
    "content", [b"no picture", png(np.zeros((28, 28), np.uint8))], ids=["no picture", "all black"]
)
def test_a_picture_that_is_refused_is_refused_in_one_line(content):
    page = opened(index=FAILS, baseline="own")
    page.file_uploader[0].set_value(("bad.png", content, "image/png")).run()
    assert not page.exception
    [error] = texts(page.error)
    assert "\n" not in error and len(error) > 20
    assert facts(page).count("Baseline: Black image") == 6


def test_without_images_it_says_what_the_six_say_and_offers_them(tmp_path, monkeypatch):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path / "no-data"))
    page = opened(dataset="mnist", index="445")
    assert headings(page)[0] == "Test image 445 is labelled 6"
    assert "Download MNIST" in [button.label for button in page.button]
    assert drawings(page) == {"announced", "strip", "probabilities"}
    assert "<img" not in drawing(page, "strip")
    assert sum("not on this machine" in text for text in texts(page.caption)) == 4
    assert any("Fisher's exact test" in text for text in texts(page.caption))


def test_weights_that_cannot_be_used_cost_the_maps_and_nothing_else(fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=360)
    page = opened()
    assert headings(page)[0].startswith("Test image")
    warnings = texts(page.warning)
    assert [text[:9] for text in warnings] == ["No maps: ", "No diagno", "No change"]
    assert all("model.safetensors" in text and "\n" not in text for text in warnings)
    assert any("one seed of each variant" in text for text in texts(page.markdown))


def test_a_variant_without_failures_offers_all_images(fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=360, errors=0)
    page = opened()
    assert headings(page)[0] == "Test image 0 is labelled 0"
    assert any("60 of 360 test images" in text for text in texts(page.caption))


def test_another_data_set_drops_what_it_does_not_have(fake_checkpoints):
    fake_checkpoints({"mnist": (1,), "digits": (1, 2)}, num_images=360, errors=9)
    page = opened(dataset="digits", seed="all", index="359", explained_seed="2")
    assert headings(page)[2].endswith("seed 2")
    page.selectbox(key="dataset").set_value("mnist").run()
    assert not page.exception and headings(page)[2].endswith("seed 1")
