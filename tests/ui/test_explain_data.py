"""What the six say of an image: margins, sentences, and the images that are offered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.analysis.metrics import softmax
from core.config import VARIANTS
from core.data.datasets import get_dataset
from core.training.runs import SHIPPED_DIR, list_runs, read_predictions
from ui.explain_data import (
    STRIP_SIZE,
    Subject,
    around,
    class_probabilities,
    failing_images,
    make_subject,
    own_subject,
    verdict_sentence,
    verdicts,
)

DIGITS = get_dataset("digits")


def subject(logits: dict[str, list[float]], target: int | None = 4) -> Subject:
    arrays = {key: np.array(values, np.float32) for key, values in logits.items()}
    predicted = {key: int(values.argmax()) for key, values in arrays.items()}
    return Subject(DIGITS, 7, target, None, 1, "gn", {}, arrays, predicted)


def one_hot(number: int, size: float = 3.0) -> list[float]:
    return [size if k == number else 0.0 for k in range(10)]


def test_the_margin_is_that_of_the_true_label_and_negative_exactly_where_wrong():
    frame = verdicts(subject({"gn": one_hot(9, 2.5), "ln": one_hot(4, 1.5)}))
    assert frame["margin"].tolist() == [-2.5, 1.5]
    assert frame["right"].tolist() == [False, True]
    assert frame["predicted"].tolist() == ["9", "4"]
    share = softmax(np.array(one_hot(4, 1.5)))[4]
    assert frame["probability"][1] == frame["true_probability"][1] == pytest.approx(share)
    assert frame["true_probability"][0] < frame["probability"][0]


def test_the_shipped_runs_agree_with_their_own_count_of_errors():
    runs = {run.variant.key: run for run in list_runs(SHIPPED_DIR, "digits") if run.seed == 3}
    predictions = {key: read_predictions(run.path) for key, run in runs.items()}
    wrong = dict.fromkeys(runs, 0)
    for index in range(DIGITS.num_test):
        frame = verdicts(make_subject(DIGITS, index, "gn", runs, predictions, None))
        assert list(frame["variant"]) == list(VARIANTS)
        assert (frame["right"] == (frame["margin"] > 0)).all()
        for key in frame.loc[~frame["right"], "variant"]:
            wrong[key] += 1
    assert wrong == {key: run.final["errors"] for key, run in runs.items()}


def test_a_tie_of_half_precision_is_decided_as_the_network_did():
    [run] = [r for r in list_runs(SHIPPED_DIR, "digits") if r.name == "digits/ln/seed-8"]
    found = read_predictions(run.path)
    assert found.logits[340].argmax() == found.targets[340] != found.predicted[340]
    tied = make_subject(DIGITS, 340, "ln", {"ln": run}, {"ln": found}, None)
    assert tied.logits["ln"].argmax() == tied.predicted["ln"] == found.predicted[340]
    assert verdicts(tied)["margin"][0] == pytest.approx(0, abs=1e-6)
    assert not verdicts(tied)["right"][0]


@pytest.mark.parametrize("truth", [4, None])
def test_where_all_are_certain_none_is_called_the_least_certain(truth):
    sure = dict.fromkeys(("gn", "ln", "bn_l1"), one_hot(4, 12))
    assert verdict_sentence(subject(sure, truth)).endswith("** All 3 with > 99 %.")
    sure |= {"ln": one_hot(4, 6)}
    assert "The least certain is Layer norm, with 98 %." in verdict_sentence(subject(sure, truth))


def test_every_class_has_a_probability_and_they_sum_to_one():
    frame = class_probabilities(subject({"gn": one_hot(9), "ln": one_hot(4)}))
    assert frame.groupby("variant")["probability"].sum().tolist() == pytest.approx([1, 1])
    assert frame.loc[frame["is_target"], "class"].tolist() == ["4", "4"]
    assert len(frame) == 20


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"gn": 4, "ln": 4}, "**Both variants are right.** The least certain is Group norm, with"),
        ({"gn": 9, "ln": 9}, "**Both variants take it for a 9.**"),
        (
            {"gn": 9, "ln": 4},
            "**1 of 2 variants is wrong.** It is taken for a 9 by Group norm.",
        ),
        (
            {"gn": 9, "ln": 8, "bn_l1": 9, "gn_l1": 4},
            "**3 of 4 variants are wrong.** It is taken for a 9 by Group norm, Batch norm + L1; "
            "for an 8 by Layer norm.",
        ),
        (
            {"gn": 9, "ln": 8},
            "**Both variants are wrong.** It is taken for a 9 by Group norm; for an 8 by Layer "
            "norm.",
        ),
        ({"gn": 4}, "**Group norm is right**, with 69 %."),
        ({"gn": 9}, "**Group norm takes it for a 9**, with "),
    ],
)
def test_one_sentence_says_who_is_wrong_and_how(said, sentence):
    found = verdict_sentence(subject({key: one_hot(number) for key, number in said.items()}))
    assert found.startswith(sentence)


def failures(*rows: tuple[int, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["index", "probability"])
    return frame.assign(target=4, predicted=9)


def test_images_that_fail_in_most_seeds_come_first_then_the_most_certain():
    found = failing_images({1: failures((5, 0.6), (7, 0.9)), 2: failures((5, 0.7), (8, 0.95))})
    assert found["index"].tolist() == [5, 8, 7]
    assert found["seeds"].tolist() == [2, 1, 1]
    assert found["probability"].tolist() == [0.7, 0.95, 0.9]


def test_no_failures_are_an_empty_frame():
    assert failing_images({1: failures()}).empty


@pytest.mark.parametrize("current", [0, 3, 100, 500, 977, 979, -1])
def test_the_offered_pictures_are_few_and_hold_the_shown_one(current):
    indices = list(range(0, 9800, 10))
    offered = indices[around(indices, current * 10)]
    assert len(offered) == STRIP_SIZE
    assert current * 10 in offered or current == -1


def test_a_short_list_is_offered_whole():
    assert [3, 1, 2][around([3, 1, 2], 2)] == [3, 1, 2]


def test_a_users_image_is_named_without_a_number_and_told_apart_by_its_content():
    pixels = np.zeros((28, 28), np.uint8)
    logits = {"gn": np.array(one_hot(4), np.float32)}
    run = next(run for run in list_runs(SHIPPED_DIR, "digits") if run.variant.key == "gn")

    def own(image: np.ndarray, target: int | None) -> Subject:
        return own_subject(DIGITS, image, target, "gn", {"gn": run}, logits)

    unknown, known, other = own(pixels, None), own(pixels, 8), own(pixels + 1, None)
    assert (unknown.heading, unknown.said) == ("Your image has no known label", "your image")
    assert (known.heading, known.said) == ("Your image is labelled 8", "your image, an 8")
    assert len({one.identity for one in (unknown, known, other)}) == 3
    assert own(pixels.copy(), None).identity == unknown.identity
    assert unknown.file_stem != other.file_stem and unknown.file_stem.startswith("digits-own-")


def test_where_the_truth_is_not_known_nothing_is_right_and_the_margin_is_over_the_runner_up():
    found = subject({"gn": one_hot(9, 2.5), "ln": [0.5, *one_hot(4)[1:]]}, None)
    frame = verdicts(found)
    assert frame["margin"].tolist() == [2.5, 2.5]
    assert frame["right"].tolist() == frame["true_probability"].tolist() == [None, None]
    assert class_probabilities(found)["is_target"].tolist() == [None] * 20
    sentence = verdict_sentence(found)
    assert sentence.startswith("**Read as 4 by Layer norm; as 9 by Group norm.** The least certain")
