"""Artefacts that look like explanations: each measured here, and each refused or avoided."""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import combinations

import captum.attr
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.analysis.attribution import attribute
from core.analysis.raw_attributions import ScalarNetwork, gradient, raw_attributions
from core.config import VARIANTS
from tests.explain_helpers import (
    TwoPixels,
    baseline,
    cases,
    image,
    predictions,
    shipped,
    target,
)

pytestmark = pytest.mark.thorough

BATCH = [key for key, variant in VARIANTS.items() if variant.norm == "batch"]
OTHERS = [key for key, variant in VARIANTS.items() if variant.norm != "batch"]


@pytest.fixture(autouse=True)
def _quick_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Captum finds the same Gauss–Legendre nodes anew for each map, a second at 500 steps."""
    monkeypatch.setattr(np.polynomial.legendre, "leggauss", legendre_nodes)


legendre_nodes = functools.cache(np.polynomial.legendre.leggauss)


@pytest.fixture(params=["digits", "mnist"])
def dataset(request: pytest.FixtureRequest) -> str:
    if request.param == "mnist":
        request.getfixturevalue("mnist_root")
    return request.param


def median_of(measure: Callable[[int], float], indices: list[int]) -> float:
    return float(np.median([measure(index) for index in indices]))


def explained(variant: str, index: int, dataset: str) -> tuple[ScalarNetwork, Tensor]:
    about = target(variant, index, dataset=dataset)
    return ScalarNetwork(shipped(variant, dataset), about.weights), image(index, dataset)[None]


def relative_error(model: nn.Module, x: Tensor, b: Tensor, attributions: Tensor) -> float:
    with torch.no_grad():
        difference = float(model(x) - model(b))
    return abs(float(attributions.detach().sum()) - difference) / abs(difference)


@functools.cache
def captums_error(variant: str, dataset: str, key: str, n_steps: int) -> float:
    """Median completeness error of Captum's own Integrated Gradients over six images."""
    b = torch.from_numpy(baseline(key, dataset).image)[None]

    def error(index: int) -> float:
        model, x = explained(variant, index, dataset)
        found = captum.attr.IntegratedGradients(model).attribute(
            x, b, n_steps=n_steps, internal_batch_size=256
        )
        return relative_error(model, x, b, found)

    return median_of(error, cases(variant, dataset, each=3))


@pytest.mark.parametrize("variant", ["gn", "ln"])
def test_the_zero_baseline_fails_where_contrast_is_ignored_and_many_steps_do_not_cure_it(
    variant, dataset
):
    assert captums_error(variant, dataset, "zero", 50) > 0.5
    assert captums_error(variant, dataset, "zero", 500) > 0.05


def test_the_zero_baseline_is_right_for_batch_norm(dataset):
    assert captums_error("bn_l1", dataset, "zero", 50) < 0.1
    assert captums_error("bn_l1", dataset, "zero", 500) < 0.02


@pytest.mark.parametrize("variant", ["gn", "ln"])
def test_fifty_steps_from_black_are_too_few_and_five_hundred_mostly_enough(variant, dataset):
    assert captums_error(variant, dataset, "black", 50) > captums_error(
        variant, dataset, "black", 500
    )
    assert captums_error(variant, dataset, "black", 500) < 0.1


def test_group_norm_needs_more_steps_than_batch_norm(dataset):
    group = captums_error("gn", dataset, "black", 50)
    assert group > 0.05
    assert group > 3 * captums_error("bn_l1", dataset, "black", 50)


def test_steps_denser_towards_the_baseline_add_up_better(dataset):
    """The same 50 steps, placed at t² instead of Captum's nodes."""

    def error(index: int) -> float:
        model, x = explained("gn", index, dataset)
        about = (target("gn", index, dataset=dataset), baseline("black", dataset), 50)
        found = raw_attributions(shipped("gn", dataset), x, "integrated_gradients", *about)
        return relative_error(model, x, torch.from_numpy(about[1].image)[None], found)

    ours = median_of(error, cases("gn", dataset, each=3))
    assert ours < captums_error("gn", dataset, "black", 50)


@pytest.mark.thorough
def test_the_zero_baseline_can_add_up_and_still_say_nothing():
    """With steps next to zero the sum is right, so the gate alone would let the map through."""
    errors, changes, zero = [], [], baseline("zero")
    for index in cases("ln", each=2):
        about = target("ln", index)
        model, x = explained("ln", index, "digits")
        found = raw_attributions(
            shipped("ln"), x, "integrated_gradients", about, zero, n_steps=2_048
        )
        errors.append(relative_error(model, x, torch.zeros_like(x), found))
        with torch.no_grad():
            changes.append(abs(float(model(x) - model(0.1 * x))))
        assert not attribute(shipped("ln"), x[0], "integrated_gradients", about, zero).valid
    assert min(errors) <= 0.05
    assert max(changes) < 0.01  # logits, over nine tenths of the path


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("variant", OTHERS)
def test_group_and_layer_norm_ignore_contrast(variant, factor, dataset):
    inputs = torch.stack([image(index, dataset) for index in cases(variant, dataset)])
    with torch.inference_mode():
        logits = shipped(variant, dataset)(inputs)
        scaled = shipped(variant, dataset)(factor * inputs)
    assert float((scaled - logits).abs().max() / logits.abs().max()) < 1e-3


@pytest.mark.parametrize("variant", BATCH)
def test_batch_norm_does_not(variant, dataset):
    inputs = torch.stack([image(index, dataset) for index in cases(variant, dataset)])
    with torch.inference_mode():
        logits = shipped(variant, dataset)(inputs)
        scaled = shipped(variant, dataset)(0.5 * inputs)
    assert float((scaled - logits).abs().max() / logits.abs().max()) > 0.2


def total_share(variant: str, dataset: str, index: int) -> float:
    """|Σ x · ∇f| / Σ |x · ∇f|."""
    model, x = explained(variant, index, dataset)
    products = x * gradient(model, x)
    return float(products.sum().abs() / products.abs().sum())


@pytest.mark.parametrize("variant", OTHERS)
def test_input_times_gradient_sums_to_zero_because_contrast_does_not_matter(variant, dataset):
    indices = cases(variant, dataset)
    assert max(total_share(variant, dataset, index) for index in indices) < 0.01


@pytest.mark.parametrize("variant", BATCH)
def test_for_batch_norm_it_does_not(variant, dataset):
    indices = cases(variant, dataset)
    assert median_of(lambda index: total_share(variant, dataset, index), indices) > 0.03


class FunctionalTwoPixels(TwoPixels):
    """The same function, without a module for its ReLU."""

    def forward(self, images: Tensor) -> Tensor:
        return self[3](torch.relu(self[1](self[0](images))))


def test_deep_lift_needs_every_relu_as_a_module():
    """Rescale by hand: p gets 5/6·3·2 − 1/2·2 = 4, q 5/6·6·2 = 10; they sum to f(x) = 14."""
    x = TwoPixels.image(2, 2)[None].requires_grad_()
    exact = captum.attr.DeepLift(TwoPixels()).attribute(x)
    assert exact[0, 0, 0, [0, 4]].tolist() == pytest.approx([4, 10])
    silently_wrong = captum.attr.DeepLift(FunctionalTwoPixels()).attribute(x)
    # It takes the ReLU for linear: the plain gradient times the difference.
    assert silently_wrong[0, 0, 0, [0, 4]].tolist() == pytest.approx([4, 12])


def test_guided_backprop_without_relu_modules_is_silently_the_plain_gradient():
    x = TwoPixels.image(2, 2)[None].requires_grad_()
    guided = captum.attr.GuidedBackprop(TwoPixels()).attribute(x)
    assert guided[0, 0, 0, [0, 4]].tolist() == [3, 6]
    plain = captum.attr.GuidedBackprop(FunctionalTwoPixels()).attribute(x)
    assert plain[0, 0, 0, [0, 4]].tolist() == [2, 6]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_network_has_one_relu_module_for_each_use(variant):
    """Functional ReLUs, or a module used twice, would not be among the calls counted here."""
    network, calls = ScalarNetwork(shipped(variant), [1.0] * 10), []
    relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    for relu in relus:
        relu.register_forward_hook(lambda module, *_: calls.append(module))
    with torch.profiler.profile() as profile:
        network(image(0)[None])
    executed = [event.name for event in profile.events()]
    num_relus = sum(name in ("aten::relu", "aten::relu_") for name in executed)
    assert len(relus) == len(calls) == len(set(calls)) == num_relus == 7


@pytest.mark.parametrize("variant", BATCH)
def test_deep_lift_is_exact_for_batch_norm(variant, dataset):
    for index in cases(variant, dataset):
        about = (target(variant, index, dataset=dataset), baseline("black", dataset))
        found = attribute(shipped(variant, dataset), image(index, dataset), "deep_lift", *about)
        assert found.completeness_error is not None and found.completeness_error < 1e-3


def captums_deep_lift_error(variant: str, dataset: str, index: int) -> float:
    model, x = explained(variant, index, dataset)
    black = torch.from_numpy(baseline("black", dataset).image)[None]
    found = captum.attr.DeepLift(model).attribute(x.requires_grad_(), black)
    return relative_error(model, x, black, found)


@pytest.mark.parametrize("variant", OTHERS)
def test_deep_lift_is_silently_wrong_for_group_and_layer_norm(variant, dataset):
    indices = cases(variant, dataset)
    error = median_of(lambda index: captums_deep_lift_error(variant, dataset, index), indices)
    assert 0.8 < error < 1.2


def test_deep_lift_needs_its_own_tensor_between_relu_and_max_pool(mnist_root):
    """As Captum takes the network, errors reach several per cent; what we hand it is exact."""
    indices = cases("bn_l1_l2", "mnist", each=40)
    errors = [captums_deep_lift_error("bn_l1_l2", "mnist", index) for index in indices]
    assert max(errors) > 0.01


@pytest.mark.parametrize("variant", OTHERS)
def test_lrp_has_no_rule_for_group_and_layer_norm(variant):
    about = (target(variant, 0), baseline())
    with pytest.raises(TypeError, match="GroupNorm.*no rule"):
        raw_attributions(shipped(variant), image(0)[None], "lrp", *about)
    found = attribute(shipped(variant), image(0), "lrp", *about)
    assert found.reason is not None and "no LRP rule" in found.reason


@pytest.mark.parametrize("variant", BATCH)
def test_for_batch_norm_lrp_repeats_input_times_gradient(variant, dataset):
    for index in cases(variant, dataset, each=3):
        inputs, about = image(index, dataset)[None], target(variant, index, dataset=dataset)
        lrp, product = (
            raw_attributions(shipped(variant, dataset), inputs, method, about, baseline())
            for method in ("lrp", "input_x_gradient")
        )
        torch.testing.assert_close(lrp, product, rtol=0, atol=1e-4 * float(product.abs().max()))


def test_behind_a_log_softmax_gradients_of_confident_digits_nearly_vanish(mnist_root):
    """Why logits are explained, and log-probabilities only as their difference."""

    def ratio(index: int) -> float:
        network, x = shipped("bn_l1", "mnist"), image(index, "mnist")[None]
        only = [float(k == predictions("bn_l1", "mnist").predicted[index]) for k in range(10)]
        logit = ScalarNetwork(network, only)
        log_probability = ScalarNetwork(nn.Sequential(network, nn.LogSoftmax(dim=1)), only)
        return float(gradient(logit, x).norm() / gradient(log_probability, x).norm())

    assert median_of(ratio, cases("bn_l1", "mnist")[:8]) > 1_000


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_difference_of_logits_is_that_of_log_probabilities(variant):
    model, x = explained(variant, cases(variant)[-1], "digits")
    weights = model.contrast.weight[0].tolist()
    behind = ScalarNetwork(nn.Sequential(shipped(variant), nn.LogSoftmax(dim=1)), weights)
    torch.testing.assert_close(gradient(model, x), gradient(behind, x), rtol=1e-3, atol=1e-5)


def correlation(a: Tensor, b: Tensor) -> float:
    return float(np.corrcoef(a.detach().flatten(), b.detach().flatten())[0, 1])


@pytest.mark.parametrize("variant", OTHERS)
def test_grad_cam_on_the_convolution_gets_weights_that_sum_to_zero(variant, dataset):
    """The norm behind it takes the mean away, so the map would say something else."""
    correlations = []
    for index in cases(variant, dataset):
        model, x = explained(variant, index, dataset)
        on_relu = captum.attr.LayerGradCam(model, model.network.relu7).attribute(x)
        on_conv = captum.attr.LayerGradCam(model, model.network.conv7).attribute(x)
        correlations.append(correlation(on_relu, on_conv))
        (weights,) = (captum.attr.LayerActivation(model, model.network.conv7).attribute(x),)
        before = weights.detach().requires_grad_()
        tail = nn.Sequential(*list(model.network.children())[-6:], model.contrast)
        (slopes,) = torch.autograd.grad(tail(before).sum(), before)
        groups = slopes.view(VARIANTS[variant].num_groups[-1], -1)
        assert float((groups.sum(1).abs() / groups.abs().sum(1)).max()) < 1e-2
    assert min(correlations) < 0.95


@pytest.mark.parametrize("variant", VARIANTS)
def test_ours_stands_on_the_last_relu(variant):
    index = cases(variant)[-1]
    model, x = explained(variant, index, "digits")
    small = captum.attr.LayerGradCam(model, model.network.relu7).attribute(x)
    assert small.shape == (1, 1, 4, 4)
    found = raw_attributions(
        shipped(variant), x, "layer_grad_cam", target(variant, index), baseline()
    )
    torch.testing.assert_close(found, nn.functional.interpolate(small, (28, 28), mode="bilinear"))


def between_classes(variant: str, dataset: str, method: str, index: int) -> float:
    """Median correlation of the maps of the ten classes' logits, of those that are not empty."""
    maps = [
        raw_attributions(
            shipped(variant, dataset),
            image(index, dataset)[None],
            method,
            target(variant, index, str(k), dataset),
            baseline("black", dataset),
        )
        for k in range(10)
    ]
    seen = [found for found in maps if found.std() > 0]
    return float(np.median([correlation(a, b) for a, b in combinations(seen, 2)]))


@pytest.mark.parametrize("variant", BATCH)
def test_guided_backprop_is_nearly_blind_to_the_class_and_the_gradient_is_not(variant, dataset):
    def median_between(method: str) -> float:
        indices = cases(variant, dataset, each=3)
        return median_of(lambda i: between_classes(variant, dataset, method, i), indices)

    assert median_between("guided_backprop") > 0.8
    assert median_between("saliency") < 0.3
