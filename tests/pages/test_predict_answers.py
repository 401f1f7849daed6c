"""The answers on Predict as a script, on the shipped digits: one image, many, labels, links."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS
from core.data.datasets import get_dataset
from core.training.runs import SHIPPED_DIR, read_predictions
from tests.fixtures_explain import digits_split
from ui import explain_choice, own_images, predict_entries, predict_table
from ui.predict_entries import Entry

PAGE = Path(__file__).resolve().parents[2] / "pages" / "predict.py"
READ, SPLIT, FAILED = 0, 29, 83
"""A test digit that all six read with seed 1, one that only five read, a 5 taken for a 9."""


def said(index: int, seed: int = 1) -> dict[str, int]:
    """Variant → what its stored predictions say of a test digit."""
    runs = {key: SHIPPED_DIR / "digits" / key / f"seed-{seed}" for key in VARIANTS}
    return {key: int(read_predictions(path).predicted[index]) for key, path in runs.items()}


def png(index: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(digits_split().images[index]).save(buffer, "PNG")
    return buffer.getvalue()


def entry(index: int, name: str = "digit.png") -> Entry:
    return Entry(name, "upload", png(index), name)


def opened(*entries: Entry, **query: str) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=120)
    app.query_params.update({"dataset": "digits", "seed": "1", "way": "upload", **query})
    app.session_state[predict_entries.UPLOADS] = list(entries)
    app.run()
    assert not app.exception and not app.error
    return app


def component(app: AppTest, key: str) -> str:
    """What the component with that key is told."""
    [part] = [part for part in app.get("bidi_component") if part.proto.id.endswith(f"-{key}")]
    return json.loads(part.proto.json)


def rows(app: AppTest) -> dict[str, str]:
    """Variant → its row in the answers to the image that is shown, without tags."""
    found = re.findall(r'<tr data-variant="(\w+)".*?>(.*?)</tr>', component(app, "predict-answers"))
    return {key: re.sub(r"<[^>]+>", " ", row) for key, row in found}


def listed(app: AppTest) -> list[str]:
    """The names in the table, from top to bottom."""
    return re.findall(r'data-pick="\d+"[^>]*title="([^"]+)"', component(app, "predict-all"))


def texts(parts) -> str:
    return "\n".join(str(part.value) for part in parts)


@pytest.fixture(scope="module")
def unknown() -> AppTest:
    """An image of unknown class on which the six differ; read only."""
    return opened(entry(SPLIT))


@pytest.fixture(scope="module")
def many() -> AppTest:
    """Four images, three of known class, and one that is none; read only."""
    return opened(
        entry(READ, "b_0.png"),
        entry(SPLIT, "a.png"),
        entry(FAILED, "c_5.png"),
        entry(READ, "d-1.png"),
        Entry("<b>bad</b>.png", "upload", b"no picture"),
    )


def test_the_image_and_six_answers_come_first(unknown):
    names, told = get_dataset("digits").class_names, said(SPLIT)
    html = component(unknown, "predict-answers")
    assert 'alt="digit.png, as the networks see it"' in html
    [dissenting] = [key for key in VARIANTS if told[key] != told["gn"]]
    label, other = VARIANTS[dissenting].label, names[told[dissenting]]
    assert f"Read as {names[told['gn']]} by 5 of 6 variants; as {other} by {label}." in html
    found = rows(unknown)
    assert list(found) == list(VARIANTS)
    for key, row in found.items():
        assert row.split(VARIANTS[key].label)[-1].split()[0] == names[told[key]]
    assert re.findall(r'data-variant="(\w+)" class="other"', html) == [dissenting]
    assert "✓" not in html and "✗" not in html


def test_each_margin_is_drawn_on_one_scale(unknown):
    html = component(unknown, "predict-answers")
    cells = re.findall(r'scaled">([\d.]+)<span class="bar" style="--share:([\d.]+)"', html)
    margins, shares = np.array(cells, float).T
    np.testing.assert_allclose(shares, margins / margins.max(), atol=0.01)
    assert len(margins) == 6 and shares.max() == 1


def test_the_place_among_the_training_images_is_said_for_six_properties(unknown):
    html = component(unknown, "typicality")
    assert html.count("<li ") == 6
    words = re.findall(r'class="words">[^<]+ than ([\d.]+ %|all) of the training images<', html)
    assert len(words) == 6
    assert "Band: from the 1st to the 99th percentile of the 1,437 training images" in texts(
        unknown.caption
    )


def test_a_warning_comes_with_what_is_unusual_and_only_then():
    grey = digits_split().images[READ] // 4
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    app = opened(Entry("grey.png", "upload", buffer.getvalue()))
    [warning] = [text for text in texts(app.warning).split("\n") if "unusual" in text]
    assert "unusual in contrast" in warning and "no guarantee" in warning
    html = component(app, "typicality")
    usual = opened(entry(SPLIT))
    assert ('class="unusual"' in html) and 'class="unusual"' not in component(usual, "typicality")
    assert "no guarantee" not in texts(usual.warning)


def test_the_true_label_marks_the_answers_and_goes_along():
    app = opened(entry(FAILED))
    app.selectbox(key="own-true-label").set_value("5").run()
    assert not app.exception
    html = component(app, "predict-answers")
    assert html.count('aria-label="wrong"') == 6
    assert "It is labelled 5: none is right." in html
    assert app.session_state[own_images.CHOSEN].true == 5
    app.selectbox(key="own-true-label").set_value("9").run()
    assert "It is labelled 9: all 6 are right." in component(app, "predict-answers")
    app.selectbox(key="own-true-label").set_value("unknown").run()
    assert 'aria-label="' not in component(app, "predict-answers")
    assert app.session_state[own_images.CHOSEN].true is None


def test_a_file_name_tells_the_label_until_a_hand_says_otherwise():
    app = opened(entry(READ, "photo_0.png"))
    told = "It is labelled 0 by its file name: all 6 are right."
    assert told in component(app, "predict-answers")
    assert "If the file name is wrong, choose another class" in texts(app.caption)
    app.selectbox(key="own-true-label").set_value("1").run()
    assert "It is labelled 1: none is right." in component(app, "predict-answers")
    assert "file name is wrong" not in texts(app.caption)
    app.selectbox(key="own-true-label").set_value("unknown").run()
    assert "labelled" not in component(app, "predict-answers")


def test_a_table_knows_better_than_a_file_name():
    app = opened(entry(READ, "scan_7.png"), entry(SPLIT))
    [uploader] = [part for part in app.file_uploader if part.key == "label-table-file"]
    uploader.upload("labels.csv", b"file,label\nscan_7.png,0\n", "text/csv").run()
    assert "It is labelled 0: all 6 are right." in component(app, "predict-answers")


def test_several_seeds_say_how_many_agree():
    app = opened(entry(SPLIT), seed="all", explained_seed="3")
    told = {seed: said(SPLIT, seed) for seed in range(1, 11)}
    for key, row in rows(app).items():
        same = sum(told[seed][key] == told[3][key] for seed in told)
        assert f"{same}/10 seeds" in row
    assert "One network of each variant, seed 3; n/10 seeds: how many" in texts(app.caption)
    assert "/10 seeds" not in component(opened(entry(SPLIT)), "predict-answers")


def test_a_seed_that_does_not_exist_is_said():
    app = opened(entry(READ), seed="all", explained_seed="77")
    assert "The address asks for seed 77, which cannot be chosen here." in texts(app.warning)


def test_all_ten_probabilities_come_on_request():
    assert "-predict-classes" not in str(
        [p.proto.id for p in opened(entry(READ)).get("bidi_component")]
    )
    app = opened(entry(READ, "x_0.png"), classes="true")
    html = component(app, "predict-classes")
    shares = [float(one) for one in re.findall(r'title="([\d.]+)%"', html)]
    np.testing.assert_allclose(np.reshape(shares, (6, 10)).sum(axis=1), 100, atol=0.1)
    assert "green is the true label" in texts(app.caption)


def test_many_images_are_one_table_with_the_refused(many):
    assert many.header[-1].value == "All 4 images, and 1 refused"
    html = component(many, "predict-all")
    assert listed(many) == ["b_0.png", "a.png", "c_5.png", "d-1.png"]
    assert "&lt;b&gt;bad&lt;/b&gt;.png" in html and "<b>bad" not in html
    assert html.count("Refused: ") == 1
    names, told = get_dataset("digits").class_names, said(SPLIT)
    cells = re.findall(r'title="([^"]+): (\d), [\d.]+%"', html)
    assert cells[6:12] == [(VARIANTS[key].label, names[told[key]]) for key in VARIANTS]
    assert html.count("5 of 6") == 1 and html.count("6 of 6") == 3
    assert html.count("✗ ") == 12 and html.count("✓ ") == 6


@pytest.mark.parametrize(
    ("count", "refused", "words"),
    [(1, 2, "One image, and 2 refused"), (2, 0, "Both images"), (9, 0, "All 9 images")],
)
def test_the_table_is_headed_by_how_many_there_are(count, refused, words):
    assert predict_table.heading(count, refused) == words


def test_accuracy_counts_the_labelled_images_only(many):
    assert "Right on the 3 labelled images" in texts(many.subheader)
    alt = many.get("vega_lite_chart")[-1].proto.alt
    assert alt.count("1 of 3, 6 to 79 %") == 6  # Wilson's interval for 1 of 3
    assert "n = 3, seed 1." in texts(many.caption)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"answers": "split"}, ["a.png"]),
        ({"answers": "refused"}, []),
        ({"sorted": "agreement"}, ["a.png", "b_0.png", "c_5.png", "d-1.png"]),
    ],
)
def test_the_table_is_filtered_and_sorted_by_the_address(query, names):
    entries = [entry(READ, "b_0.png"), entry(SPLIT, "a.png"), entry(FAILED, "c_5.png")]
    bad = Entry("bad.png", "upload", b"no picture")
    app = opened(*entries, entry(READ, "d-1.png"), bad, **query)
    assert listed(app) == names
    all_shown = query.get("answers", "refused") == "refused"
    assert ("Refused: " in component(app, "predict-all")) == all_shown


def test_a_pressed_row_is_shown_above(monkeypatch):
    def button(html: str, *, key: str, on_pick: Callable[[str], None]) -> None:
        pressed = re.findall(r'data-pick="(\d+)" aria-current', html)
        st.button(f"{pressed} is marked", key=key, on_click=on_pick, args=["1"])

    monkeypatch.setattr(predict_table, "pick", button)
    app = opened(entry(READ, "b.png"), entry(FAILED, "c.png"))
    assert 'alt="b.png, ' in component(app, "predict-answers")
    app.button(key="predict-all").click().run()
    assert not app.exception
    assert 'alt="c.png, ' in component(app, "predict-answers")
    assert app.button(key="predict-all").label == "['1'] is marked"
    assert app.session_state[own_images.CHOSEN].name == "c.png"


def test_a_table_gives_labels_and_says_how_many_fit():
    app = opened(entry(READ, "a.png"), entry(FAILED, "b.png"))
    [uploader] = [part for part in app.file_uploader if part.key == "label-table-file"]
    uploader.upload("labels.csv", b"file;label\na.png;0\nb.png;5\nz.png;3\n", "text/csv").run()
    assert not app.exception
    assert "3 labels, 2 of them for the 2 images here." in texts(app.caption)
    assert "Right on the 2 labelled images" in texts(app.subheader)
    [uploader] = [part for part in app.file_uploader if part.key == "label-table-file"]
    uploader.upload("labels.csv", b"file,label\na.png,ten\n", "text/csv").run()
    assert "Row 2 of the table" in texts(app.error)
    assert "labelled images" not in texts(app.subheader)


def test_weights_that_cannot_be_used_cost_the_answers_and_nothing_else(fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=360)
    app = opened(entry(READ))
    [warning] = [part.value for part in app.warning]
    assert warning.startswith("No answers: ") and "model.safetensors" in warning


@pytest.mark.parametrize(
    ("brought", "pictures", "index"),
    [
        (entry(READ), "own", None),
        (Entry("Test image 83", "sample", png(FAILED), index=FAILED), "all", str(FAILED)),
    ],
)
def test_the_links_lead_to_this_image(brought, pictures, index):
    app = AppTest.from_file(str(PAGE.parents[1] / "streamlit_app.py"), default_timeout=60)
    app.session_state[predict_entries.UPLOADS] = [brought]
    app.session_state["chosen-way"] = "upload"
    app.run().switch_page("pages/predict.py").run()
    assert not app.exception
    links = {link.proto.page: parse_qs(link.proto.query_string) for link in app.get("page_link")}
    asked = [links[page] for page in ("explain", "nuisance")]
    for query in asked:
        assert query["pictures"] == [pictures] and query.get("index") == (index and [index])
        assert query["dataset"] == ["mnist"] and query[explain_choice.SEED] == ["1"]
