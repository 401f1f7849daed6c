"""A user's own image on Explain, Nuisance and Inside: known and unknown truth, two at once."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.analysis.metrics import softmax
from core.config import VARIANTS
from core.training.runs import SHIPPED_DIR, read_predictions
from tests.fixtures_explain import digits_split
from ui import own_images
from ui.own_images import OwnImage

PAGES = Path(__file__).resolve().parents[2] / "pages"
READ, FAILED = 0, 83
"""A test digit that all six read with seed 1, and one, a 5, that all six take for a 9."""


def own(index: int, true: int | None = None) -> OwnImage:
    """Test digit `index` as if a user had brought it; all have the same name."""
    return OwnImage(digits_split().images[index], "digit.png", "upload", true)


def opened(page: str, brought: OwnImage | None, **query: str) -> AppTest:
    app = AppTest.from_file(str(PAGES / f"{page}.py"), default_timeout=120)
    app.query_params.update({"dataset": "digits", "seed": "1", **query})
    if brought:
        app.session_state[own_images.CHOSEN] = brought
    app.run()
    assert not app.exception and not app.error
    return app


def texts(parts) -> str:
    return "\n".join(part.value for part in parts)


def component(app: AppTest, key: str):
    """What the component with that key is told."""
    [part] = [part for part in app.get("bidi_component") if part.proto.id.endswith(f"-{key}")]
    return json.loads(part.proto.json)


def explained(app: AppTest) -> set[str]:
    """What the maps say that they explain."""
    return set(re.findall(r"<li>Explains ([^<]+)</li>", component(app, "maps")))


def everything(app: AppTest) -> str:
    """All that is said: texts, HTML, what charts and tables are called."""
    parts = [app.header, app.subheader, app.markdown, app.caption, app.info, app.warning]
    html = [part.proto.json for part in app.get("bidi_component")]
    charts = [part.proto.alt for part in app.get("vega_lite_chart")]
    bodies = [part.proto.body for part in app.get("html")]
    return "\n".join([*map(texts, parts), *html, *charts, *bodies])


@pytest.fixture(scope="module")
def unknown() -> AppTest:
    """Explain, with a digit of unknown truth; read only."""
    return opened("explain", own(READ), pictures="own")


@pytest.fixture(scope="module")
def known() -> AppTest:
    """Explain, in another session, with another image of the same name, said to be a 5."""
    return opened("explain", own(FAILED, true=5), pictures="own")


def test_nothing_calls_an_image_of_unknown_truth_right_or_wrong(unknown):
    assert unknown.header[0].value == "Your image has no known label"
    true = digits_split().targets[READ]
    assert f"**All 6 variants read it as {true}.** The least certain is" in texts(unknown.markdown)
    said = everything(unknown)
    assert "✓" not in said and "✗" not in said
    margins = unknown.get("vega_lite_chart")[0].proto.alt
    assert margins.count(f"says {true}, +") == 6
    assert not unknown.warning


def test_an_own_image_is_nowhere_called_a_test_image(unknown):
    assert re.findall(r"[Tt]est image \d+", everything(unknown)) == ["test image 0"]
    assert "Noise is that of test image 0." in texts(unknown.caption)
    assert "digit.png" not in everything(unknown)


def test_maps_and_diagnosis_of_unknown_truth_take_the_runner_up(unknown):
    reason = "(predicted minus runner-up, as the true class is unknown)"
    assert explained(unknown) and all(one.endswith(reason) for one in explained(unknown))
    options = unknown.selectbox(key="chosen-target").options
    assert options[0] == "Predicted minus runner-up" and "True label" not in options
    assert "whether that is right is not known." in texts(unknown.markdown)
    assert "This is tested on test images only." in texts(unknown.markdown)
    assert "Group norm says 0; it would change its mind if" in texts(unknown.markdown)


def test_with_a_label_it_is_explained_as_the_test_image_is(known):
    assert known.header[0].value == "Your image is labelled 5"
    assert "**All 6 variants take it for a 9.**" in texts(known.markdown)
    assert explained(known) == {"logit 9 − logit 5 (predicted minus true)"}
    assert known.get("vega_lite_chart")[0].proto.alt.count("wrong") == 6
    assert "True label" in known.selectbox(key="chosen-target").options
    assert "Group norm with seed 1 is wrong here: it says 9" in texts(known.markdown)


def test_what_is_said_of_it_is_what_is_stored_of_the_same_test_image(known):
    shown = re.findall(r'title="([\d.]+)%"', component(known, "probabilities"))
    found = [read_predictions(SHIPPED_DIR / "digits" / key / "seed-1") for key in VARIANTS]
    stored = [100 * softmax(one.logits[FAILED]) for one in found]
    # Stored logits have half precision.
    assert np.array(shown, float) == pytest.approx(np.concatenate(stored), abs=0.1)


def test_two_sessions_keep_to_their_own_image(unknown, known):
    pictures = [re.findall(r'src="(data:[^"]+)"', everything(app))[0] for app in (unknown, known)]
    assert pictures[0] != pictures[1]
    again = opened("explain", own(READ), pictures="own")
    assert component(again, "maps") == component(unknown, "maps") != component(known, "maps")
    relabelled = opened("explain", own(READ, true=3), pictures="own")
    assert explained(relabelled) == {"logit 0 − logit 3 (predicted minus true)"}


def answers(app: AppTest) -> list[str]:
    """What stands in the rows of the lab, without tags."""
    rows = re.findall(r"<tr data-variant=.*?</tr>", component(app, "answers"))
    return [re.sub(r"<[^>]+>", " ", row) for row in rows]


def test_the_lab_changes_an_own_image_of_unknown_truth():
    app = opened("nuisance", own(READ), pictures="own", contrast_grey="0.25")
    assert app.header[0].value == "Your image has no known label"
    assert "**Read as 0 by 4 of 6 variants; as " in texts(app.markdown)
    assert len(answers(app)) == 6 and "✓" not in everything(app) and "✗" not in everything(app)
    assert component(app, "sliders")["said"].startswith("Contrast about grey ×0.25. Read as 0 by")
    assert "Random numbers" not in texts(app.caption)


def test_the_lab_changes_an_own_image_with_a_label_and_says_whose_noise_it_is():
    brought = own(READ, true=0)
    app = opened("nuisance", brought, pictures="own", contrast_grey="0.25", gaussian_noise="0.1")
    assert app.header[0].value == "Your image is labelled 0"
    assert "variants are wrong.**" in texts(app.markdown)
    assert all(re.match(r"\s*\S.* ✓\s+0 ", row) for row in answers(app))
    assert "seed 1. Random numbers are those of test image 0." in texts(app.caption)


def test_inside_follows_an_own_image():
    app = opened("inside", own(FAILED, true=5), pictures="own", norm_layer="3")
    assert app.header[0].value == "Your image, a 5, layer by layer"
    assert component(app, "inside-maps").count("✗ 9") == 6


def test_an_own_image_has_mates_of_the_class_that_it_is_read_as():
    app = opened("batch_mates", own(READ), pictures="own", mates="3,17")
    assert "Your image has no known label." in texts(app.caption)
    assert "as Group norm reads it (0)" in app.selectbox(key="chosen-mates_class").options
    table = component(app, "company-table")
    assert "mates of class 0" in table and "with your 2 mates" in table
    assert table.count('class="shade"') == 30 and "✓" not in table and "✗" not in table
    assert "no logit moves" in texts(app.markdown)


def test_with_its_label_it_has_the_mates_and_answers_that_label_asks_for():
    app = opened("batch_mates", own(FAILED, true=5), pictures="own")
    table = component(app, "company-table")
    assert "mates of class 5" in table and "✗ 9, " in table
    assert "the same (5)" in app.selectbox(key="chosen-mates_class").options


def test_without_the_image_the_usual_ones_are_offered_and_it_says_why():
    app = opened("inside", None, pictures="own")
    assert texts(app.info).startswith(
        "The image you brought is no longer here: it was never stored."
    )
    assert not app.warning and app.header[0].value.startswith("Test image")
    assert app.query_params["pictures"] in ("failures", ["failures"])
    assert "own" not in app.segmented_control(key="chosen-pictures").options


def test_an_own_image_stays_until_a_link_names_a_test_image():
    app = opened("inside", own(FAILED), pictures="own")
    app.run()
    assert app.header[0].value == "Your image, layer by layer"
    app.query_params.clear()
    app.query_params.update({"dataset": "digits", "index": "7"})
    app.session_state["visited-page"] = "another"
    app.run()
    assert app.header[0].value.startswith("Test image 7, ")
    app.segmented_control(key="chosen-pictures").set_value("own").run()
    assert app.header[0].value == "Your image, layer by layer"


def test_without_the_data_set_an_own_image_still_has_answers_and_maps(tmp_path, monkeypatch):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path))
    app = opened("explain", own(READ), dataset="mnist", pictures="own", method="saliency")
    assert component(app, "maps").count('role="img"') == 6
    assert "so there is no diagnosis of a network." in texts(app.markdown)
    warnings = [part.value for part in app.warning]
    assert [text[:12] for text in warnings] == ["No diagnosis", "No changes: "]
    assert all("\n" not in text for text in warnings)


def test_networks_that_cannot_be_loaded_cost_the_answers_in_a_line(fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=360)
    app = opened("inside", own(READ), pictures="own")
    [warning] = [part.value for part in app.warning]
    assert warning.startswith("No answers: ") and "model.safetensors" in warning
