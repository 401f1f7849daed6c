"""Infidelity and max-sensitivity on linear networks, where both are known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.analysis.faithfulness import (
    NOISE,
    NUM_NOISY,
    NUM_SQUARES,
    draw_squares,
    measure_infidelity,
    measure_sensitivity,
)
from core.analysis.methods import METHODS
from core.config import VARIANTS
from core.model.network import build_network
from tests.linear_network import linear_network

RANDOM = np.random.default_rng(0)
COEFFICIENTS = RANDOM.normal(size=(28, 28)).astype(np.float32)
IMAGE = RANDOM.normal(size=(1, 28, 28)).astype(np.float32)
BASELINE = np.full((1, 28, 28), -0.4, np.float32)
WEIGHTS = (2.0, *[0.0] * 9)
GRADIENT = 2 * COEFFICIENTS
SHARES = GRADIENT * (IMAGE - BASELINE)[0]
"""Of f(x) - f(baseline): Integrated Gradients of a linear network."""

CHANGES = np.array([SHARES[square[0]].sum() for square in draw_squares(0)])
"""How much the output falls when each square is set to the baseline."""


def infidelity(attributions, method, network=None, seed=0):
    network = network or linear_network(COEFFICIENTS, bias=3)
    return measure_infidelity(network, IMAGE, attributions, WEIGHTS, BASELINE, method, seed=seed)


@pytest.mark.parametrize(
    ("attributions", "method"),
    [
        (GRADIENT, "saliency"),
        (GRADIENT, "noise_tunnel"),
        (SHARES, "integrated_gradients"),
        (SHARES, "deep_lift"),
        (SHARES, "shapley_value_sampling"),
        (GRADIENT * IMAGE[0], "input_x_gradient"),
        (GRADIENT * IMAGE[0], "lrp"),
    ],
)
def test_the_exact_map_of_a_linear_network_is_faithful(attributions, method):
    found = infidelity(attributions, method)
    mean_squared_change = float(np.mean(CHANGES**2))
    assert mean_squared_change > 100
    assert found.value == pytest.approx(0, abs=1e-6 * mean_squared_change)
    assert found.unexplained == pytest.approx(0, abs=1e-6)
    assert found.num_squares == NUM_SQUARES == len(CHANGES)


def test_infidelity_by_hand():
    """Of three times the right map: (3 d - d)², and nothing when it is scaled back."""
    found = infidelity(3 * SHARES, "integrated_gradients")
    assert found.value == pytest.approx(4 * np.mean(CHANGES**2), rel=1e-4)
    assert found.unexplained == pytest.approx(0, abs=1e-5)


def test_a_map_of_zeros_explains_nothing_and_a_random_one_next_to_nothing():
    found = infidelity(np.zeros((28, 28)), "saliency")
    assert found.value == pytest.approx(np.mean(CHANGES**2), rel=1e-4)
    assert found.unexplained == pytest.approx(1)
    noise = infidelity(np.random.default_rng(1).normal(size=(28, 28)), "integrated_gradients")
    assert 0.8 < noise.unexplained <= 1


def test_unexplained_is_what_a_regression_through_zero_leaves():
    noise = np.random.default_rng(2).normal(size=(28, 28))
    half = SHARES + noise
    predicted = np.array([half[square[0]].sum() for square in draw_squares(0)])
    slope = (predicted @ CHANGES) / (predicted @ predicted)
    expected = np.mean((CHANGES - slope * predicted) ** 2) / np.mean(CHANGES**2)
    assert infidelity(half, "occlusion").unexplained == pytest.approx(expected, rel=1e-3)
    assert 0.01 < expected < 0.9


def test_the_three_kinds_of_maps_are_not_confused():
    """A gradient taken for shares, and the reverse, is found unfaithful."""
    assert infidelity(GRADIENT, "integrated_gradients").unexplained > 0.1
    assert infidelity(SHARES, "saliency").unexplained > 0.1
    assert infidelity(SHARES, "input_x_gradient").unexplained > 0.1
    kinds = {key: method.uses_baseline for key, method in METHODS.items()}
    assert kinds["occlusion"] and kinds["gradient_shap"] and not kinds["layer_grad_cam"]


def test_a_network_that_never_changes_leaves_nothing_to_explain():
    found = infidelity(SHARES, "saliency", linear_network(np.zeros((28, 28)), bias=1))
    assert found.unexplained is None


def test_squares_are_seeded_squares_of_all_sizes_all_over_the_image():
    squares = draw_squares(0)
    assert np.array_equal(squares, draw_squares(0))
    assert not np.array_equal(squares, draw_squares(1))
    sides = squares.any(axis=(1, 2)).sum(axis=1)
    assert np.array_equal(sides, squares.any(axis=(1, 3)).sum(axis=1))
    assert np.array_equal(sides**2, squares.sum(axis=(1, 2, 3)))
    assert set(sides) == set(range(3, 10))
    reached = squares.any(axis=(0, 1))
    assert reached[4:-4, 4:-4].all()
    assert all(edge.any() for edge in (reached[0], reached[-1], reached[:, 0], reached[:, -1]))


def gradient_times_image(network, inputs):
    return torch.as_tensor(GRADIENT) * inputs


def test_sensitivity_of_a_constant_map_is_zero():
    network = linear_network(COEFFICIENTS)
    found = measure_sensitivity(network, IMAGE, lambda network, x: torch.ones_like(x))
    assert found == 0


def test_sensitivity_by_hand():
    """Of a map that is linear in the image: the largest ‖g · noise‖ / ‖g · x‖."""
    noise = np.random.default_rng(5).uniform(-NOISE, NOISE, (NUM_NOISY, 784))
    moved = np.linalg.norm(noise * GRADIENT.reshape(-1), axis=1).max()
    expected = moved / np.linalg.norm(GRADIENT * IMAGE[0])
    network = linear_network(COEFFICIENTS)
    found = measure_sensitivity(network, IMAGE, gradient_times_image, seed=5)
    assert found == pytest.approx(expected, rel=1e-4)
    assert found == measure_sensitivity(network, IMAGE, gradient_times_image, seed=5)
    assert found != measure_sensitivity(network, IMAGE, gradient_times_image, seed=6)


def test_networks_and_the_global_generators_stay_as_they_were():
    network = build_network(VARIANTS["bn_l1"], seed=1).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()

    def spoil(network, inputs):
        network.conv1.weight.data.zero_()
        return inputs

    measure_sensitivity(network, IMAGE, spoil)
    infidelity(SHARES, "saliency", network)
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == np.random.get_state()[1].tolist()
    assert all(not module._forward_hooks for module in network.modules())
