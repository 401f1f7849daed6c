"""Running statistics estimated anew: against PyTorch, by hand, and that they repair a shift."""

import copy

import pytest
import torch
from torch import nn

from core.analysis.normalizing import statistics_of
from core.analysis.reestimation import (
    NUM_DRAWS,
    estimate_statistics,
    logits_with,
    reestimated_accuracy,
)
from core.data.corruptions import corrupt, to_inputs
from core.data.datasets import data_dir, get_dataset, load_split
from tests.core.test_batch_mates import digits
from tests.explain_helpers import predictions, shipped


def test_statistics_by_hand():
    network = nn.Sequential(nn.BatchNorm2d(1, eps=0), nn.BatchNorm2d(1))
    first, second = estimate_statistics(network, torch.tensor([1.0, 5.0]).view(2, 1, 1, 1))
    assert (first.mean.item(), first.var.item()) == (3, 4)
    assert (second.mean.item(), second.var.item()) == (0, 1)


def test_they_are_what_pytorch_collects_but_biased():
    network, source = shipped("bn_l1"), digits(range(32))
    collected = copy.deepcopy(network).train()
    norms = [module for module in collected if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    with torch.no_grad():
        collected(source)
    for norm, found in zip(norms, estimate_statistics(network, source), strict=True):
        assert torch.allclose(norm.running_mean, found.mean[0], atol=1e-4)
        # The stored variance is unbiased: n / (n - 1), with n ≥ 32 · 4 · 4 values.
        assert torch.allclose(norm.running_var, found.var[0], rtol=3e-3)


@pytest.mark.parametrize("key", ["bn_l1", "bn_l1_l2"])
def test_the_stored_statistics_give_the_network_itself(key):
    network, images = shipped(key), digits(range(10))
    stored = [
        statistics_of(module, images) for module in network if isinstance(module, nn.BatchNorm2d)
    ]
    with torch.no_grad():
        assert torch.allclose(logits_with(network, images, stored), network(images), atol=2e-5)


def test_nothing_is_estimated_and_nothing_changes_without_batch_norm():
    network, images = shipped("gn"), digits(range(10))
    assert estimate_statistics(network, images) == []
    with torch.no_grad():
        assert torch.allclose(logits_with(network, images, []), network(images), atol=1e-5)


def shifted(split: str, count: int, severity: float) -> torch.Tensor:
    info = get_dataset("digits")
    images = torch.tensor(load_split("digits", data_dir(), split).images[:count])
    return to_inputs(corrupt(images, "contrast", severity, mean=info.mean), info.mean, info.std)


def test_a_few_shifted_images_repair_batch_norm():
    network, before = shipped("bn_l1"), copy.deepcopy(shipped("bn_l1").state_dict())
    source, images = shifted("train", 400, 0.25), shifted("test", 120, 0.25)
    targets = predictions("bn_l1").targets[:120]
    stored, one, many = (
        reestimated_accuracy(network, source, images, targets, count) for count in (0, 1, 64)
    )
    assert (stored["num_draws"], one["num_draws"]) == (1, NUM_DRAWS)
    assert stored["accuracy_percent"] < 40 and many["accuracy_percent"] > 85
    assert stored["low_percent"] < stored["accuracy_percent"] < stored["high_percent"]
    assert many == reestimated_accuracy(network, source, images, targets, 64)
    assert many != reestimated_accuracy(network, source, images, targets, 64, seed=1)
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())


def test_no_estimate_means_the_stored_accuracy():
    found = predictions("bn_l1")
    images = digits(range(len(found.targets)))
    row = reestimated_accuracy(shipped("bn_l1"), images, images, found.targets, 0)
    assert row["accuracy_percent"] == pytest.approx(100 * (found.predicted == found.targets).mean())
