"""Similarity of maps and the noise floor between seeds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.analysis.similarity import rank_correlation, seed_similarity
from core.errors import UsageError

MAP = np.array([[1.0, 2.0], [3.0, 4.0]])


def test_rank_correlation_by_hand():
    assert rank_correlation(MAP, np.exp(MAP)) == pytest.approx(1)
    assert rank_correlation(MAP, -MAP) == pytest.approx(-1)
    # Ranks 1 2 3 4 against 2 1 4 3: 1 - 6 · 4 / (4 · 15).
    assert rank_correlation(MAP, np.array([[2.0, 1.0], [4.0, 3.0]])) == pytest.approx(0.6)
    # The sign counts: sizes agree, values do not.
    assert rank_correlation(np.array([-3.0, 1, 2]), np.array([3.0, 1, 2])) == pytest.approx(-0.5)


def test_a_constant_map_has_no_ranks():
    constant = np.zeros((2, 2))
    assert rank_correlation(MAP, constant) == rank_correlation(constant, MAP) == 0
    assert rank_correlation(constant, constant) == 1
    assert rank_correlation(constant, constant + 1) == 0


def test_equal_networks_give_one_and_every_pair_counts():
    assert seed_similarity([MAP, MAP]).to_dict() == {
        **{name: pytest.approx(1) for name in ("mean", "low", "high")},
        "num_maps": 2,
        "num_pairs": 1,
    }
    found = seed_similarity([MAP, MAP, -MAP])
    assert (found.mean, found.low, found.high) == pytest.approx((-1 / 3, -1, 1))
    assert (found.num_maps, found.num_pairs) == (3, 3)
    assert json.loads(json.dumps(found.to_dict()))["num_pairs"] == 3


@pytest.mark.parametrize("maps", [[], [MAP]])
def test_one_seed_has_no_noise_floor(maps):
    with pytest.raises(UsageError, match="at least two seeds"):
        seed_similarity(maps)
