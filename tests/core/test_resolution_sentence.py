"""Sentences on made-up predictions whose differences are known."""

import math

import numpy as np
import pytest

from core.analysis.resolution_sentence import (
    FEW_SEEDS_NOTE,
    ONE_SEED_NOTE,
    SEVERAL_SEEDS_NOTE,
    SOME_ONE_SEED_NOTE,
    resolution_sentence,
)
from core.config import VARIANTS
from tests.made_predictions import compare, predictions, simulate

LABELS = {key: variant.label for key, variant in VARIANTS.items()}


def test_sentence_when_nothing_is_resolved():
    runs = {key: [predictions(range(i, i + 30))] for i, key in enumerate(VARIANTS)}
    sentence = resolution_sentence(compare(runs), LABELS)
    assert sentence.startswith("None of the 15 differences in accuracy is resolved")
    # Neighbours disagree on 2 images, the ends on 10; at 0.05 / 15 all 10 must be on one side.
    assert "about 10 of the 10,000 test images (0.10 percentage points)" in sentence
    assert sentence.endswith(ONE_SEED_NOTE)


def test_sentence_names_what_is_resolved():
    runs = {
        "gn": [predictions(range(100))],
        "ln": [predictions(range(102))],
        "bn_l1": [predictions(range(40))],
    }
    sentence = resolution_sentence(compare(runs), LABELS)
    assert sentence.startswith("2 of the 3 differences in accuracy are resolved. More accurate: ")
    largest, second = sentence.split("More accurate: ")[1].split("; ")
    assert largest.startswith("Batch norm + L1 than Layer norm by 0.62 percentage points (0.")
    assert second.startswith("Batch norm + L1 than Group norm by 0.60 percentage points (0.")
    assert "As far as these numbers tell, the other 1 may be chance." in sentence


def test_sentence_names_at_most_three():
    runs = {key: [predictions(range(60 * i))] for i, key in enumerate(VARIANTS)}
    sentence = resolution_sentence(compare(runs), LABELS)
    assert sentence.startswith("15 of the 15") and "and 12 more." in sentence
    assert "chance" not in sentence


@pytest.mark.parametrize(("num_seeds", "few"), [(2, True), (4, True), (5, False)])
def test_sentence_says_what_seeds_allow(num_seeds, few):
    rng = np.random.default_rng(6)
    runs = {key: simulate(num_seeds, 0.006, rng) for key in ("gn", "ln")}
    pairs = compare(runs)
    sentence = resolution_sentence(pairs, LABELS)
    assert SEVERAL_SEEDS_NOTE in sentence and ONE_SEED_NOTE not in sentence
    assert (FEW_SEEDS_NOTE in sentence) == few
    assert f"about {math.ceil(pairs['resolvable_errors'][0])} of" in sentence
    assert sentence.startswith("The difference in accuracy is not resolved.")


def test_sentence_says_where_some_variants_have_one_seed():
    several = {"gn": [predictions([1]), predictions([2])], "ln": [predictions([3])] * 2}
    one = {"bn_l1": [predictions([4, 5])]}
    said = resolution_sentence(compare(several | one), LABELS)
    assert SOME_ONE_SEED_NOTE in said and FEW_SEEDS_NOTE in said
    alone = resolution_sentence(compare({"gn": several["gn"]} | one), LABELS)
    assert ONE_SEED_NOTE in alone and FEW_SEEDS_NOTE not in alone


def test_one_variant_alone_has_nothing_to_compare():
    pairs = compare({"gn": [predictions([])]})
    assert resolution_sentence(pairs, LABELS) == "A comparison needs at least two variants."
