"""Sentences on made-up predictions whose differences are known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from core.analysis.resolution_sentence import (
    FEW_SEEDS_NOTE,
    ONE_SEED_NOTE,
    SEVERAL_SEEDS_NOTE,
    SEVERAL_THINGS_NOTE,
    SOME_ONE_SEED_NOTE,
    judged,
    resolution_sentence,
)
from core.config import VARIANTS, Recipe
from tests.made_predictions import compare, predictions, simulate

LABELS = {key: variant.label for key, variant in VARIANTS.items()}
MADE = {key: (variant, Recipe()) for key, variant in VARIANTS.items()}


def of_length(key: str, epochs: int):
    return {key: (replace(VARIANTS[key], epochs=epochs), Recipe())}


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
    assert sentence.startswith("2 of the 3 differences in accuracy are resolved, that is, larger")
    largest, second = sentence.split("More accurate: ")[1].split("; ")
    assert largest.startswith("Batch norm + L1 than Layer norm by 0.62 percentage points (0.")
    assert second.startswith("Batch norm + L1 than Group norm by 0.60 percentage points (0.")
    assert "As far as these numbers tell, the other 1 may be chance." in sentence


def test_sentence_names_at_most_three():
    runs = {key: [predictions(range(60 * i))] for i, key in enumerate(VARIANTS)}
    sentence = resolution_sentence(compare(runs), LABELS)
    assert sentence.startswith("15 of the 15") and "and 12 more." in sentence
    assert "may be chance" not in sentence


@pytest.mark.parametrize(("num_seeds", "few"), [(2, True), (4, True), (5, False)])
def test_sentence_says_what_seeds_allow(num_seeds, few):
    rng = np.random.default_rng(6)
    runs = {key: simulate(num_seeds, 0.006, rng) for key in ("gn", "ln")}
    pairs = compare(runs)
    sentence = resolution_sentence(pairs, LABELS)
    assert SEVERAL_SEEDS_NOTE in sentence and ONE_SEED_NOTE not in sentence
    assert (FEW_SEEDS_NOTE in sentence) == few
    assert f"about {math.ceil(pairs['resolvable_errors'][0])} of" in sentence
    assert sentence.startswith("The difference in accuracy is not resolved: ")


def test_sentence_says_where_some_variants_have_one_seed():
    several = {"gn": [predictions([1]), predictions([2])], "ln": [predictions([3])] * 2}
    one = {"bn_l1": [predictions([4, 5])]}
    said = resolution_sentence(compare(several | one), LABELS)
    assert SOME_ONE_SEED_NOTE in said and FEW_SEEDS_NOTE in said
    alone = resolution_sentence(compare({"gn": several["gn"]} | one), LABELS)
    assert ONE_SEED_NOTE in alone and FEW_SEEDS_NOTE not in alone


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("bn_l1", "ln", ", which differ in L1 as well as in normalization."),
        ("bn_l1", "ln_l2", "in L1, weight decay (L2) and epochs as well as in normalization."),
        ("gn", "gn_l1", ", which differ in epochs as well as in L1."),
        ("gn", "ln", None),
    ],
)
def test_what_else_differs_is_said_of_what_is_named(a, b, said):
    pairs = compare({a: [predictions(range(40))], b: [predictions(range(140))]})
    sentence = resolution_sentence(pairs, LABELS, MADE)
    assert (said or ").") in sentence.split("percentage points")[1]
    assert ("differ in" in sentence) == (SEVERAL_THINGS_NOTE in sentence) == bool(said)


def test_another_recipe_is_one_of_the_things_that_differ():
    pairs = compare({"gn": [predictions(range(40))], "ln": [predictions(range(140))]})
    made = MADE | {"ln": (VARIANTS["ln"], Recipe(momentum=0.5))}
    assert "differ in recipe as well as in norm" in resolution_sentence(pairs, LABELS, made)


def test_a_difference_of_unequal_lengths_is_none_of_methods():
    pairs = compare({"gn": [predictions(range(5000))], "bn_l1": [predictions(range(50))]})
    made = of_length("gn", 3) | of_length("bn_l1", 80)
    sentence = resolution_sentence(pairs, LABELS, made)
    assert sentence.startswith("The difference in accuracy may come from the length of training ")
    assert "(Group norm for 3, Batch norm + L1 for 80): this alone may make" in sentence
    assert "resolved" not in sentence and "More accurate" not in sentence
    assert not judged(pairs, made)["resolved"].any() and pairs["resolved"].all()


def test_pairs_of_unequal_lengths_are_not_counted_among_the_others():
    runs = {
        "gn": [predictions(range(5000))],
        "ln": [predictions(range(140))],
        "bn_l1": [predictions(range(40))],
    }
    sentence = resolution_sentence(compare(runs), LABELS, MADE | of_length("gn", 3))
    assert sentence.startswith("The one comparable difference in accuracy is resolved, that is, ")
    assert "Batch norm + L1 than Layer norm" in sentence
    assert "(Group norm for 3, the others for 20): this alone may make 2 of the" in sentence


@pytest.mark.parametrize(("gn", "gn_l1"), [(20, 25), (3, 3), (25, 25)])
def test_published_and_equal_lengths_need_no_remark(gn, gn_l1):
    pairs = compare({"gn": [predictions(range(140))], "gn_l1": [predictions(range(40))]})
    made = of_length("gn", gn) | of_length("gn_l1", gn_l1)
    assert "length" not in resolution_sentence(pairs, LABELS, made)
    assert judged(pairs, made)["resolved"].all()


def test_one_variant_alone_has_nothing_to_compare():
    pairs = compare({"gn": [predictions([])]})
    assert resolution_sentence(pairs, LABELS) == "A comparison needs at least two variants."
