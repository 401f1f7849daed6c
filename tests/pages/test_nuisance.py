"""The lab as a script, on the shipped digits: links, answers, the check, life without pixels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS
from core.training.runs import SHIPPED_DIR, read_predictions

PAGES = Path(__file__).resolve().parents[2] / "pages"
CONTRAST = "chosen-contrast_grey"


def opened(page: str = "nuisance", **query: str) -> AppTest:
    app = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=120)
    app.query_params.update({"dataset": "digits", "seed": "1", **query})
    app.run()
    assert not app.exception
    return app


def component(app: AppTest, key: str):
    """What the component with that key is told."""
    [part] = [part for part in app.get("bidi_component") if part.proto.id.endswith(f"-{key}")]
    return json.loads(part.proto.json)


def rows(app: AppTest, key: str = "answers") -> dict[str, tuple[str, str]]:
    """Variant → what stands in its row: clean and now."""
    found = {}
    for row in re.findall(r"<tr data-variant=.*?</tr>", component(app, key)):
        said = re.findall(r'aria-label="\w+">(.)</span> (\w+)<', row)
        name = re.findall(r'data-variant="(\w+)"', row)[0]
        found[name] = ("".join(said[0]), "".join(said[1]))
    return found


def right(index: int) -> bool:
    """Whether all six are right on a test image of digits, with seed 1."""
    found = [read_predictions(SHIPPED_DIR / "digits" / key / "seed-1") for key in VARIANTS]
    return all(one.predicted[index] == one.targets[index] for one in found)


def texts(parts) -> str:
    return "\n".join(part.value for part in parts)


@pytest.fixture(scope="module")
def grey() -> AppTest:
    """A quarter of the contrast about grey, on an image that all six get right; read only."""
    assert right(0)
    return opened(index="0", contrast_grey="0.25")


def test_without_a_change_clean_and_now_agree():
    app = opened(index="0")
    assert len(rows(app)) == 6
    assert all(clean == now for clean, now in rows(app).values())
    assert "Nothing is changed. One network of each variant, seed 1." in texts(app.caption)
    assert "An example, as the slider is at ×1." in texts(app.caption)
    assert not app.warning and not app.error


def test_a_link_with_contrast_moves_batch_norm_alone(grey):
    found = rows(grey)
    for key, variant in VARIANTS.items():
        clean, now = found[key]
        assert clean == "✓0"
        assert (now == "✓0") == (variant.norm != "batch")
    assert "**2 of 6 variants are wrong.**" in texts(grey.markdown)
    values = component(grey, "sliders")["values"]
    assert values["contrast_grey"] == 0.25 and values["rotation"] == 0


def test_the_check_is_of_the_same_factor(grey):
    table = component(grey, "check")
    assert "×1 and ×0.25 about grey" in table
    cells = [float(text.replace("−", "-")) for text in re.findall(r"<td>([^<]+)</td>", table)]
    changes = np.array(cells).reshape(6, 3)
    batch = [variant.norm == "batch" for variant in VARIANTS.values()]
    assert (changes[batch] > 1).all()
    still = changes[np.logical_not(batch)]
    assert (still[:, :2] < 0.01).all() and (still[:, 2] < 1e-11).all()
    assert "Batch norm moves by at least" in texts(grey.caption)


def test_answers_can_be_taken_along_and_a_screen_reader_hears_them(grey):
    labels = [button.proto.label for button in grey.get("download_button")]
    assert labels.count("CSV") >= 1 and labels.count("JSON") >= 1
    said = component(grey, "sliders")["said"]
    assert said.startswith("Contrast about grey ×0.25. 2 of 6 variants are wrong.")


def test_a_slider_changes_the_answers_and_takes_its_curve():
    app = opened(index="0")
    app.session_state[CONTRAST] = "0.25"
    app.run()
    assert rows(app)["bn_l1"][1].startswith("✗") and rows(app)["gn"][1] == "✓0"
    assert app.query_params["contrast_grey"] in ("0.25", ["0.25"])


def test_mnist_c_joins_with_its_published_level():
    app = opened(index="0")
    app.selectbox(key="chosen-mnist_c").set_value("mnist_c_fog").run()
    assert not app.exception
    last = component(app, "sliders")["groups"][-1]
    assert last["title"] == "MNIST-C" and last["sliders"][0]["label"].startswith("Fog")
    assert component(app, "sliders")["values"]["mnist_c_fog"] == 5
    assert app.selectbox(key="chosen-nuisance").value == "mnist_c_fog"
    assert "Fog (MNIST-C) level 5. One network" in texts(app.caption)


def test_reset_all_takes_everything_back():
    app = opened(index="0", rotation="20", mnist_c="mnist_c_scale")
    [button] = [button for button in app.button if button.label == "Reset all"]
    button.click().run()
    assert not app.exception
    assert all(clean == now for clean, now in rows(app).values())
    assert len(component(app, "sliders")["groups"]) == 3


def test_a_failure_can_be_chosen_and_the_choice_starts_with_all_images():
    app = opened()
    assert "60 of 360 test images. Press one to change it." in texts(app.caption)
    app = opened(pictures="failures", variant="ln")
    assert "failures of Layer norm. Press one to change it." in texts(app.caption)


def test_a_severity_out_of_range_is_said():
    app = opened(index="0", rotation="90")
    [warning] = [part.value for part in app.warning]
    assert "rotation = 90, which cannot be chosen here" in warning and "\n" not in warning
    assert all(clean == now for clean, now in rows(app).values())


def test_weights_that_cannot_be_used_cost_the_answers_and_nothing_else(fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=360)
    app = opened()
    [warning] = [part.value for part in app.warning]
    assert warning.startswith("No answers: ") and "model.safetensors" in warning
    assert app.subheader[0].value == "Accuracy over the test set"


def test_without_images_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path))
    said = texts(opened(dataset="mnist").caption)
    assert "The answers need the picture, which is not on this machine." in said


def test_without_images_overview_greets_with_a_digit_that_is_always_here(tmp_path, monkeypatch):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path))
    app = opened("overview", dataset="mnist")
    assert not app.error
    said = "still read it. Here on a digit of the data set Digits, by networks trained on it."
    assert said in texts(app.markdown)
    said = "The MNIST images are not on this machine**, so the digit above is one of Digits."
    assert said in texts(app.markdown)
    assert rows(app, "greeting-answers") == rows(opened("overview"), "greeting-answers")
    assert "Download MNIST" in [button.label for button in app.button]
    app.button(key="offer-digits").click().run()
    assert app.selectbox(key="dataset").value == "digits"
    assert len(rows(app, "greeting-answers")) == 6
    assert "Here on a digit" not in texts(app.markdown)


def test_without_any_images_overview_offers_them(tmp_path, monkeypatch):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path))
    monkeypatch.setattr("ui.nuisance_greeting.ALWAYS_HERE", "fashion-mnist")
    app = opened("overview", dataset="mnist")
    said = "The MNIST images are not on this machine**, so there is no digit here"
    assert said in texts(app.markdown)


def test_overview_greets_with_a_digit_that_all_six_read():
    app = opened("overview")
    found = rows(app, "greeting-answers")
    assert len(found) == 6 and all(clean == now for clean, now in found.values())
    assert all(clean.startswith("✓") for clean, _ in found.values())
    slider = component(app, "greeting-slider")
    assert [one["name"] for one in slider["groups"][0]["sliders"]] == ["contrast_grey"]
    assert slider["wake"]


def test_the_way_into_the_lab_stands_before_the_slider_is_asked_again(monkeypatch):
    drawn = []
    for part in ("_link", "sliders"):
        monkeypatch.setattr(
            f"ui.nuisance_greeting.{part}", lambda *_, p=part, **__: drawn.append(p)
        )
    opened("overview")
    assert drawn == ["_link", "sliders"]


def test_the_slider_on_overview_moves_batch_norm_alone():
    app = opened("overview", contrast_grey="0.25")
    found = rows(app, "greeting-answers")
    wrong = {key for key, (_, now) in found.items() if now.startswith("✗")}
    assert wrong == {key for key, variant in VARIANTS.items() if variant.norm == "batch"}


def test_overview_keeps_what_is_stored_where_weights_cannot_be_used(fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=360)
    app = opened("overview", contrast_grey="0.5")
    assert "No answers: " in texts(app.warning)
    assert len(rows(app, "greeting-answers")) == 6


def test_a_link_with_a_change_shows_its_curve_unless_it_names_another():
    assert opened(brightness="0.5").selectbox(key="chosen-nuisance").value == "brightness"
    named = opened(brightness="0.5", nuisance="blur")
    assert named.selectbox(key="chosen-nuisance").value == "blur"
