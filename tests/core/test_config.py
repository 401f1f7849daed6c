"""Variants, recipe and seeds: what is published, what can be built, what is refused."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from core.config import (
    MAX_SEED,
    VARIANT_LABELS,
    VARIANTS,
    Recipe,
    Variant,
    check_epochs,
    get_variant,
    grid,
    has_published_length,
    name_variants,
    parse_seeds,
    variant_from_dict,
    variant_to_dict,
)
from core.errors import UsageError

NAN, INFINITY = math.nan, math.inf


def test_the_six_recipes_are_the_published_ones():
    rows = [
        (v.key, v.norm, v.l1_weight, v.weight_decay, v.epochs, v.channels_per_group)
        for v in VARIANTS.values()
    ]
    assert rows == [
        ("gn", "group", 0, 0, 20, 2),
        ("ln", "layer", 0, 0, 20, 2),
        ("bn_l1", "batch", 5e-5, 0, 20, 2),
        ("gn_l1", "group", 5e-5, 0, 25, 2),
        ("ln_l2", "layer", 0, 3e-3, 25, 2),
        ("bn_l1_l2", "batch", 5e-5, 3e-3, 25, 2),
    ]
    assert list(VARIANTS) == [row[0] for row in rows]


def test_groups_are_those_of_the_published_table():
    assert VARIANTS["gn"].num_groups == (4, 4, 6, 6, 6, 6, 8)
    assert VARIANTS["ln_l2"].num_groups == (1,) * 7
    assert VARIANTS["bn_l1"].num_groups is None
    assert Variant("x", "group", channels_per_group=4).num_groups == (2, 2, 3, 3, 3, 3, 4)


def test_the_shared_recipe_is_the_published_one():
    assert Recipe() == Recipe(0.01, 0.9, 6, 0.1, 64, 15.0, 1)


def test_labels_name_norm_and_penalties():
    labels = [variant.label for variant in VARIANTS.values()]
    assert labels[0] == "Group norm"
    assert labels[2] == "Batch norm + L1"
    assert labels[4] == "Layer norm + L2"
    assert labels[5] == "Batch norm + L1 + L2"


def test_the_learning_rate_falls_to_a_tenth_every_six_epochs():
    rates = [Recipe().learning_rate_at(epoch) for epoch in range(1, 26)]
    steps = [0.01] * 6 + [1e-3] * 6 + [1e-4] * 6 + [1e-5] * 6 + [1e-6]
    assert rates == pytest.approx(steps)


def test_the_grid_has_every_norm_with_and_without_each_penalty():
    cells = {(v.norm, v.l1_weight, v.weight_decay) for v in grid()}
    assert len(cells) == len(grid()) == len({v.key for v in grid()}) == 12
    assert {cell[1:] for cell in cells} == {(0, 0), (5e-5, 0), (0, 3e-3), (5e-5, 3e-3)}
    published = {v.key: (v.norm, v.l1_weight, v.weight_decay) for v in VARIANTS.values()}
    assert (
        published.items() <= {v.key: (v.norm, v.l1_weight, v.weight_decay) for v in grid()}.items()
    )
    assert {v.epochs for v in grid(epochs=7)} == {7}


def test_variants_and_recipes_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        VARIANTS["gn"].epochs = 1  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().fill = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"norm": "instance"}, "norm 'instance'"),
        ({"l1_weight": NAN}, "l1_weight"),
        ({"l1_weight": -1e-5}, "l1_weight"),
        ({"weight_decay": INFINITY}, "weight_decay"),
        ({"weight_decay": 1.0}, "weight_decay"),
        ({"epochs": 0}, "epochs"),
        ({"epochs": 10**9}, "epochs"),
        ({"channels_per_group": 3}, "channels_per_group"),
        ({"channels_per_group": 8}, "channels_per_group"),
        ({"channels_per_group": 0}, "channels_per_group"),
        ({"key": "../x"}, "'../x'"),
        ({"key": ""}, "''"),
    ],
)
def test_absurd_variants_are_refused_by_name(fields, named):
    with pytest.raises(UsageError) as error:
        Variant(**{"key": "x", "norm": "group", **fields})
    assert named in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"learning_rate": NAN},
        {"learning_rate": 0.0},
        {"learning_rate": 11.0},
        {"momentum": 1.0},
        {"momentum": NAN},
        {"gamma": 0.0},
        {"gamma": NAN},
        {"step_size": 0},
        {"batch_size": 0},
        {"batch_size": 1},
        {"batch_size": 10**6},
        {"rotation_degrees": -1.0},
        {"rotation_degrees": NAN},
        {"fill": 256},
        {"fill": -1},
    ],
)
def test_absurd_recipes_are_refused_by_name(fields):
    ((name, value),) = fields.items()
    with pytest.raises(UsageError) as error:
        Recipe(**fields)
    assert str(error.value).startswith(f"{name} is {value}: it must ")
    assert not any(other in str(error.value) for other in vars(Recipe()).keys() - {name})


@pytest.mark.parametrize("epochs", [0, -1, 1_001, 10**9])
def test_epochs_out_of_range_are_refused(epochs):
    with pytest.raises(UsageError, match=str(epochs)):
        check_epochs(epochs)


def test_no_two_variants_are_called_alike():
    group = [{}, {"channels_per_group": 4}, {"channels_per_group": 4}, {"epochs": 40}]
    found = name_variants(Variant(f"gn{n}", "group", **one) for n, one in enumerate(group))
    four = "Group norm (4 channels per group)"
    assert list(found.values()) == ["Group norm", four, f"{four}, gn2", "Group norm, gn3"]
    assert len(set(VARIANT_LABELS.values())) == len(VARIANT_LABELS)


def test_an_unknown_variant_lists_the_known_ones():
    with pytest.raises(UsageError) as error:
        get_variant("bn")
    assert all(key in str(error.value) for key in VARIANTS)


@pytest.mark.parametrize(
    ("key", "lengths"), [("gn", {20}), ("bn_l1_l2", {25}), ("one_of_my_own", {20, 25})]
)
def test_lengths_that_were_published(key, lengths):
    assert {n for n in range(1, 100) if has_published_length(key, n)} == lengths


@pytest.mark.parametrize("variant", [*VARIANTS.values(), *grid()], ids=lambda v: v.key)
def test_a_variant_survives_json(variant):
    fields = json.loads(json.dumps(variant_to_dict(variant)))
    assert variant_from_dict(fields) == variant
    assert fields["num_groups"] == (list(variant.num_groups) if variant.num_groups else None)


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("3", [3]),
        ("0", [0]),
        ("1,2,5", [1, 2, 5]),
        ("1-10", list(range(1, 11))),
        (" 2 , 1-3 ", [1, 2, 3]),
        (str(MAX_SEED), [MAX_SEED]),
    ],
)
def test_seeds_are_read(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "a", "1.5", "-1", "-1-3", "5-", "1--3", "1,,2", "1-2-3", "1e3", "²", "١"),
        *(
            "3-1",
            "1-3,2-1",
            "1-2000",
            "1-1000,2001-3000",
            str(MAX_SEED + 1),
            "9" * 5000,
            "0-" + "9" * 5000,
        ),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_other_seeds_are_refused_in_one_short_line(text):
    with pytest.raises(UsageError) as error:
        parse_seeds(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200
