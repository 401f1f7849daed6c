"""The gradient through the statistics: none for batch norm, and by hand for a tiny group norm."""

import numpy as np
import pytest
import torch
from torch import nn

from core.analysis.gradient_share import gradient_share, input_gradient
from core.config import VARIANTS
from tests.diagnosis_runs import contrasts, inputs, network


def of_run(key, indices=range(0, 360, 6)):
    net, x = network("digits", key), inputs("digits", indices)
    with torch.no_grad():
        weights = contrasts(net(x))
    return net, x, weights


@pytest.mark.parametrize("key", ["bn_l1", "bn_l1_l2"])
def test_batch_norm_in_evaluation_mode_has_exactly_none(key):
    net, x, weights = of_run(key)
    full = input_gradient(net, x, weights, hold_statistics=False)
    held = input_gradient(net, x, weights, hold_statistics=True)
    assert torch.equal(full, held) and full.abs().max() > 0
    assert (gradient_share(net, x, weights) == 0).all()


@pytest.mark.parametrize("key", [k for k, v in VARIANTS.items() if v.norm != "batch"])
def test_statistics_of_the_image_carry_much_of_it(key):
    net, x, weights = of_run(key)
    share = gradient_share(net, x, weights)
    assert ((share > 0.01) & (share < 0.7)).all()
    assert share.median() > (0.2 if VARIANTS[key].norm == "group" else 0.05)


@pytest.mark.parametrize("key", VARIANTS)
def test_the_full_gradient_is_the_networks(key):
    net, x, weights = of_run(key, range(8))
    pixels = x.clone().requires_grad_()
    expected = torch.autograd.grad((net(pixels) * weights).sum(), pixels)[0]
    found = input_gradient(net, x, weights, hold_statistics=False)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
    assert all(p.grad is None for p in net.parameters())


def test_by_hand_on_one_group():
    """Inputs (1, 3), μ = 2, σ = 1: x̂ = (-1, 1), and f = x̂₂ by the second input.

    Held: ∂x̂₂/∂x = (0, 1/σ) = (0, 1). In full, x̂₂ = (x₂ - x₁) / |x₂ - x₁| = 1 whatever the inputs,
    so the gradient is 0. Share: ‖(0, -1)‖ / (‖(0, 1)‖ + ‖(0, -1)‖) = 1/2.
    """
    norm = nn.GroupNorm(1, 2, eps=0)
    network, x = nn.Sequential(norm, nn.Flatten()), torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
    weights = torch.tensor([[0.0, 1.0]])
    held = input_gradient(network, x, weights, hold_statistics=True)
    assert held.flatten().tolist() == [0, 1]
    full = input_gradient(network, x, weights, hold_statistics=False)
    assert full.abs().max() < 1e-6
    assert gradient_share(network, x, weights).item() == pytest.approx(0.5)


def test_by_hand_on_three_values():
    """∂x̂ᵢ/∂xⱼ = (δᵢⱼ - 1/n - x̂ᵢx̂ⱼ/n) / σ (Ioffe and Szegedy 2015), here for i = 1 of three."""
    x = np.array([1.0, 2.0, 6.0])
    sigma = x.std()
    standard = (x - x.mean()) / sigma
    direct = np.array([1, 0, 0]) / sigma
    through = -(1 + standard[0] * standard) / 3 / sigma
    norms = np.linalg.norm(direct), np.linalg.norm(through)
    network = nn.Sequential(nn.GroupNorm(1, 3, eps=0), nn.Flatten())
    inputs = torch.tensor(x, dtype=torch.float32).view(1, 3, 1, 1)
    share = gradient_share(network, inputs, torch.tensor([[1.0, 0, 0]])).item()
    assert share == pytest.approx(norms[1] / sum(norms), rel=1e-5)


def test_no_gradient_has_no_share():
    network = nn.Sequential(nn.GroupNorm(1, 2), nn.Flatten())
    share = gradient_share(network, torch.randn(3, 2, 1, 1), torch.zeros(3, 2))
    assert share.tolist() == [0, 0, 0]


def test_works_where_gradients_are_off():
    net, x, weights = of_run("gn", [0])
    with torch.no_grad():
        off = gradient_share(net, x, weights)
    assert torch.equal(off, gradient_share(net, x, weights)) and off > 0
