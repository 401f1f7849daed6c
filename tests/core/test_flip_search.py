"""The search for mates that change a prediction: planted flips, proofs, its bound."""

import copy

import pytest
import torch
from torch import nn

from core.analysis.batch_mates import logits_together
from core.analysis.flip_search import BUDGET, Flip, influence, margins, search_flip
from tests.core.test_batch_mates import digits
from tests.explain_helpers import shipped


def brighter_than_the_batch() -> nn.Sequential:
    """Class 0 where the image is brighter than the mean of its batch, else class 1."""
    linear = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0], [0.0]]))
    return nn.Sequential(nn.BatchNorm2d(1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)


def constant_images(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1).repeat(1, 1, 2, 2)


def test_margins_by_hand():
    logits = torch.tensor([[3.0, 1.0, 2.5], [0.0, 5.0, -1.0]])
    assert margins(logits, 0).tolist() == [0.5, -5]


def test_a_planted_mate_is_found_and_proven_to_be_enough():
    images = constant_images(1, 0, 0, 0, *([0.5] * 20), 100, *([0.5] * 5))
    found = search_flip(brighter_than_the_batch(), images, 3)
    assert found.found and found.exhaustive and found.is_smallest
    assert found.added == (24,) and len(found.removed) == 1
    assert found.before[0] > found.before[1] and found.after[0] < found.after[1]


def test_two_mates_are_the_smallest_where_all_single_ones_were_tried():
    # (1 + 0 + 0 + 2) / 4 is below 1, (1 + 0 + 2 + 2) / 4 above.
    found = search_flip(brighter_than_the_batch(), constant_images(1, 0, 0, 0, 2, 2, 2), 3)
    assert len(found.added) == len(found.removed) == 2 and found.is_smallest


def test_without_proof_it_is_only_the_smallest_found():
    images = constant_images(1, 0, 0, 0, *([2] * 20))
    found = search_flip(brighter_than_the_batch(), images, 3, budget=470)
    assert len(found.added) == 2 and not found.exhaustive and not found.is_smallest


def test_where_nothing_flips_the_nearest_is_told():
    found = search_flip(brighter_than_the_batch(), constant_images(1, 0, 0, 0, 0.5, 0.6), 2)
    assert not found.found and found.added == found.removed == ()
    assert not found.is_smallest and not found.out_of_budget
    assert found.after[0] > found.after[1]


@pytest.mark.parametrize("budget", [0, 50, 1_500])
def test_the_budget_bounds_it(budget):
    images = digits(range(40))
    heard: list[int] = []
    found = search_flip(shipped("bn_l1"), images, 15, budget=budget, on_progress=heard.append)
    assert found.passes <= max(budget, 16)  # it has to ask about the first mates
    assert found.out_of_budget or found.found
    assert heard == sorted(heard)


@pytest.mark.parametrize(("key", "num_mates"), [("bn_l1", 1), ("bn_l1_l2", 3), ("bn_l1", 8)])
def test_a_flip_is_what_training_mode_says(key, num_mates):
    images = digits(range(50))
    found = search_flip(shipped(key), images, num_mates)
    assert found.found and found.passes <= BUDGET
    swaps = dict(zip(found.removed, found.added, strict=True))
    assert set(swaps) <= set(range(1, num_mates + 1))
    assert all(row > num_mates for row in swaps.values()) and len(set(swaps.values())) == len(swaps)
    first = list(range(num_mates + 1))
    trained = copy.deepcopy(shipped(key)).train()
    with torch.no_grad():
        before = trained(images[first])[0]
        after = trained(images[[swaps.get(row, row) for row in first]])[0]
    assert torch.allclose(before, torch.tensor(found.before), atol=2e-5)
    assert torch.allclose(after, torch.tensor(found.after), atol=2e-5)
    assert before.argmax() != after.argmax()


def test_it_is_deterministic():
    images = digits(range(20))
    assert search_flip(shipped("bn_l1"), images, 4) == search_flip(shipped("bn_l1"), images, 4)


@pytest.mark.parametrize("key", ["gn", "ln"])
def test_group_and_layer_norm_cannot_be_flipped(key):
    found = search_flip(shipped(key), digits(range(20)), 3)
    assert not found.found and found.exhaustive
    assert torch.allclose(torch.tensor(found.before), torch.tensor(found.after), atol=1e-5)


def test_the_influence_is_the_effect_of_one_more_image_among_many():
    """Weight 1/R is what one copy has among R copies of everybody else."""
    images, copies = digits(range(6)).double(), 60
    network = copy.deepcopy(shipped("bn_l1")).double()
    mates = (1, 2)
    effect = influence(network, images, mates, 0)
    batch = images[[0, *mates]].repeat(copies, 1, 1, 1)

    def margin(extra: list[int]) -> torch.Tensor:
        logits = logits_together(network, torch.cat([batch, images[extra]])[None])[0, 0]
        return margins(logits, 0)

    for row in (3, 4, 5):
        measured = (margin([row]) - margin([])) * copies
        assert measured == pytest.approx(float(effect[row]), rel=0.15, abs=0.02)
    assert influence(shipped("gn"), images.float(), mates, 0).abs().max() == 0


def test_a_flip_of_more_than_two_is_never_called_smallest():
    logits = (1.0, 0.0)
    flip = Flip((1, 2, 3), (4, 5, 6), logits, logits[::-1], True, 10, False)
    assert flip.found and not flip.is_smallest
