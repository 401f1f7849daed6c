"""Batch norm in training mode, against PyTorch and by hand; the others do not hear of mates."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from core.analysis.batch_mates import (
    BATCH_SIZES,
    ONE_CLASS,
    RANDOM,
    accuracy_by_size,
    accuracy_of_images,
    accuracy_of_means,
    batch_statistics,
    draw_images,
    logits_alone,
    logits_together,
)
from core.config import VARIANTS
from tests.explain_helpers import image, predictions, shipped

BATCH = [key for key, variant in VARIANTS.items() if variant.norm == "batch"]
OTHERS = [key for key in VARIANTS if key not in BATCH]


def digits(indices) -> torch.Tensor:
    return torch.stack([image(int(index)) for index in indices])


@pytest.fixture(scope="module")
def test_set() -> torch.Tensor:
    return digits(range(len(predictions("gn").targets)))


def test_batch_statistics_by_hand():
    h = torch.tensor([0.0, 2.0, 4.0, 10.0, 1.0, 1.0, 1.0, 1.0]).view(4, 1, 1, 2)
    found = batch_statistics(h, 2)
    assert found.mean.tolist() == [[4], [1]]
    assert found.var.tolist() == [[14], [0]]  # (16 + 4 + 0 + 36) / 4: biased


def test_one_layer_by_hand():
    norm = nn.BatchNorm2d(1, eps=0)
    batch = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1, 1)
    assert logits_together(nn.Sequential(norm), batch).flatten().tolist() == [-1, 1]


@pytest.mark.parametrize("key", VARIANTS)
@pytest.mark.parametrize("size", [1, 2, 64])
def test_it_is_what_training_mode_computes(key, size, test_set):
    batches = test_set[: 3 * size].unflatten(0, (3, size))
    trained = copy.deepcopy(shipped(key)).train()
    with torch.no_grad():
        expected = torch.stack([trained(batch) for batch in batches])
    assert torch.allclose(logits_together(shipped(key), batches), expected, atol=2e-5)


@pytest.mark.parametrize("key", BATCH)
def test_the_network_is_left_as_it_was(key, test_set):
    network = copy.deepcopy(shipped(key)).train()
    before = copy.deepcopy(network.state_dict())
    logits_together(network, test_set[:64][None])
    assert network.training
    assert all(torch.equal(before[name], now) for name, now in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize("key", OTHERS)
@pytest.mark.parametrize("training", [False, True])
def test_group_and_layer_norm_do_not_depend_on_mates(key, training, test_set):
    network = copy.deepcopy(shipped(key)).train(training)
    targets = predictions("gn").targets
    alone = torch.cat([logits_alone(network, test_set[n : n + 1]) for n in range(4)])
    one_class = np.flatnonzero(targets == targets[4])[:20]
    for mates in (range(4, 64), range(100, 101), one_class):
        batch = torch.cat([test_set[:4], test_set[torch.tensor(list(mates))]])
        together = logits_together(network, batch[None])[0, :4]
        assert (together - alone).abs().max() < 1e-5


@pytest.mark.parametrize("key", BATCH)
def test_batch_norm_does_depend_on_mates(key, test_set):
    first = logits_together(shipped(key), test_set[None, :8])[0, 0]
    other = logits_together(shipped(key), test_set[None, [0, *range(8, 15)]])[0, 0]
    assert (first - other).abs().max() > 0.1


def test_each_batch_is_by_itself(test_set):
    batches = test_set[:12].unflatten(0, (3, 4))
    together = logits_together(shipped("bn_l1"), batches)
    for number, batch in enumerate(batches):
        assert torch.allclose(
            together[number], logits_together(shipped("bn_l1"), batch[None])[0], atol=1e-5
        )


def test_random_rounds_hold_an_image_once_and_are_the_same_every_time():
    targets = np.arange(360) % 10
    drawn = draw_images(targets, 0)
    assert drawn.shape == (5, 256)
    assert all(len(set(round_)) == 256 for round_ in drawn.tolist())
    assert np.array_equal(drawn, draw_images(targets, 0))
    assert not np.array_equal(drawn, draw_images(targets, 1))


def test_rounds_of_one_class_are_as_long_as_the_smallest_class_allows():
    targets = np.repeat(np.arange(10), [36] * 9 + [17])
    drawn = draw_images(targets, 0, ONE_CLASS)
    assert drawn.shape == (10, 16)
    assert [set(targets[round_]) for round_ in drawn] == [{k} for k in range(10)]


def test_a_small_test_set_gives_small_batches():
    assert draw_images(np.zeros(20, int), 0).shape == (5, 16)


def test_intervals():
    right = np.array([True] * 9 + [False])
    single = accuracy_of_images(right)
    assert single["accuracy_percent"] == 90 and single["low_percent"] < 90
    means = accuracy_of_means(np.array([0.5, 0.7]))
    assert means["accuracy_percent"] == pytest.approx(60)
    # Student's t with one degree of freedom: 12.706 · sd / √2 = 127 points, cut off.
    assert (means["low_percent"], means["high_percent"]) == (0, 100)


@pytest.fixture
def two_rounds(monkeypatch):
    """A fifth of the work, on as many sizes."""
    monkeypatch.setattr("core.analysis.batch_mates.RANDOM_ROUNDS", 2)


def test_batch_norm_needs_company_and_a_mixed_one(test_set, two_rounds):
    targets = predictions("bn_l1").targets
    random = accuracy_by_size(shipped("bn_l1"), test_set, targets, RANDOM)
    assert [row["size"] for row in random] == list(BATCH_SIZES)
    assert {row["num_images"] for row in random} == {512}
    assert all(row["num_batches"] * row["size"] == 512 for row in random)
    accuracy = {row["size"]: row["accuracy_percent"] for row in random}
    assert accuracy[1] < 25 and accuracy[64] > 95
    one_class = accuracy_by_size(shipped("bn_l1"), test_set, targets, ONE_CLASS)
    assert one_class[-1]["size"] == 32 and one_class[-1]["accuracy_percent"] < 40
    assert all(row["low_percent"] <= row["accuracy_percent"] for row in random + one_class)


@pytest.mark.parametrize("key", ["gn", "ln_l2"])
def test_the_accuracy_of_the_others_is_the_same_at_every_size(key, test_set, two_rounds):
    rows = accuracy_by_size(shipped(key), test_set, predictions(key).targets)
    assert len({row["accuracy_percent"] for row in rows}) == 1
    assert max(row["max_change"] for row in rows) < 1e-5
