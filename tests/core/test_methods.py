"""The registry of attribution methods: what each entry promises."""

from __future__ import annotations

import re

import captum.attr
import pytest

from core.analysis.methods import ALIASES, METHODS, get_method
from core.analysis.raw_attributions import PATH_METHODS
from core.config import NORMS
from core.errors import UsageError


def test_the_methods_and_their_order():
    assert list(METHODS) == [
        "integrated_gradients",
        "saliency",
        "input_x_gradient",
        "noise_tunnel",
        "gradient_shap",
        "deep_lift",
        "lrp",
        "occlusion",
        "feature_ablation",
        "shapley_value_sampling",
        "guided_backprop",
        "layer_grad_cam",
        "guided_grad_cam",
    ]


@pytest.mark.parametrize("key", METHODS)
def test_keys_are_the_names_of_captums_classes(key):
    assert key.replace("_", "") in {name.lower() for name in captum.attr.__all__}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_entry_says_what_it_shows_where_it_is_from_and_what_it_costs(method):
    assert method.summary.endswith(".") and method.label
    assert re.search(r"(19|20)\d\d", method.paper)
    assert "pass" in method.cost
    assert method.caution is None or method.caution.endswith(".")


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_what_has_to_add_up_has_a_baseline(method):
    assert method.uses_baseline or not method.completeness


def test_only_methods_that_lack_a_rule_are_invalid_and_only_without_batch_norm():
    refused = {(m.key, norm) for m in METHODS.values() for norm in NORMS if m.reason_against(norm)}
    assert refused == {(key, norm) for key in ("deep_lift", "lrp") for norm in ("group", "layer")}
    for key, norm in refused:
        assert "GroupNorm" in (METHODS[key].reason_against(norm) or "")


def test_which_methods_draw_random_numbers():
    assert {m.key for m in METHODS.values() if m.stochastic} == {
        "noise_tunnel",
        "gradient_shap",
        "shapley_value_sampling",
    }
    assert {"integrated_gradients", "gradient_shap"} == set(PATH_METHODS)


def test_other_names_are_understood():
    assert get_method("smooth_grad").label == "SmoothGrad"
    assert get_method("grad_cam").label == "Grad-CAM"
    assert get_method("saliency") is METHODS["saliency"]
    assert not set(ALIASES) & set(METHODS)


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="Unknown method 'lime'.*integrated_gradients, saliency"):
        get_method("lime")
