"""Normalizing with given statistics, against the layers themselves and by hand."""

import pytest
import torch
from torch import nn

from core.analysis.normalizing import (
    Statistics,
    apply,
    displaced,
    frozen_copy,
    image_statistics,
    num_groups,
    statistics_of,
)
from core.config import VARIANTS
from core.model.network import build_network


def layer(norm: nn.Module) -> nn.Module:
    """With random scale and shift, and for batch norm random statistics."""
    torch.manual_seed(0)
    nn.init.uniform_(norm.weight, -2, 2)
    nn.init.uniform_(norm.bias, -1, 1)
    if isinstance(norm, nn.BatchNorm2d):
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.1, 2)
    return norm.eval()


LAYERS = {
    "batch": nn.BatchNorm2d(6),
    "pairs": nn.GroupNorm(3, 6),
    "all": nn.GroupNorm(1, 6),
    "single": nn.GroupNorm(6, 6),
}


@pytest.fixture(params=LAYERS)
def norm(request) -> nn.Module:
    return layer(LAYERS[request.param])


@pytest.fixture
def h() -> torch.Tensor:
    return 3 * torch.randn(5, 6, 4, 4, generator=torch.Generator().manual_seed(1)) + 1


@torch.no_grad()
def test_its_own_statistics_give_the_layer(norm, h):
    own = statistics_of(norm, h)
    assert own.mean.shape == own.var.shape
    assert own.mean.shape[1] == num_groups(norm)
    assert torch.allclose(apply(norm, h, own), norm(h), atol=1e-5)


@torch.no_grad()
def test_an_images_own_statistics_standardize_each_group(norm, h):
    norm.weight.fill_(1)
    norm.bias.zero_()
    out = apply(norm, h, image_statistics(norm, h)).reshape(5, num_groups(norm), -1)
    assert out.mean(2).abs().max() < 1e-5
    assert out.var(2, correction=0).sub(1).abs().max() < 1e-4


def test_statistics_by_hand():
    h = torch.tensor([1.0, 3.0, 5.0, 7.0]).view(1, 2, 1, 2)
    per_channel = image_statistics(nn.BatchNorm2d(2), h)
    assert per_channel.mean.tolist() == [[2, 6]] and per_channel.var.tolist() == [[1, 1]]
    together = image_statistics(nn.GroupNorm(1, 2), h)
    assert together.mean.tolist() == [[4]] and together.var.tolist() == [[5]]


@torch.no_grad()
def test_one_set_of_statistics_serves_all_images_or_each_its_own(norm, h):
    groups = num_groups(norm)
    each = Statistics(torch.randn(5, groups), torch.rand(5, groups) + 0.5)
    together = apply(norm, h, each)
    for i in range(5):
        alone = apply(norm, h[i : i + 1], Statistics(each.mean[i : i + 1], each.var[i : i + 1]))
        assert torch.allclose(together[i : i + 1], alone, atol=1e-6)


def test_displacement_by_hand():
    norm = nn.GroupNorm(1, 1, eps=0)
    donors = Statistics(torch.tensor([[1.0], [3.0]]), torch.tensor([[1.0], [4.0]]))
    moved = displaced(norm, Statistics(torch.tensor([[10.0]]), torch.tensor([[6.0]])), donors)
    # The mean of the means is 2, the geometric mean of the variances 2.
    assert moved.mean.flatten().tolist() == [9, 11]
    assert moved.var.flatten().tolist() == pytest.approx([3, 12])


def test_equal_donors_displace_nothing_even_with_no_variance(norm, h):
    own = Statistics(*(t[:1] for t in statistics_of(norm, h)))
    donors = Statistics(torch.ones(4, num_groups(norm)), torch.zeros(4, num_groups(norm)))
    moved = displaced(norm, own, donors)
    assert torch.allclose(moved.mean, own.mean.expand(4, -1), atol=1e-6)
    assert torch.allclose(moved.var, own.var.expand(4, -1), atol=1e-5)


def test_a_frozen_copy_shares_nothing():
    network = build_network(VARIANTS["bn_l1"], seed=0).train()
    copy = frozen_copy(network)
    assert network.training and not copy.training
    assert all(p.requires_grad for p in network.parameters())
    assert not any(p.requires_grad for p in copy.parameters())
    pointers = {p.data_ptr() for p in (*network.parameters(), *network.buffers())}
    assert pointers.isdisjoint(p.data_ptr() for p in (*copy.parameters(), *copy.buffers()))
