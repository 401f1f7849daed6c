"""What is explained, and how it is said."""

from __future__ import annotations

import numpy as np
import pytest

from core.analysis.target import resolve_target
from core.data.datasets import DATASETS, DIGIT_NAMES
from core.errors import UsageError

LOGITS = np.array([0, 1, 9, 2, 0, 7, 0, 0, 0, 0], np.float32)
"""Predicted 2, runner-up 5."""


def resolve(spec, true=1, logits=LOGITS, names=DIGIT_NAMES):
    return resolve_target(spec, logits, true, names)


@pytest.mark.parametrize(
    ("spec", "true", "value", "text"),
    [
        ("pred_minus_true", 1, 9 - 1, "logit 2 − logit 1 (predicted minus true)"),
        ("pred", 1, 9, "logit 2 (predicted)"),
        ("true", 1, 1, "logit 1 (true)"),
        ("5", 1, 7, "logit 5 (as chosen)"),
        ("5-3", None, 7 - 2, "logit 5 − logit 3 (as chosen)"),
    ],
)
def test_the_scalar_and_its_words(spec, true, value, text):
    found = resolve(spec, true)
    assert found.spec == spec
    assert found.text == text
    assert np.dot(found.weights, LOGITS) == value
    assert found.weights[found.positive] == 1
    assert sum(w != 0 for w in found.weights) == (1 if found.negative is None else 2)


@pytest.mark.parametrize(
    ("true", "why"), [(2, "as the prediction is right"), (None, "as the true class is unknown")]
)
def test_without_an_error_to_explain_the_runner_up_stands_in_and_the_text_says_so(true, why):
    found = resolve("pred_minus_true", true)
    assert (found.positive, found.negative) == (2, 5)
    assert found.text == f"logit 2 − logit 5 (predicted minus runner-up, {why})"


def test_where_two_logits_tie_the_first_is_the_predicted_class_as_argmax_has_it():
    tied = np.array([0, 3, 0, 3, 0, 0, 0, 0, 0, 0], np.float32)
    found = resolve("pred_minus_true", true=1, logits=tied)
    assert (found.positive, found.negative) == (int(tied.argmax()), 3)


def test_classes_are_called_by_their_names():
    names = DATASETS["fashion-mnist"].class_names
    assert resolve("5-7", names=names).text == "logit Sandal − logit Sneaker (as chosen)"


@pytest.mark.parametrize("spec", ["", "10", "-1", "5-5", "5−3", "5-3-1", "five", "PRED", " 5"])
def test_anything_else_is_refused(spec):
    with pytest.raises(UsageError, match="Unknown target") as caught:
        resolve(spec)
    assert "\n" not in str(caught.value)


def test_the_true_class_must_be_known_to_be_explained():
    with pytest.raises(UsageError, match="true class of this image is unknown"):
        resolve("true", true=None)
