"""The statistics of a layer over many images, against what the layer itself computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.analysis.inside import layer_views
from core.analysis.layer_population import (
    LayerPopulation,
    as_far_out,
    layer_populations,
    outlyingness,
    place_frame,
    separation,
)
from core.config import VARIANTS
from core.model.network import build_network


def images(count: int) -> torch.Tensor:
    return torch.randn(count, 1, 28, 28, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("key", ["gn", "ln"])
def test_the_statistics_are_those_with_which_the_layer_normalizes(key):
    network = build_network(VARIANTS[key], 1).eval()
    found = layer_populations(network, images(3))
    for view, population in zip(layer_views(network, images(3)[2:]), found, strict=True):
        assert population.mean[2] == pytest.approx(view.mean, abs=1e-5)
        assert np.sqrt(population.var[2] + population.eps) == pytest.approx(view.std, rel=1e-4)
        assert population.stored_mean is None and population.stored_var is None


def test_batch_norm_has_the_images_statistics_and_the_stored_ones():
    network = build_network(VARIANTS["bn_l1"], 1)
    network(images(8))  # in training mode: the stored statistics move
    network.eval()
    [first, *_] = layer_populations(network, images(2))
    before = layer_views(network, images(2)[:1])[0].before
    assert first.mean[0] == pytest.approx(before.mean(axis=(1, 2)), abs=1e-5)
    assert first.var[0] == pytest.approx(before.var(axis=(1, 2)), abs=1e-5)
    assert first.stored_mean == pytest.approx(network.norm1.running_mean.numpy())
    assert first.channels_per_group == 1


def test_the_place_of_an_image_by_channel():
    network = build_network(VARIANTS["gn"], 1).eval()
    many, [own, *_] = (
        layer_populations(network, images(40))[0],
        layer_populations(network, images(40)[5:6]),
    )
    frame = place_frame(many, own)
    assert frame["channel"].tolist() == list(range(1, 9))
    assert frame["group"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]
    below = (many.mean[:, 2] < many.mean[5, 2]).mean() * 100
    assert frame["mean_percentile"][4] == frame["mean_percentile"][5] == pytest.approx(below)
    assert frame["gamma"].tolist() == [1] * 8 and frame["stored_mean"].isna().all()


def test_as_far_out_counts_both_tails():
    values = np.arange(10.0)
    assert values[as_far_out(values, 1.0)].tolist() == [0, 1, 8, 9]
    assert values[as_far_out(values, 8.0)].tolist() == [0, 1, 8, 9]
    assert not as_far_out(values, 20.0).any()
    assert as_far_out(values, 4.5).all()
    assert as_far_out(np.zeros(4), 0.0).all()


def one_group(means: list[float], variances: list[float]) -> LayerPopulation:
    mean, var = (np.array(values)[:, None] for values in (means, variances))
    return LayerPopulation(mean, var, np.ones(1), np.zeros(1), 0.0, None, None)


def test_the_largest_z_says_how_unusual_an_image_is():
    many = one_group([1, 3], [1, np.e**4])  # means 2 ± 1, log variances 2 ± 2
    own = one_group([2, 5, 2], [np.e**2, np.e**2, np.e**10])
    assert outlyingness(own, many) == pytest.approx([0, 3, 4])
    alike = one_group([1, 1], [2, 2])
    assert outlyingness(alike, alike).tolist() == [0, 0]  # without spread nothing is unusual


def test_separation_is_the_share_of_pairs_in_order():
    right = np.array([1.0, 2, 3])
    assert separation(np.array([9.0]), right) == 1 and separation(np.array([0.0]), right) == 0
    assert separation(np.array([2.0]), right) == pytest.approx((1 + 0.5) / 3)
    assert separation(right, right) == 0.5
