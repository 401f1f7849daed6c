"""Coalitions against separate patched passes, Shapley values against their definition."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from core.analysis import patching
from core.analysis.normalizing import Statistics, num_groups, statistics_of
from core.analysis.patching import (
    family_band,
    margins,
    patched_logits,
    repair_values,
    shapley_values,
    single_patches,
)
from core.config import VARIANTS
from tests.diagnosis_runs import contrasts, inputs, network, reference
from tests.thorough import VARIANTS_OR_ONE_PER_NORM, thorough

NUM_COALITIONS = 128


def patched_margins(network, images, weights, alternative):
    return margins(patched_logits(network, images, alternative), weights)


def norms(network):
    return [m for m in network if isinstance(m, nn.BatchNorm2d | nn.GroupNorm)]


def normalize_by_hand(norm, h, mean, var):
    """With μ and σ² (B or 1, G), from the definition."""
    grouped = h.reshape(len(h), num_groups(norm), -1)
    standard = (grouped - mean[..., None]) / (var[..., None] + norm.eps).sqrt()
    return standard.reshape(h.shape) * norm.weight[:, None, None] + norm.bias[:, None, None]


@torch.no_grad()
def separate_pass(network, x, alternative, coalition):
    """Logits of one coalition by a plain pass over a copy whose layers are replaced by hooks."""
    worker = copy.deepcopy(network)
    for number, norm in enumerate(norms(worker)):

        def hook(module, args, output, number=number):
            (h,) = args
            if alternative is None:
                mean, var = h.mean((2, 3)), h.var((2, 3), correction=0)
            else:
                mean, var = alternative[number]
            return normalize_by_hand(module, h, mean, var)

        if coalition >> number & 1:
            norm.register_forward_hook(hook)
    return worker(x)


def random_statistics(network, num_images):
    generator = torch.Generator().manual_seed(0)
    return [
        Statistics(
            torch.randn(num_images, num_groups(norm), generator=generator),
            torch.rand(num_images, num_groups(norm), generator=generator) * 4 + 0.5,
        )
        for norm in norms(network)
    ]


@pytest.mark.parametrize("key", VARIANTS_OR_ONE_PER_NORM)
@pytest.mark.parametrize("kind", ["shared", thorough("per image"), "own"])
def test_the_tree_equals_128_separate_passes(key, kind, monkeypatch):
    net, x = network("digits", key), inputs("digits", [3, 77, 200])
    if kind == "own" and VARIANTS[key].norm != "batch":
        alternative = reference("digits", key).population
    else:
        alternative = (
            None if kind == "own" else random_statistics(net, 1 if kind == "shared" else 3)
        )
    monkeypatch.setattr(patching, "TREE_BATCH", 2)  # so that images are split
    found = patched_logits(net, x, alternative)
    assert found.shape == (3, NUM_COALITIONS, 10)
    for coalition in range(NUM_COALITIONS):
        expected = separate_pass(net, x, alternative, coalition)
        scale = 1 + expected.abs().max()
        assert (found[:, coalition] - expected).abs().max() < 2e-5 * scale, coalition


@pytest.mark.parametrize("key", VARIANTS)
def test_no_patch_is_the_network_itself(key):
    net, x = network("digits", key), inputs("digits", list(range(40)))
    with torch.no_grad():
        logits = net(x)
    weights = contrasts(logits)
    values = patched_margins(net, x, weights, reference("digits", key).population)
    own = (logits.double() * weights).sum(1).numpy()
    assert np.abs(values[:, 0] - own).max() < 1e-5 * (1 + np.abs(own).max())


@pytest.mark.parametrize("key", VARIANTS)
def test_a_layers_own_statistics_change_nothing(key):
    net, x = network("digits", key), inputs("digits", list(range(10)))
    with torch.no_grad():
        h, own = x, []
        for module in net:
            if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                own.append(statistics_of(module, h))
            h = module(h)
    values = patched_margins(net, x, contrasts(h), own)
    assert np.abs(values - values[:, :1]).max() < 1e-4
    assert np.abs(repair_values(values)).max() < 1e-4
    # Others' statistics do change it.
    others = [Statistics(s.mean + 1, s.var) for s in own]
    changed = patched_margins(net, x, contrasts(h), others)
    assert np.abs(changed - changed[:, :1]).max() > 0.1


@pytest.mark.parametrize("key", VARIANTS)
def test_shapley_values_are_the_mean_over_all_orders(key):
    net, x = network("digits", key), inputs("digits", [5, 6])
    with torch.no_grad():
        weights = contrasts(net(x))
    values = patched_margins(net, x, weights, reference("digits", key).population)
    total = np.zeros((2, 7))
    for order in itertools.permutations(range(7)):
        coalition = 0
        for player in order:
            total[:, player] += values[:, coalition | 1 << player] - values[:, coalition]
            coalition |= 1 << player
    assert shapley_values(values) == pytest.approx(total / math.factorial(7), abs=1e-10)


@pytest.mark.parametrize("key", VARIANTS)
def test_they_are_complete(key):
    net, x = network("digits", key), inputs("digits", list(range(0, 360, 12)))
    with torch.no_grad():
        weights = contrasts(net(x))
    values = patched_margins(net, x, weights, reference("digits", key).population)
    gap = np.abs(repair_values(values).sum(1) - (values[:, 0] - values[:, -1]))
    assert (gap / np.abs(values).max(1)).max() < 1e-5


def test_shapley_values_by_hand():
    # Two players: alone worth 1 and 3, together 10, which leaves 6 to share.
    assert shapley_values(np.array([[0.0, 1.0, 3.0, 10.0]])).tolist() == [[4, 6]]
    # A player who adds nothing gets nothing; the sign is turned for repairs.
    assert shapley_values(np.array([[2.0, 2.0, 5.0, 5.0]])).tolist() == [[0, 3]]
    assert repair_values(np.array([[2.0, 2.0, 5.0, 5.0]])).tolist() == [[0, -3]]


def test_margins_by_hand():
    logits = torch.tensor([[[1.0, 2.0, 4.0], [0.0, 5.0, 1.0]]])
    assert margins(logits, torch.tensor([[-1.0, 0.0, 1.0]])).tolist() == [[3, 1]]


def test_single_patches():
    assert single_patches(7) == [1, 2, 4, 8, 16, 32, 64, 127]


def test_a_band_is_a_rank():
    phi = np.arange(1, 401, dtype=float)[:, None].repeat(7, axis=1)[::-1]
    low, high = family_band(phi)
    # ⌈(1 - .05 / 7) × 401⌉ = 399, counted from either end.
    assert high.tolist() == [399.0] * 7 and low.tolist() == [2.0] * 7
    assert family_band(phi[:, :1])[1].tolist() == [381.0]  # one layer: ⌈.95 × 401⌉


def test_too_few_cases_give_no_band():
    assert np.isinf(family_band(np.zeros((138, 7)))[1]).all()
    assert np.isfinite(family_band(np.zeros((139, 7)))[1]).all()


def test_chance_leaves_the_band_in_at_most_five_percent_of_images():
    rng = np.random.default_rng(0)
    outside = total = 0
    for _ in range(40):
        _, high = family_band(rng.standard_t(2, (200, 7)))
        new = rng.standard_t(2, (500, 7))
        outside, total = outside + (new > high).any(1).sum(), total + len(new)
    assert outside / total < 0.055
    # With 95 % for each layer alone it would be six times as often.
    assert (new > np.quantile(new, 0.95, axis=0)).any(1).mean() > 0.25


def test_the_network_is_left_as_it_was():
    for key in ("gn", "bn_l1"):
        net = network("digits", key)
        before = copy.deepcopy(net.state_dict())
        patched_logits(net, inputs("digits", [0, 1]), reference("digits", key).population)
        with pytest.raises(RuntimeError):
            patched_logits(net, torch.zeros(1, 2, 28, 28), reference("digits", key).population)
        after = net.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert not any(module._forward_hooks for module in net.modules())
