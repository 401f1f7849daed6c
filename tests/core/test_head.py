"""The decomposition of a margin: exact for every variant, and by hand on two channels."""

import numpy as np
import pytest
import torch
from torch import nn

from core.analysis import head
from core.analysis.head import decompose_head, head_weights, last_maps
from core.config import VARIANTS, Variant
from core.model.network import build_network
from tests.diagnosis_runs import contrasts, failing, inputs, network, reference


def decompose(dataset, key, indices):
    net = network(dataset, key)
    x = inputs(dataset, indices)
    with torch.no_grad():
        logits = net(x)
    weights, maps = contrasts(logits), last_maps(net, x)
    background = reference(dataset, key).background
    found = [
        decompose_head(net, m, w.double().numpy(), background)
        for m, w in zip(maps, weights, strict=True)
    ]
    return found, (logits.double() * weights).sum(1).numpy()


@pytest.mark.parametrize("key", VARIANTS)
def test_the_channels_sum_to_the_margin(key):
    indices = [*failing("digits", key)[:20], *range(0, 360, 9)]
    found, margins = decompose("digits", key, indices)
    for one, margin in zip(found, margins, strict=True):
        scale = 1 + np.abs(one.total).sum()
        assert abs(one.total.sum() + one.bias - margin) < 1e-5 * scale
        assert one.margin == one.total.sum() + one.bias


@pytest.mark.parametrize("key", VARIANTS)
def test_the_parts_of_a_channel_sum_to_it(key):
    found, _ = decompose("digits", key, range(0, 360, 30))
    for one in found:
        parts = one.reference + one.content + one.rescaling
        assert np.abs(parts - one.total).max() < 1e-12 * (1 + np.abs(one.total).max())
        frame = one.frame()
        assert list(frame.columns) == ["channel", "total", "reference", "content", "rescaling"]
        assert frame["channel"].tolist() == list(range(1, 17))


@pytest.mark.parametrize("key", VARIANTS)
def test_only_statistics_of_the_image_rescale(key):
    found, _ = decompose("digits", key, range(0, 360, 30))
    shares = [one.rescaling_share for one in found]
    if VARIANTS[key].norm == "batch":
        assert all((one.rescaling == 0).all() for one in found)
        assert shares == [0] * len(found)
    else:
        assert all(0.01 < share < 0.9 for share in shares)


def test_a_group_of_one_channel_has_nothing_to_be_rescaled_by():
    variant = Variant("alone", "group", channels_per_group=1)
    net = build_network(variant, seed=0).eval().requires_grad_(False)
    maps = last_maps(net, inputs("digits", range(20)))
    one = decompose_head(net, maps[0], np.eye(10)[3], maps[1:])
    assert (one.rescaling == 0).all() and np.abs(one.content).max() > 0


def test_effective_weights_equal_the_two_layers():
    net = network("digits", "ln")
    weights = np.linspace(-1, 1, 10)
    by_channel, bias = head_weights(net, weights)
    pooled = torch.rand(16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = net.classifier(net.hidden(pooled[None, :, None, None])).flatten()
    expected = (logits.numpy() * weights).sum()
    assert by_channel @ pooled.numpy() + bias == pytest.approx(expected, abs=1e-5)


def test_the_background_is_the_reference_part():
    """An image that is its own only reference has neither content nor rescaling."""
    net = network("digits", "gn")
    maps = last_maps(net, inputs("digits", [0, 1]))
    weights = np.eye(10)[0] - np.eye(10)[1]
    own = decompose_head(net, maps[0], weights, maps[:1])
    assert np.abs(own.content).max() == 0 == np.abs(own.rescaling).max()
    assert own.reference == pytest.approx(own.total)
    other = decompose_head(net, maps[1], weights, maps[1:])
    assert decompose_head(net, maps[0], weights, maps[1:]).reference == pytest.approx(other.total)


def test_both_players_by_hand():
    """One pixel, one group of two channels: x̂ is +1 for the larger and -1 for the smaller."""
    norm = nn.GroupNorm(1, 2, eps=0)
    image, reference_image = torch.tensor([3.0, 1.0]), torch.tensor([0.0, 2.0])
    values = head._coalitions(norm, image.view(2, 1, 1), reference_image.view(1, 2, 1, 1))
    none, own, others, both = (value[0].tolist() for value in values)
    assert none == [0, 1]  # (0, 2)
    assert both == [1, 0]  # (3, 1)
    assert own == [1, 1]  # the first of (3, 2) and the second of (0, 1)
    assert others == [0, 0]  # the first of (0, 1) and the second of (3, 2)
