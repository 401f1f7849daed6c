"""Which maps are shown and which are refused, and what is said of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from core.analysis import attribution
from core.analysis.attribution import (
    MAX_COMPLETENESS_ERROR,
    AttributionMap,
    attribute,
    attribute_all,
)
from core.analysis.baselines import Baseline
from core.analysis.methods import METHODS
from core.analysis.raw_attributions import MAX_STEPS, PATH_METHODS
from core.config import VARIANTS
from core.errors import UsageError
from core.model.network import Network, build_network
from tests.explain_helpers import baseline, cases, image, predictions, shipped, target
from tests.thorough import VARIANTS_OR_ONE_PER_NORM, thorough

BASELINE_METHODS = [key for key, method in METHODS.items() if method.uses_baseline]
SLOW = "shapley_value_sampling"
SLOW_AT_LENGTH = {key: thorough(key) if key == SLOW else key for key in METHODS}


def explain(variant: str, index: int, method: str, key: str = "black") -> AttributionMap:
    about = (target(variant, index), baseline(key))
    return attribute(shipped(variant), image(index), method, *about)


@pytest.mark.parametrize("method", SLOW_AT_LENGTH.values())
@pytest.mark.parametrize("variant", VARIANTS_OR_ONE_PER_NORM)
def test_there_is_a_map_or_a_reason_and_never_both(variant, method):
    index = cases(variant)[-1]
    found = explain(variant, index, method)
    assert (found.variant, found.method) == (variant, method)
    assert found.valid == (found.attributions is not None) == (found.reason is None)
    if found.attributions is not None:
        assert found.attributions.shape == (28, 28) and found.attributions.dtype == np.float32
        assert np.isfinite(found.attributions).all()
    if METHODS[method].reason_against(VARIANTS[variant].norm):
        assert found.reason == METHODS[method].reason_against(VARIANTS[variant].norm)
    elif method not in PATH_METHODS:
        assert found.valid
    assert (found.baseline == "black") == METHODS[method].uses_baseline
    assert (found.output_baseline is None) == (found.baseline is None)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_output_is_the_margin_of_the_logits(variant):
    index = cases(variant)[-1]
    found, said = explain(variant, index, "saliency"), predictions(variant)
    logits = said.logits[index]
    margin = logits[said.predicted[index]] - logits[said.targets[index]]
    assert found.output == pytest.approx(margin, abs=0.02)  # stored in half precision


@pytest.mark.parametrize("variant", VARIANTS_OR_ONE_PER_NORM)
def test_integrated_gradients_add_up_or_are_refused_with_the_number(variant):
    for index in cases(variant, each=4):
        found = explain(variant, index, "integrated_gradients")
        assert found.n_steps in (64, 128, 256, 512, 1_024, 2_048)
        assert found.completeness_error is not None and found.output_baseline is not None
        assert found.valid == (found.completeness_error <= MAX_COMPLETENESS_ERROR)
        if found.attributions is not None:
            difference = found.output - found.output_baseline
            error = abs(found.attributions.sum(dtype=float) - difference) / abs(difference)
            assert error == pytest.approx(found.completeness_error)
        else:
            assert found.n_steps == MAX_STEPS


def test_steps_are_doubled_only_as_often_as_needed():
    indices = cases("gn", each=3)
    steps = {explain("gn", index, "integrated_gradients").n_steps for index in indices}
    assert 64 in steps and len(steps) > 1


def test_a_map_that_does_not_add_up_is_not_drawn(monkeypatch):
    """With 128 steps at most, some image does not come out."""
    monkeypatch.setattr(attribution, "MAX_STEPS", 128)
    found = [explain("gn", index, "integrated_gradients") for index in cases("gn")]
    refused = [one for one in found if not one.valid]
    assert refused
    for one in refused:
        assert one.attributions is None and one.n_steps == 128
        assert re.fullmatch(
            r"At 128 steps the map sums to \S+ instead of f\(x\) − f\(baseline\) = \S+: "
            r"an error of \S+ %, above 5 %\.",
            one.reason or "",
        )
        percent = float(re.search(r"error of (\S+) %", one.reason or "")[1])
        assert percent == pytest.approx(100 * (one.completeness_error or 0), rel=0.01)


@pytest.mark.parametrize(
    "variant", ["bn_l1", *(thorough(key) for key in VARIANTS if key != "bn_l1")]
)
def test_shapley_values_are_complete_for_every_image(variant):
    for index in (cases(variant)[0], cases(variant)[-1]):
        error = explain(variant, index, "shapley_value_sampling").completeness_error
        assert error is not None and error < 1e-4


@pytest.mark.parametrize("method", METHODS)
def test_a_black_image_has_nothing_in_which_it_differs_from_black(method):
    network = shipped("bn_l1")
    black = torch.from_numpy(baseline().image)
    found = attribute(network, black, method, target("bn_l1", 0), baseline())
    if method in BASELINE_METHODS:
        assert found.reason == (
            "The image is the baseline itself, so there is no difference to explain."
        )
        assert found.completeness_error is None and found.attributions is None
    else:
        assert found.attributions is not None and np.isfinite(found.attributions).all()


def silent_network() -> Network:
    """A network that says the same of every image."""
    network = build_network(VARIANTS["bn_l1"], seed=1).eval()
    nn.init.zeros_(network.classifier.weight)
    return network


@pytest.mark.parametrize("method", [key for key, method in METHODS.items() if method.completeness])
def test_where_the_output_does_not_change_there_is_nothing_to_share(method):
    found = attribute(silent_network(), image(0), method, target("bn_l1", 0), baseline())
    assert found.reason == "f(x) equals f(baseline), so there is no difference to explain."
    assert found.completeness_error is None and found.output == found.output_baseline


@pytest.mark.parametrize("method", ["saliency", "occlusion", "integrated_gradients"])
def test_a_map_that_is_not_finite_is_not_drawn(method):
    spoilt = image(0).clone()
    spoilt[0, 3, 3] = torch.nan
    found = attribute(shipped("ln"), spoilt, method, target("ln", 0), baseline())
    assert found.reason == "The map holds values that are not finite."


@pytest.mark.parametrize("method", map(SLOW_AT_LENGTH.get, BASELINE_METHODS))
@pytest.mark.parametrize("variant", ["gn", "ln"])
def test_the_zero_baseline_is_refused_on_the_path_and_else_warned_of(variant, method):
    if METHODS[method].reason_against(VARIANTS[variant].norm):
        return
    found = explain(variant, 0, method, "zero")
    said = found.reason if method in PATH_METHODS else found.warning
    assert said is not None and said.startswith("The zero baseline is not valid for ")
    assert found.valid == (method not in PATH_METHODS)
    assert explain(variant, 0, method, "mean").warning is None


@pytest.mark.parametrize("method", map(SLOW_AT_LENGTH.get, BASELINE_METHODS))
def test_batch_norm_takes_the_zero_baseline(method):
    found = explain("bn_l1", 0, method, "zero")
    assert found.valid and found.warning is None and found.baseline == "zero"


def test_methods_without_a_baseline_do_not_mind_which_is_given():
    black, zero = explain("gn", 0, "saliency"), explain("gn", 0, "saliency", "zero")
    assert black.baseline is zero.baseline is zero.warning is None
    np.testing.assert_array_equal(black.attributions, zero.attributions)


@pytest.mark.parametrize("method", ["integrated_gradients", "deep_lift", "saliency"])
def test_what_the_json_documents_say(method):
    found = explain("gn", cases("gn")[-1], method)
    document = json.loads(json.dumps(found.to_dict()))
    assert {
        *("variant", "method", "target", "baseline", "valid", "reason", "n_steps"),
        *("completeness_error", "target_text", "output", "output_baseline", "warning"),
    } == set(document)
    assert document["target"] == "pred_minus_true"
    assert document["target_text"].endswith("(predicted minus true)")


def test_an_unknown_method_is_refused():
    with pytest.raises(UsageError, match="Unknown method 'lime'"):
        explain("gn", 0, "lime")


def test_another_name_of_a_method_ends_in_its_key():
    assert explain("gn", 0, "grad_cam").method == "layer_grad_cam"


def test_the_seed_decides_what_is_drawn_and_nothing_else_does():
    about = (shipped("gn"), image(3), "noise_tunnel", target("gn", 3), baseline())
    first, again = attribute(*about, seed=1), attribute(*about, seed=1)
    np.testing.assert_array_equal(first.attributions, again.attributions)
    assert np.abs(first.attributions - attribute(*about, seed=2).attributions).max() > 1e-4


@pytest.mark.thorough
def test_two_seeds_of_shapley_sampling_agree():
    index = cases("bn_l1")[-1]
    about = (shipped("bn_l1"), image(index), "shapley_value_sampling", target("bn_l1", index))
    maps = [attribute(*about, baseline(), seed=seed).attributions.ravel() for seed in (1, 2)]
    assert np.corrcoef(maps)[0, 1] > 0.95


@pytest.mark.thorough
def test_all_networks_beside_each_other_each_with_its_own_target():
    index = cases("gn")[-1]
    networks = {variant: shipped(variant) for variant in VARIANTS}
    targets = {variant: target(variant, index) for variant in VARIANTS}
    found = attribute_all(networks, image(index), "integrated_gradients", targets, baseline())
    assert list(found) == list(VARIANTS)
    for variant, one in found.items():
        assert one.target is targets[variant]
        alone = explain(variant, index, "integrated_gradients")
        assert replace(one, attributions=None) == replace(alone, attributions=None)
        np.testing.assert_array_equal(one.attributions, alone.attributions)


def test_an_error_in_one_thread_reaches_the_caller():
    networks, targets = {"gn": shipped("gn")}, {"gn": target("gn", 0)}
    with pytest.raises(UsageError):
        attribute_all(networks, image(0), "lime", targets, baseline())


def test_it_works_where_gradients_are_switched_off():
    expected = explain("bn_l1", 3, "deep_lift").attributions
    with torch.inference_mode():
        network, x = build_copy("bn_l1"), image(3).clone()
        found = attribute(network, x, "deep_lift", target("bn_l1", 3), baseline())
        assert not torch.is_grad_enabled()
    np.testing.assert_allclose(found.attributions, expected, atol=1e-5)


def build_copy(variant: str) -> Network:
    """A network whose weights are inference tensors if that mode is on."""
    network = build_network(VARIANTS[variant], seed=0)
    network.load_state_dict(shipped(variant).state_dict())
    return network.eval()


def test_a_network_in_training_mode_is_explained_as_it_predicts():
    network = build_copy("bn_l1").train()
    found = attribute(network, image(3), "saliency", target("bn_l1", 3), baseline())
    np.testing.assert_allclose(
        found.attributions, explain("bn_l1", 3, "saliency").attributions, atol=1e-5
    )
    assert network.training


def test_a_users_baseline_is_named_in_the_map():
    other = Baseline("seven.png", "Image seven.png", image(7).numpy())
    found = attribute(shipped("bn_l1"), image(0), "deep_lift", target("bn_l1", 0), other)
    assert found.valid and found.baseline == "seven.png"
