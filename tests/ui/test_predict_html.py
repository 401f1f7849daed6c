"""The HTML and the files of Predict: answers, strips, rows, by hand and against the command."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from core.analysis.predict import accuracy_frame, answers_frame
from core.analysis.typicality import typicality
from core.cli.prediction import Question, answer
from core.config import VARIANTS
from core.data.datasets import get_dataset
from core.training.runs import SHIPPED_DIR
from tests.fixtures_explain import digits_split
from ui import charts_predict, predict_answers, predict_rows
from ui.own_images import OwnImage

NAMES = tuple("0123456789")
LOGITS = {
    "gn": np.array([[0, 4, 1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 5, 0, 0, 0, 0, 0, 0, 0]], np.float32),
    "ln": np.array([[0, 2, 0, 0, 0, 0, 0, 1, 0, 0], [0, 0, 5, 0, 0, 0, 0, 0, 0, 0]], np.float32),
    "bn_l1": np.array([[0, 0, 0, 0, 0, 0, 0, 3, 0, 0], [0, 0, 5, 0, 0, 0, 0, 0, 0, 0]], np.float32),
}
SAID = answers_frame(LOGITS, NAMES)
IMAGE = np.linspace(0, 255, 784).reshape(28, 28).astype(np.uint8)
OWNS = [OwnImage(IMAGE, "<a>", "upload", 7), OwnImage(IMAGE.T.copy(), "b", "upload")]
ODD = typicality(np.stack([own.image for own in OWNS]), "digits")


def strip(**changed) -> dict:
    """A row of `typicality`."""
    usual = {"property": "size", "label": "Size", "unit": "px", "value": 15.0, "percentile": 50.0}
    return {**usual, "low": 10.0, "high": 20.0, "is_unusual": False, **changed}


def table(owns=OWNS, refused=None, **changed) -> str:
    frame = predict_rows.overview(owns, SAID, ODD, NAMES)
    variants = {key: VARIANTS[key].label for key in LOGITS}
    chosen = {"variants": variants, "current": 1, "refused": refused or {}, **changed}
    return predict_rows.rows_table(frame, owns, **chosen)


def test_the_verdict_says_who_and_how_many_are_right():
    first, second = (SAID[SAID["image"] == image] for image in (0, 1))
    assert predict_answers.verdict(first, NAMES, None) == (
        "Read as 1 by 2 of 3 variants; as 7 by Batch norm + L1."
    )
    assert predict_answers.verdict(first, NAMES, 7).endswith("It is labelled 7: 1 of 3 is right.")
    assert predict_answers.verdict(second, NAMES, 2).endswith("It is labelled 2: all 3 are right.")
    assert predict_answers.verdict(second, NAMES, 3).endswith("It is labelled 3: none is right.")
    two, one = second.iloc[:2], second.iloc[:1]
    assert predict_answers.verdict(two, NAMES, 2).endswith("It is labelled 2: both are right.")
    assert predict_answers.verdict(one, NAMES, 2).endswith("It is labelled 2: that is right.")
    named = predict_answers.verdict(second, NAMES, 3, by_name=True)
    assert named.endswith("It is labelled 3 by its file name: none is right.")


def test_a_name_cannot_become_markup_and_what_differs_is_underlined():
    text = predict_answers.answers(
        SAID[SAID["image"] == 0], IMAGE, verdict="<v>", name='"<n>', caption="<c>"
    )
    assert "<v>" not in text and "<c>" not in text and 'alt="&quot;&lt;n&gt;, as' in text
    assert re.findall(r'data-variant="(\w+)" class="other"', text) == ["bn_l1"]
    truth = predict_answers.answers(
        SAID[SAID["image"] == 0], IMAGE, verdict="", name="", caption="", true=7
    )
    assert re.findall(r'data-variant="(\w+)" class="other"', truth) == ["gn", "ln"]
    assert truth.count('aria-label="right"') == 1 and truth.count('aria-label="wrong"') == 2


@pytest.mark.parametrize(
    ("value", "place"), [(10, 0.2), (20, 0.8), (15, 0.5), (25, 1.1), (0, -0.4)]
)
def test_a_strip_places_the_value_between_the_percentiles(value, place):
    row = strip(value=float(value))
    assert predict_answers.place(row) == pytest.approx(place)
    [drawn] = re.findall(r"--place:([\d.]+)", predict_answers.strips(pd.DataFrame([row])))
    assert float(drawn) == pytest.approx(min(max(place, 0.02), 0.98))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (strip(percentile=63.9), "a larger size than 63 % of the training images"),
        (strip(percentile=100.0), "a larger size than all of the training images"),
        (strip(percentile=0.0), "a smaller size than all of the training images"),
        (strip(percentile=0.04), "a smaller size than 99.9 % of the training images"),
        (
            strip(property="slant", percentile=20.0),
            "slanted further to the left than 80 % of the training images",
        ),
    ],
)
def test_a_percentile_is_never_rounded_up(row, words):
    assert predict_answers.compared(row) == words


def test_amounts_have_their_units():
    assert predict_answers.amount(3.14, "px") == "3.1 px"
    assert predict_answers.amount(-12.4, "°") == "−12°"
    assert predict_answers.amount(0.876, "of full scale") == "0.88"


def test_what_a_black_image_lacks_is_said_and_is_never_the_least_usual():
    frame = typicality(np.zeros((1, 28, 28), np.uint8), "digits")
    text = predict_answers.strips(frame)
    unknown = int(frame["value"].isna().sum())
    assert text.count("cannot be measured") == unknown > 0
    assert text.count('class="mark"') == 6 - unknown
    found = predict_answers.most_unusual(frame.to_dict("records"))
    assert found is not None and not math.isnan(found["value"])
    assert predict_answers.most_unusual([]) is None


def test_of_two_beyond_all_training_images_the_further_one_is_the_least_usual():
    near, far = strip(value=21.0, percentile=100.0), strip(value=1.0, percentile=0.0)
    assert predict_answers.most_unusual([strip(), near, far]) is far


def test_the_overview_counts_what_one_can_count_by_hand():
    frame = predict_rows.overview(OWNS, SAID, ODD, NAMES)
    assert frame["true"].tolist() == ["7", ""] and frame["name"].tolist() == ["<a>", "b"]
    assert frame["agree"].tolist() == [2, 3] and frame["most"].tolist() == ["1", "2"]
    assert frame["bn_l1"].tolist() == ["7", "2"]
    np.testing.assert_equal(frame["wrong"].tolist(), [2, np.nan])
    shares = np.exp(LOGITS["gn"]) / np.exp(LOGITS["gn"]).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(frame["gn_probability"], shares.max(axis=1))
    entropy = SAID.groupby("image")["entropy"].mean()
    np.testing.assert_allclose(frame["entropy"], entropy)


def test_filters_and_orders():
    frame = predict_rows.overview(OWNS, SAID, ODD, NAMES)
    for shown, places in {"all": [0, 1], "split": [0], "wrong": [0], "refused": []}.items():
        assert predict_rows.passing(frame, shown, 3)["place"].tolist() == places
    odd = frame.assign(is_unusual=[False, True])
    assert predict_rows.passing(odd, "unusual", 3)["place"].tolist() == [1]
    assert predict_rows.ordered(frame[::-1], "agreement")["place"].tolist() == [0, 1]
    assert predict_rows.ordered(frame[::-1], "entropy")["place"].tolist() == [0, 1]
    assert predict_rows.ordered(frame[::-1], "brought")["place"].tolist() == [1, 0]


def test_rows_are_marked_shaded_and_escaped():
    text = table(refused={"<r>": "why & how"})
    assert "<a>" not in text and "<r>" not in text and "Refused: why &amp; how" in text
    assert re.findall(r'data-pick="(\d)" aria-current', text) == ["1"]
    first, second = re.findall(r"<tr><th scope=\"row\"><button.*?</tr>", text)
    assert re.findall(r'class="(\w*)" title="([^:]+)', first) == [
        *(("wrong", VARIANTS[key].label) for key in ("gn", "ln")),
        ("", VARIANTS["bn_l1"].label),
    ]
    assert second.count("wrong") == 0 and "✓" not in second
    unlabelled = table([OwnImage(IMAGE, "a", "upload"), OWNS[1]])
    assert re.findall(r'class="wrong" title="([^:]+)', unlabelled) == [VARIANTS["bn_l1"].label]


def test_without_known_distributions_nothing_is_called_unusual():
    frame = predict_rows.overview(OWNS, SAID, typicality(IMAGE[None], "kmnist"), NAMES)
    assert frame["unusual"].tolist() == ["", ""] and not frame["is_unusual"].any()


def test_the_csv_has_a_row_for_each_picture_and_says_why_some_are_refused():
    frame = predict_rows.overview(OWNS, SAID, ODD, NAMES)
    table = predict_rows.csv_frame(frame, {"r.png": "too large"})
    assert table["name"].tolist() == ["<a>", "b", "r.png"]
    assert table["refused"].tolist() == ["", "", "too large"]
    assert not {"place", "far"} & set(table.columns)


def test_the_document_says_what_the_command_says(tmp_path: Path):
    info, variants = get_dataset("digits"), list(VARIANTS)
    images = digits_split().images[[0, 83]]
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    question = Question(
        pictures=[tmp_path / "0.png", tmp_path / "1.png"],
        info=info,
        variants=variants,
        seed=1,
        polarity="auto",
        as_is=False,
        all_digits=False,
        labels=None,
        shipped_first=True,
        runs_dir=SHIPPED_DIR,
    )
    command = answer(question)
    owns = [OwnImage(image, f"{number}.png", "upload") for number, image in enumerate(images)]
    odd = typicality(images, "digits")
    ours = predict_rows.document(info, owns, command.frame, odd, command.runs, {"x": "why"})
    assert ours["images"].pop() == {"file": "x", "error": {"message": "why"}, "predictions": []}
    for mine, theirs in zip(ours["images"], command.to_dict()["images"], strict=True):
        for said, told in zip(mine["predictions"], theirs["predictions"], strict=True):
            assert said == {key: told[key] for key in said}
        assert mine["agreement"] == theirs["agreement"]
        assert mine["typicality"] == theirs["typicality"]
    json.dumps(ours)


def test_charts_hold_the_figures_and_are_named_in_words():
    spec = charts_predict.answers_chart(SAID[SAID["image"] == 0], image="a.png", seed=1).to_dict()
    assert "Margin (logits)" in json.dumps(spec) and "1, 84 %; then 2, 4 %" in json.dumps(spec)
    frame = accuracy_frame(SAID, [7, 2])
    words = charts_predict.accuracy_alt(frame)
    assert "Group norm 1 of 2, 9 to 91 %" in words and "Batch norm + L1 2 of 2" in words
    drawn = charts_predict.accuracy_chart(frame, seed=1).to_dict()
    scale = drawn["layer"][0]["encoding"]["x"]["scale"]
    assert scale["domain"] == [0, 100]
    assert scale["padding"] >= 90**0.5 / 2, "a point at 0 would lie on a name"


def test_a_file_of_answers_has_a_column_for_each_class():
    table = predict_answers.flat(SAID[SAID["image"] == 1], NAMES)
    assert "image" not in table and len(table) == 3
    shares = table[[f"probability_{name}" for name in NAMES]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_array_equal(shares.to_numpy().argmax(axis=1), table["predicted"])
