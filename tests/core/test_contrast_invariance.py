"""Contrast about grey: what the algebra says, by hand and on trained networks."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core.analysis.contrast_invariance import exact_copy, logit_change
from core.config import VARIANTS
from core.data.corruptions import corrupt, to_inputs
from core.data.datasets import data_dir, get_dataset, load_split
from tests.explain_helpers import image, shipped

FACTORS = (0.1, 0.25, 0.7, 1.5, 4.0)


def test_a_linear_network_moves_by_the_factor():
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 2, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.stack([torch.ones(784), -torch.ones(784)]) / 784)
    images = torch.full((1, 1, 28, 28), 2.0)
    assert logit_change(network, images, 1.5) == pytest.approx(1.0)
    assert logit_change(network, images, 1.0) == 0.0


@pytest.mark.parametrize("key", VARIANTS)
def test_only_batch_norm_moves_and_what_is_left_of_the_others_is_eps(key):
    network, images = shipped(key), torch.stack([image(index) for index in range(8)])
    with_eps, without = exact_copy(network), exact_copy(network, without_eps=True)
    for factor in FACTORS:
        found = [logit_change(one, images, factor) for one in (network, with_eps, without)]
        if VARIANTS[key].norm == "batch":
            assert min(found) > 0.5
        else:
            assert found[2] < 1e-11 < found[1]
            assert found[0] == pytest.approx(found[1], rel=0.05, abs=2e-5)


def test_copies_leave_the_network_as_it_was():
    network = shipped("gn")
    copied = exact_copy(network, without_eps=True)
    assert copied.norm1.eps < 1e-300 and network.norm1.eps == 1e-5
    assert next(copied.parameters()).dtype == torch.float64
    assert next(network.parameters()).dtype == torch.float32


@pytest.mark.thorough
@pytest.mark.parametrize("key", ["gn", "ln", "gn_l1", "ln_l2"])
def test_decisions_of_group_and_layer_norm_hold_from_a_tenth_to_four(key):
    """Over a whole test set, through the pixels: ε may tip a tie, and without it none changes."""
    info, split = get_dataset("digits"), load_split("digits", data_dir(), "test")
    network, images = shipped(key), torch.tensor(split.images)
    exact = exact_copy(network, without_eps=True)
    found = {network: [], exact: []}
    with torch.inference_mode():
        for factor in (1.0, *FACTORS):
            pixels = corrupt(images, "contrast_grey", factor, mean=info.mean)
            inputs = to_inputs(pixels, info.mean, info.std)
            found[network].append(network(inputs).argmax(1))
            found[exact].append(exact(inputs.double()).argmax(1))
    assert all(torch.equal(found[exact][0], other) for other in found[exact][1:])
    assert all((found[network][0] != other).sum() <= 1 for other in found[network][1:])
