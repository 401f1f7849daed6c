"""Deletion and insertion curves on linear networks, where every value is known by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from core.analysis.curves import NUM_ORDERS, deletion_insertion, score
from core.config import VARIANTS
from core.errors import UsageError
from core.model.network import build_network
from tests.linear_network import linear_network

PIXELS = (100, 200, 300, 400)
IMPORTANCE = (4.0, 3.0, 2.0, 1.0)
WEIGHTS = (1.0, *[0.0] * 9)


def flat(pixels, values, shape=(28, 28)) -> np.ndarray:
    """Zeros, but for `values` at `pixels`."""
    array = np.zeros(784, np.float32)
    array[list(pixels)] = values
    return array.reshape(shape)


IMAGE = flat(PIXELS, 1, (1, 28, 28))
BASELINE = np.zeros((1, 28, 28), np.float32)


@pytest.fixture
def network() -> torch.nn.Module:
    """Logit 0 is 4, 3, 2 and 1 times the four pixels; all other logits are 0."""
    return linear_network(flat(PIXELS, IMPORTANCE))


def test_curves_by_hand(network):
    deletion, insertion = deletion_insertion(
        network, IMAGE, flat(PIXELS, IMPORTANCE), WEIGHTS, BASELINE
    )
    assert (deletion.kind, insertion.kind) == ("deletion", "insertion")
    assert deletion.shares == insertion.shares == (0, 0.25, 0.5, 0.75, 1)
    assert deletion.values == (10, 6, 3, 1, 0)
    assert insertion.values == (0, 4, 7, 9, 10)
    assert (deletion.auc, insertion.auc) == (3.75, 6.25)
    assert deletion.num_pixels == 4 and deletion.num_orders == NUM_ORDERS
    for curve in (deletion, insertion):
        assert curve.low[0] == curve.high[0] == curve.values[0]
        assert curve.low[-1] == curve.high[-1] == curve.values[-1]
        assert curve.random_auc == pytest.approx(5, abs=0.5)
        # 24 orders exist, so that some of 39 random ones are as good as the best.
        assert 0 < curve.p_value < 0.15


def test_the_worst_order_is_found_out(network):
    deletion, insertion = deletion_insertion(
        network, IMAGE, flat(PIXELS, (1, 2, 3, 4)), WEIGHTS, BASELINE
    )
    assert deletion.values == (10, 9, 7, 4, 0) and insertion.values == (0, 1, 3, 6, 10)
    assert deletion.p_value == insertion.p_value == 1


def test_pixels_that_equal_the_baseline_are_not_ordered(network):
    """However high the map holds them: they would only stretch the curve."""
    attributions = flat(PIXELS, IMPORTANCE)
    attributions[0, :10] = 99
    for rounding in (0, 1e-7):
        image = IMAGE + np.float32(rounding)
        deletion, _ = deletion_insertion(network, image, attributions, WEIGHTS, BASELINE)
        assert deletion.values == pytest.approx((10, 6, 3, 1, 0), abs=1e-5)


def test_the_order_goes_by_sign_not_by_size(network):
    deletion, _ = deletion_insertion(
        network, IMAGE, flat(PIXELS, (-9, -8, 2, 1)), WEIGHTS, BASELINE
    )
    assert deletion.values == (10, 8, 7, 4, 0)


def test_ties_are_broken_at_random_and_a_seed_repeats_everything(network):
    flat_map = np.zeros((28, 28))
    first = deletion_insertion(network, IMAGE, flat_map, WEIGHTS, BASELINE, seed=1)
    assert first == deletion_insertion(network, IMAGE, flat_map, WEIGHTS, BASELINE, seed=1)
    orders = {
        deletion_insertion(network, IMAGE, flat_map, WEIGHTS, BASELINE, seed=seed)[0].values
        for seed in range(20)
    }
    assert len(orders) > 5


def test_a_random_map_is_rarely_better_than_random_orders():
    """Of 200 random maps on a network with 40 pixels that count, 5 % are called good."""
    random = np.random.default_rng(0)
    pixels = random.choice(784, 40, replace=False)
    network = linear_network(flat(pixels, random.normal(size=40)))
    image = flat(pixels, 1, (1, 28, 28))
    inside, p_values = [], []
    for seed in range(200):
        noise = random.normal(size=(28, 28))
        for curve in deletion_insertion(network, image, noise, WEIGHTS, BASELINE, seed=seed):
            inside.append(curve.random_auc_low <= curve.auc <= curve.random_auc_high)
            p_values.append(curve.p_value)
    assert 0.9 < np.mean(inside) < 0.99
    assert 0.02 < np.mean(np.array(p_values) <= 0.05) < 0.09
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.08)


def test_many_pixels_are_taken_in_28_steps(network):
    image = np.ones((1, 28, 28), np.float32)
    deletion, insertion = deletion_insertion(
        network, image, flat(PIXELS, IMPORTANCE), WEIGHTS, BASELINE
    )
    assert len(deletion.shares) == 29 and deletion.num_pixels == 784
    assert deletion.values[:2] == (10, 0) and insertion.values[:2] == (0, 10)


def test_an_image_that_is_the_baseline_has_no_curve(network):
    with pytest.raises(UsageError, match="no pixel to delete"):
        deletion_insertion(network, BASELINE, np.zeros((28, 28)), WEIGHTS, BASELINE)


def test_frames_and_documents_hold_the_same_figures(network):
    curve, _ = deletion_insertion(network, IMAGE, flat(PIXELS, IMPORTANCE), WEIGHTS, BASELINE)
    frame = curve.frame()
    assert list(frame) == ["kind", "share", "value", "mean", "low", "high"]
    assert frame["value"].tolist() == [10, 6, 3, 1, 0] and set(frame["kind"]) == {"deletion"}
    assert (frame["low"] <= frame["mean"]).all() and (frame["mean"] <= frame["high"]).all()
    document = json.loads(json.dumps(curve.to_dict(), allow_nan=False))
    assert document["auc"] == 3.75 and document["values"] == [10, 6, 3, 1, 0]


def test_the_score_is_the_contrast_of_logits_and_changes_no_network():
    network = build_network(VARIANTS["bn_l1"], seed=1).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = np.random.default_rng(0).normal(size=(300, 1, 28, 28)).astype(np.float32)
    state = torch.get_rng_state()
    found = score(network, images, (0, 1, 0, -1, *[0] * 6))
    assert network.training and torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    with torch.no_grad():
        logits = network.eval()(torch.tensor(images)).numpy()
    assert found == pytest.approx(logits[:, 1] - logits[:, 3], abs=1e-5)
