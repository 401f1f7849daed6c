"""Gate 0 against hand counts, chance, and what is known of the shipped seeds."""

import itertools

import numpy as np
import pytest
from scipy import stats

from core.analysis.persistence import (
    decidable,
    fisher_exact,
    persistence,
    seeds_needed,
    smallest_p,
)
from core.config import VARIANTS
from core.errors import UsageError
from core.training.runs import Predictions
from tests.diagnosis_runs import all_predictions


def predictions(wrong):
    """`wrong` (N,) says which images fail; every true class is 0."""
    wrong = np.asarray(wrong, np.int64)
    return Predictions(np.zeros((len(wrong), 10), np.float32), wrong, np.zeros_like(wrong))


def seeds(counts, num_seeds):
    """One `Predictions` per seed; image i fails with the first counts[i] of them."""
    return [predictions([seed < count for count in counts]) for seed in range(num_seeds)]


def test_fisher_by_hand():
    # 3 of 3 against 0 of 3: 1 of the 20 tables with these margins, and its mirror image.
    assert fisher_exact(3, 3, 0, 3) == pytest.approx(2 / 20)
    assert fisher_exact(2, 3, 1, 3) == 1
    # Tea tasting, one cup of each kind wrong: (1 + 16 + 16 + 1) / 70.
    assert fisher_exact(3, 4, 1, 4) == pytest.approx(34 / 70)


def test_the_smallest_p_of_a_total():
    assert smallest_p(3, 3, 3) == pytest.approx(2 / 20)
    assert smallest_p(0, 5, 5) == smallest_p(10, 5, 5) == 1
    for total in range(21):
        possible = [
            fisher_exact(k, 10, total - k, 10)
            for k in range(max(0, total - 10), min(total, 10) + 1)
        ]
        assert smallest_p(total, 10, 10) == min(possible)


def test_what_can_be_tested_by_hand():
    # K = 1: four reach .05; K = 2: three reach .025; K = 3: two reach .0167, at most 3.
    smallest = np.array([0.001, 0.01, 0.02, 0.04, 0.5, 1])
    assert decidable(smallest).tolist() == [True, True, False, False, False, False]
    assert decidable(np.array([1.0, 1.0])).tolist() == [False, False]
    assert decidable(np.array([])).tolist() == []


def test_seeds_needed():
    assert seeds_needed() == 4  # 2 / 70, where 2 / 20 is too much
    assert 2 / 70 <= 0.05 < 2 / 20
    assert fisher_exact(4, 4, 0, 4) == pytest.approx(2 / 70)
    assert seeds_needed(100) == 8  # 2 / 12870 ≤ .0005, where 2 / 3432 is too much


def test_rows_by_hand():
    frame = persistence({"gn": seeds([0, 10, 1], 10), "bn": seeds([0, 0, 2], 10)})
    assert frame["index"].tolist() == [1, 2]  # nobody fails image 0
    first, second = frame.to_dict("records")
    assert (first["a"], first["b"], first["fails_a"], first["fails_b"]) == ("gn", "bn", 10, 0)
    assert first["p"] == first["p_adjusted"] == pytest.approx(2 / 184756)
    assert first["tested"] and first["persistent"]
    # The variant that fails more comes first; 3 failures of 20 can decide nothing.
    assert (second["a"], second["fails_a"], second["seeds_a"]) == ("bn", 2, 10)
    assert not second["tested"] and not second["persistent"]
    assert second["p_adjusted"] == 1


def test_unequal_numbers_of_seeds_compare_rates():
    frame = persistence({"gn": seeds([3], 4), "ln": seeds([4], 8)})
    row = frame.to_dict("records")[0]
    assert (row["a"], row["fails_a"], row["seeds_a"], row["seeds_b"]) == ("gn", 3, 4, 8)
    assert row["p"] == pytest.approx(stats.fisher_exact([[3, 1], [4, 4]]).pvalue)


def test_nothing_fails():
    frame = persistence({"gn": seeds([0, 0], 3), "bn": seeds([0, 0], 3)})
    assert frame.empty and "persistent" in frame


def test_chance_is_seldom_called_persistent():
    """Images equally hard for both: in how many of 200 test sets does any row persist?"""
    rng = np.random.default_rng(0)
    hardness = rng.beta(0.3, 3, 200)

    def draw():
        return [predictions(rng.random(200) < hardness) for _ in range(10)]

    found = [persistence({"gn": draw(), "bn": draw()})["persistent"].any() for _ in range(200)]
    assert np.mean(found) <= 0.05


def test_a_difference_is_found_among_chance():
    rng = np.random.default_rng(1)
    hardness = rng.beta(0.3, 3, 200)
    rate_gn, rate_bn = hardness.copy(), hardness.copy()
    rate_gn[:5], rate_bn[:5] = 1, 0
    gn = [predictions(rng.random(200) < rate_gn) for _ in range(10)]
    bn = [predictions(rng.random(200) < rate_bn) for _ in range(10)]
    frame = persistence({"bn": bn, "gn": gn})
    persistent = frame[frame["persistent"]]
    assert persistent["index"].tolist() == [0, 1, 2, 3, 4]
    assert set(persistent["a"]) == {"gn"}


def test_what_cannot_be_compared_is_said():
    with pytest.raises(UsageError, match="gn has fewer than two seeds: train more, at least 4"):
        persistence({"gn": seeds([1], 1), "bn": seeds([1], 2)})
    other = Predictions(*(seeds([1], 1)[0].logits, np.array([1]), np.array([5])))
    with pytest.raises(UsageError, match="different images"):
        persistence({"gn": seeds([1], 2), "bn": [other, other]})


def jaccard(a, b):
    return (a & b).sum() / (a | b).sum()


@pytest.fixture(scope="module")
def wrong():
    """Variant → which of the 360 digits fail, (10 seeds, 360)."""
    found = all_predictions("digits")
    return {k: np.stack([r.predicted != r.targets for r in runs]) for k, runs in found.items()}


def test_failures_are_largely_the_seeds(wrong):
    """Two seeds of one variant share fewer than 30 % of their failures, on average over pairs."""
    for key, rows in wrong.items():
        assert len(rows) == 10
        within = np.mean([jaccard(a, b) for a, b in itertools.combinations(rows, 2)])
        assert 0.15 < within < 0.35, key


def test_one_seed_of_two_variants_is_not_two_seeds(wrong):
    """With one normalization and one seed most failures are shared: pooling would count twice."""
    for norm in ("group", "layer", "batch"):
        first, second = (wrong[key] for key, variant in VARIANTS.items() if variant.norm == norm)
        same = np.mean([jaccard(a, b) for a, b in zip(first, second, strict=True)])
        pairs = itertools.permutations(range(10), 2)
        different = np.mean([jaccard(first[i], second[j]) for i, j in pairs])
        assert same > 2 * different


def test_few_failures_on_digits_belong_to_a_variant():
    frame = persistence(all_predictions("digits"))
    found = frame[frame["persistent"]]
    assert 0 < found["index"].nunique() < 0.05 * frame["index"].nunique()
    assert (found["fails_a"] - found["fails_b"] >= 8).all()
    # Adjusted over everything that somebody fails, nothing at all would persist.
    assert stats.false_discovery_control(frame["p"]).min() > 0.05
