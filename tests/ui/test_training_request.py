"""What stands in the training form becomes a request, or one line that names the field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.config import VARIANTS, Recipe, Variant
from core.errors import UsageError
from core.training.estimate import Estimate
from core.training.job import Job
from core.training.request import make_request
from ui.training_request import (
    FormValues,
    cost_words,
    differences,
    own_variant,
    published_recipe,
    turn_words,
)

FORM = FormValues("digits")


def with_recipe(**changed: float | None) -> FormValues:
    return replace(FORM, recipe={**published_recipe(), **changed})


def test_an_untouched_form_is_the_published_recipe():
    request = FORM.request()
    assert request == make_request("digits", list(VARIANTS))
    assert differences(request) == ""


def test_everything_in_the_form_goes_into_the_request():
    own = Variant("custom", "layer", l1_weight=1e-4, epochs=20)
    values = replace(
        with_recipe(batch_size=32, learning_rate=0.02, rotation_degrees=0.0),
        variants=("gn_l1", "gn"),
        own=(own,),
        seeds=" 1-2, 4 ",
        epochs=3,
        device="cpu",
        name=" first ",
        note="a try",
    )
    recipe = Recipe(batch_size=32, learning_rate=0.02, rotation_degrees=0.0)
    assert values.request() == make_request(
        "digits",
        ["gn", "gn_l1", own],
        epochs=3,
        seeds=(1, 2, 4),
        recipe=recipe,
        device="cpu",
        name="first",
        note="a try",
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (replace(FORM, variants=()), "No variant is chosen: choose at least one"),
        (replace(FORM, seeds=" "), "Seeds are empty: write 1, 1-3 or 1,4."),
        (replace(FORM, seeds="one"), "Seeds 'one' are not understood: write 3, 1,2,5 or 1-10."),
        (replace(FORM, seeds="3-1"), "Seeds '3-1' are not possible: write 1-3."),
        (replace(FORM, seeds="1-1000"), "6 variants × 1000 seeds are 6000 runs"),
        (replace(FORM, epochs=0), "Epochs is 0: it must lie in 1 to 1000."),
        (replace(FORM, epochs=10**9), "Epochs is 1000000000: it must lie in 1 to 1000."),
        (replace(FORM, name="../x"), "Name is '../x': use at most 60 letters"),
        (replace(FORM, note="\x07"), "Note must be printable"),
        (with_recipe(batch_size=0), "Batch size is 0: it must lie in 2 to 4096."),
        (with_recipe(batch_size=None), "Batch size is empty: the published recipe has 64."),
        (with_recipe(learning_rate=11.0), "Learning rate is 11.0: it must lie in (0, 10]."),
        (with_recipe(learning_rate=float("nan")), "Learning rate is nan: it must lie"),
        (with_recipe(momentum=1.0), "Momentum is 1.0: it must lie in [0, 1)."),
        (with_recipe(gamma=0.0), "Gamma is 0.0: it must lie in (0, 1]."),
        (with_recipe(step_size=0), "Step size is 0: it must be at least 1."),
        (with_recipe(rotation_degrees=181.0), "Rotation is 181.0: it must lie in 0 to 180."),
    ],
)
def test_what_is_not_possible_is_one_line_that_names_the_field(values, said):
    with pytest.raises(UsageError) as error:
        values.request()
    assert str(error.value).startswith(said) and "\n" not in str(error.value)


def test_a_variant_of_ones_own():
    made = own_variant("group", 4, 1e-4, 0)
    assert (made.norm, made.channels_per_group, made.l1_weight) == ("group", 4, 1e-4)
    assert own_variant("layer", 4, 0.0, 0.1).channels_per_group == 2  # a number of groups' own


@pytest.mark.parametrize("key", VARIANTS)
def test_the_settings_of_a_published_variant_are_that_variant(key):
    known = VARIANTS[key]
    made = own_variant(known.norm, 2, known.l1_weight, known.weight_decay)
    assert made == known  # its length too, so that both can stand in one request
    assert replace(FORM, own=(made,)).request() == FORM.request()


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((1.0, 0.0), "L1 penalty λ is 1.0: it must lie in [0, 1)."),
        ((0.0, -1.0), "Weight decay is -1.0: it must lie in [0, 1)."),
        ((None, 0.0), "L1 penalty λ is empty: 0 takes it away."),
        ((0.0, None), "Weight decay is empty: 0 takes it away."),
    ],
)
def test_an_impossible_variant_is_one_line_that_names_the_field(numbers, said):
    with pytest.raises(UsageError) as error:
        own_variant("batch", 2, *numbers)
    assert str(error.value) == said


def test_differences_from_the_published_recipe_are_named():
    changed = replace(with_recipe(learning_rate=0.02, step_size=3), epochs=2)
    assert differences(changed.request()) == (
        "Otherwise than published: learning rate 0.02 instead of 0.01, step size 3 instead of 6, "
        "2 epochs instead of 20 or 25."
    )
    longer = replace(FORM, epochs=25)  # which three of the six have anyway
    assert differences(longer.request()) == "Otherwise than published: 25 epochs instead of 20."
    own = own_variant("batch", 2, 0, 0)
    assert differences(replace(FORM, variants=(), own=(own,)).request()) == ""


def test_what_it_costs_is_said_with_its_source():
    assert cost_words(Estimate(540, "at the pace of job 3")) == (
        "Takes about 9 min, at the pace of job 3."
    )
    assert "cannot be said" in cost_words(None)


def test_whose_turn_comes_before_is_said(tmp_path):
    living = [Job(number, tmp_path, "running") for number in (3, 5, 4)]
    assert turn_words([], None) == "It starts at once."
    assert turn_words(living[:1], 120) == "It starts when job 3 has ended, in about 2 min."
    assert turn_words(living, None) == "It starts when jobs 3, 5 and 4 have ended."
