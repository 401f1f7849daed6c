"""Requests: validated before anything starts, named without collisions, the same after JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from core.config import VARIANTS, Recipe, grid
from core.errors import UsageError
from core.training.names import run_name, run_path
from core.training.request import (
    TrainingRequest,
    custom_variant,
    make_request,
    request_from_dict,
    variant_key,
)

GN = VARIANTS["gn"]
OWN = custom_variant("group", channels_per_group=4, l1_weight=1e-4, epochs=3)


@pytest.mark.parametrize("variant", [*VARIANTS.values(), *grid()], ids=lambda v: v.key)
def test_the_twelve_cells_keep_their_plain_keys_under_the_published_recipe(variant):
    assert variant_key(variant, Recipe()) == variant.key
    assert variant_key(replace(variant, epochs=3), Recipe()) == variant.key
    assert variant_key(replace(variant, key="custom"), Recipe()) == variant.key


def test_everything_else_has_a_key_of_its_own():
    recipes = [
        Recipe(learning_rate=0.02),
        Recipe(momentum=0.8),
        Recipe(step_size=5),
        Recipe(gamma=0.5),
        Recipe(batch_size=32),
        Recipe(rotation_degrees=0.0),
        Recipe(fill=0),
    ]
    variants = [
        custom_variant("group", channels_per_group=4),
        custom_variant("group", channels_per_group=1),
        custom_variant("layer", l1_weight=1e-4),
        custom_variant("layer", l1_weight=2e-4),
        custom_variant("layer", weight_decay=1e-4),
    ]
    keys = [variant_key(GN, recipe) for recipe in recipes]
    keys += [variant_key(variant, Recipe()) for variant in variants]
    plain = {variant.key for variant in (*VARIANTS.values(), *grid())}
    assert len(set(keys)) == len(keys) and not plain & set(keys)
    assert [key.rsplit("_", 1)[0] for key in keys[-5:]] == ["gn", "gn", "ln_l1", "ln_l1", "ln_l2"]
    # 1 and 1.0 are one setting, and only group norm has channels per group.
    assert variant_key(GN, Recipe(learning_rate=1)) == variant_key(GN, Recipe(learning_rate=1.0))
    assert variant_key(custom_variant("batch", channels_per_group=4), Recipe()) == "bn"


def test_a_request_names_its_runs_and_survives_json():
    request = make_request(
        "digits",
        ["gn", OWN, "gn"],
        seeds=(3, 1, 3),
        recipe=Recipe(batch_size=32),
        device="cpu",
        name="Wide groups (2)",
        note="First line\nsecond",
    )
    assert request.seeds == (1, 3) and len(request.variants) == 2
    keys = [variant_key(variant, request.recipe) for variant in (GN, OWN)]
    assert request.runs == tuple(f"digits/{key}/seed-{seed}" for key in keys for seed in (1, 3))
    assert request.runs[0] == run_name("digits", keys[0], 1)
    assert run_path(Path("runs"), "digits", keys[0], 1) == Path("runs") / request.runs[0]
    assert [(variant.key, seed) for variant, seed in request.specs] == [
        (key, seed) for key in keys for seed in (1, 3)
    ]
    assert request_from_dict(json.loads(json.dumps(request.to_dict()))) == request
    assert make_request("mnist", ["gn", "bn_l1"], epochs=2).variants[1].epochs == 2


def test_the_summary_says_what_is_unusual():
    plain = make_request("mnist", ["gn", "gn_l1"], seeds=(1, 2, 3)).summary()
    assert plain == (
        "6 runs on MNIST: Group norm, Group norm + L1; seeds 1-3; 20 or 25 epochs; batches of "
        "64, learning rate 0.01, × 0.1 every 6 epochs, momentum 0.9, rotation up to ±15° "
        "(the published recipe)."
    )
    own = make_request("digits", [OWN], recipe=Recipe(momentum=0.5), seeds=(1, 4)).summary()
    for words in ("2 runs on Digits", "4 channels per group", "λ 0.0001", "seeds 1, 4"):
        assert words in own
    assert "momentum 0.5" in own and "(not the published recipe)" in own


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": "cifar"}, "data set 'cifar'"),
        ({"variants": []}, "0 variants"),
        ({"seeds": []}, "0 seeds"),
        ({"seeds": [-1]}, "seed is -1"),
        ({"seeds": [True]}, "seed is True"),
        ({"seeds": [1.5]}, "seed is 1.5"),
        ({"seeds": [2**31]}, "seed is 2147483648"),
        ({"seeds": list(range(1_001))}, "1001 seeds"),
        ({"seeds": 1}, "seeds|field"),
        ({"device": "tpu"}, "device 'tpu'"),
        ({"device": 0}, "device 0"),
        ({"name": "../x"}, "name is '../x'"),
        ({"name": "/x"}, "name is '/x'"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "x" * 61}, "name is 'xxx"),
        ({"name": 7}, "field"),
        ({"note": "x" * 1_001}, "note"),
        ({"note": "\x1b[2J"}, "note"),
        ({"odd": 1}, "no 'odd'"),
        ({"recipe": {"batch_size": 0}}, "batch_size is 0"),
        ({"recipe": {"batch_size": 2.5}}, "batch_size is 2.5"),
        ({"recipe": {"batch_size": True}}, "batch_size is True"),
        ({"recipe": {"learning_rate": math.nan}}, "learning_rate is nan"),
        ({"recipe": {"learning_rate": -1}}, "learning_rate is -1"),
        ({"recipe": {"momentum": 1.0}}, "momentum is 1.0"),
        ({"recipe": {"rotation_degrees": math.nan}}, "rotation_degrees"),
        ({"recipe": {"step_size": 0}}, "step_size"),
        ({"recipe": {"gamma": math.inf}}, "gamma"),
        ({"recipe": {"odd": 1}}, "odd"),
        ({"recipe": None}, "field"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_trained_is_refused_by_name(changes, words):
    fields = make_request("digits", ["gn"]).to_dict()
    with pytest.raises(UsageError, match=words):
        request_from_dict({**fields, **changes})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("epochs", 10**9), ("epochs", 0), ("epochs", 1.5), ("norm", "instance")),
        *(("l1_weight", math.nan), ("l1_weight", -1), ("weight_decay", 1.0)),
        *(("channels_per_group", 3), ("key", "../x"), ("odd", 1)),
    ],
)
def test_a_variant_that_cannot_be_trained_is_refused_by_name(field, value):
    fields = make_request("digits", ["gn"]).to_dict()
    fields["variants"][0][field] = value
    with pytest.raises(UsageError, match=field if field != "norm" else "instance"):
        request_from_dict(fields)


def test_one_variant_with_two_lengths_is_refused():
    with pytest.raises(UsageError, match="two lengths"):
        TrainingRequest("digits", (GN, replace(GN, epochs=3)))


def test_too_many_runs_are_refused():
    with pytest.raises(UsageError, match="6 variants × 200 seeds are 1200 runs"):
        make_request("digits", list(VARIANTS), seeds=tuple(range(200)))
