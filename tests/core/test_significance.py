"""Comparisons against hand counts, published tables, scipy, and data with known differences."""

import math

import numpy as np
import pytest
from scipy import stats

from core.analysis import significance as sig
from core.config import VARIANTS
from core.errors import UsageError
from core.training.runs import Predictions
from tests.made_predictions import compare, predictions, simulate


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 5), (21, 39), (39, 21), (30, 30), (1, 400)])
def test_mcnemar_agrees_with_binomtest(a, b):
    expected = stats.binomtest(a, a + b).pvalue if a + b else 1
    assert sig.mcnemar_exact(a, b) == pytest.approx(expected)


def test_mcnemar_by_hand():
    assert sig.mcnemar_exact(0, 5) == pytest.approx(2 / 2**5)
    assert sig.mcnemar_exact(1, 4) == pytest.approx(2 * (1 + 5) / 2**5)


def test_holm_by_hand():
    # In order: .005 × 4, .01 × 3, .03 × 2, .04 × 1, which must not fall below the one before.
    assert sig.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert sig.holm([0.6, 0.7]).tolist() == [1, 1]
    assert sig.holm([0.02]) == pytest.approx([0.02])


def test_paired_interval_agrees_with_published_example():
    # Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014), airway hyper-responsiveness:
    # 1 both, 1 and 7 only one, 12 none of 21 children; Newcombe's interval -0.507 to -0.026.
    low, high = sig.paired_interval(1, 7, 1, 21, 0.95)
    assert (low, high) == pytest.approx((-0.507, -0.026), abs=5e-4)
    swapped = sig.paired_interval(1, 1, 7, 21, 0.95)
    assert swapped == pytest.approx((-high, -low))


@pytest.mark.parametrize(("only_a", "only_b"), [(30, 30), (50, 10), (2_000, 50)])
def test_paired_interval_holds_its_level(only_a, only_b):
    rng, n = np.random.default_rng(0), 10_000
    shares = np.array([40, only_a, only_b, n - 40 - only_a - only_b]) / n
    true = (only_b - only_a) / n
    counts = rng.multinomial(n, shares, size=1_000)
    intervals = [sig.paired_interval(*map(int, row[:3]), n, 0.95) for row in counts]
    covered = np.mean([low <= true <= high for low, high in intervals])
    assert 0.93 < covered < 0.985


def test_paired_interval_when_nothing_fails():
    low, high = sig.paired_interval(0, 0, 0, 100, 0.95)
    assert low == pytest.approx(-high) and 0 < high < 0.06


def test_smallest_gap():
    assert sig.smallest_gap(60, 0.05) == 18
    assert sig.mcnemar_exact(21, 39) < 0.05 < sig.mcnemar_exact(22, 38)
    # Six of six is the least that reaches 0.05: 2 / 2^6 = 0.031.
    assert [sig.smallest_gap(n, 0.05) for n in (0, 3, 6)] == [6, 6, 6]


def test_one_seed_pair_by_hand():
    pair = {"gn": [predictions(range(20))], "ln": [predictions(range(15, 65))]}
    row = compare(pair).iloc[0]
    assert (row["a"], row["b"], row["method"]) == ("gn", "ln", sig.MCNEMAR)
    assert (row["only_a_wrong"], row["only_b_wrong"]) == (15, 45)
    assert row["difference_percent"] == pytest.approx(0.3)
    assert row["p_holm"] == pytest.approx(stats.binomtest(15, 60).pvalue)
    expected = sig.paired_interval(5, 15, 45, 10_000, 0.95)
    assert (row["low_percent"], row["high_percent"]) == pytest.approx([100 * x for x in expected])
    assert row["resolved"] and not row["equivalent"]
    assert (row["num_images"], row["num_seeds"], row["resolvable_errors"]) == (10_000, 1, 18)


def test_resolved_needs_both_interval_and_test():
    """22 against 38: the approximate interval leaves 0, the exact test says p = 0.052."""
    row = compare({"gn": [predictions(range(22))], "ln": [predictions(range(22, 60))]}).iloc[0]
    assert row["low_percent"] > 0 and row["p_holm"] > 0.05
    assert not row["resolved"]


def test_resolved_needs_the_joint_interval_too():
    """21 against 39 has p = 0.027: enough for Holm's last step, not for three joint intervals."""
    runs = {
        "gn": [predictions(range(21))],
        "ln": [predictions(range(21, 60))],
        "bn_l1": [predictions(range(1_000, 1_500))],
    }
    row = compare(runs).iloc[0]
    assert row["p_holm"] < 0.05 and row["low_percent"] < 0 < row["high_percent"]
    assert not row["resolved"]


def test_family_widens_intervals_and_raises_p():
    runs = {"gn": [predictions(range(20))], "ln": [predictions(range(20, 60))]}
    alone = compare(runs).iloc[0]
    runs |= {key: [predictions([])] for key in ("bn_l1", "gn_l1", "ln_l2", "bn_l1_l2")}
    family = compare(runs)
    assert len(family) == 15
    first = family.iloc[0]
    assert (first["a"], first["b"]) == ("gn", "ln")
    assert first["low_percent"] < 0 < alone["low_percent"]
    assert first["p_holm"] > alone["p_holm"]
    assert alone["resolved"] and not first["resolved"]
    expected = sig.paired_interval(0, 20, 40, 10_000, 1 - 0.05 / 15)
    assert first["low_percent"] == pytest.approx(100 * expected[0])


def test_equivalent_within_the_margin():
    same = {"gn": [predictions([1])], "ln": [predictions([1])]}
    row = compare(same).iloc[0]
    assert 0.01 < row["high_percent"] < 0.05 and row["equivalent"]
    assert not compare(same, margin_percent=0.01)["equivalent"][0]


def test_a_variant_with_one_seed_is_compared_as_a_checkpoint_and_the_others_as_methods():
    several = {"gn": [predictions([1]), predictions([2])], "ln": [predictions([3])] * 2}
    mixed = compare({**several, "bn_l1": [predictions([4, 5])]})
    assert list(mixed["method"]) == [sig.STUDENT, sig.MCNEMAR, sig.MCNEMAR]
    assert list(mixed["num_seeds"]) == [2, 1, 1]
    alone = compare({"gn": several["gn"], "bn_l1": [predictions([4, 5])]})
    assert list(alone["method"]) == [sig.MCNEMAR]


def test_several_seeds_pair_by_hand():
    """Seeds of gn fail on {0, 1} and {1, 2}, the seeds of ln on {2} and none, of 10 images."""
    runs = {
        "gn": [predictions([0, 1], 10), predictions([1, 2], 10)],
        "ln": [predictions([2], 10), predictions([], 10)],
    }
    row = compare(runs).iloc[0]
    assert row["difference_percent"] == pytest.approx(-15)
    # Over the four pairs of seeds: 2, 2, 1, 2 images only gn misses; 1, 0, 0, 0 only ln.
    assert (row["only_a_wrong"], row["only_b_wrong"]) == pytest.approx((1.75, 0.25))
    assert (row["num_seeds"], row["method"]) == (2, sig.STUDENT)
    # gn - ln per image: 1/2, 1, 0 and seven times 0, mean 0.15.
    images = ((0.35**2 + 0.85**2 + 8 * 0.15**2) + 1) / 100
    # Between seeds 0 and 1/2 images²; by chance two images at 1/2 · 1/2 · 2, and one.
    dispersion = max(1, (0 + 0.5) / (1 + 0.5))
    assert dispersion == 1 and row["resolvable_errors"] == pytest.approx(
        10 * stats.t.ppf(0.975, 2) * math.sqrt(images)
    )
    assert row["p_holm"] == pytest.approx(2 * stats.t.sf(0.15 / math.sqrt(images), 2))


def test_few_seeds_that_differ_more_than_chance_widen_every_interval():
    """gn fails on 1 and 9 of 100 images, the other two on 1 and 1: one spread for all three."""
    wild = [predictions([0], 100), predictions(range(9), 100)]
    calm = {
        key: [predictions([i], 100), predictions([i + 1], 100)]
        for i, key in ((20, "ln"), (40, "bn_l1"))
    }
    rows = compare({"gn": wild, **calm}).set_index(["a", "b"])["resolvable_errors"]
    # Image² between seeds: 32, 0, 0; by chance 8, 2 and 2 images at 1/2 · 1/2 · 2.
    dispersion = 32 / (4 + 1 + 1)
    apart = 2 * 0.5**2 * 2 + 1  # each of four images at ± 1/2, and half an image to each side
    quantile = stats.t.ppf(1 - 0.05 / 3 / 2, 3)
    variance = apart + 2 * (dispersion - 1) * 1 / 2
    assert rows[("ln", "bn_l1")] == pytest.approx(quantile * math.sqrt(variance))
    both = (1 - 0.04) ** 2 + 8 * (0.5 - 0.04) ** 2 + 2 * (-0.5 - 0.04) ** 2 + 89 * 0.04**2 + 1
    own = 32 - 4  # more than (dispersion - 1) · 4, so judged with its own degree of freedom
    variance = both + (own + (dispersion - 1) * 1) / 2
    quantile = stats.t.ppf(1 - 0.05 / 3 / 2, variance**2 / ((32 / 2) ** 2 / 1))
    assert rows[("gn", "ln")] == pytest.approx(quantile * math.sqrt(variance))


def test_seeds_that_tie_still_leave_a_doubt():
    same = [predictions([1], 100)] * 3
    row = compare({"gn": same, "ln": same}).iloc[0]
    assert row["resolvable_errors"] == pytest.approx(stats.t.ppf(0.975, 4)) and row["p_holm"] == 1


@pytest.mark.parametrize(("num_seeds", "spread"), [(2, 0.5), (3, 0.5), (5, 0.2)])
def test_seeds_that_differ_are_not_taken_for_methods(num_seeds, spread):
    """Jointly at 95 %, of 24 families six or more with any name have a chance of 1 in 1,000.

    Percentiles of a bootstrap over seeds and images named one in ten of those with two seeds.
    """
    rng = np.random.default_rng(11)
    named = 0
    for _ in range(24):
        rates = 0.006 * np.exp(spread * rng.normal(size=(6, num_seeds)))
        runs = {
            key: [simulate(1, rate, rng)[0] for rate in row]
            for key, row in zip(VARIANTS, rates, strict=True)
        }
        named += bool(compare(runs)["resolved"].any())
    assert named < 6


def test_null_covers_zero():
    """Methods that are equally good: of 15 joint 95 % intervals none excludes 0."""
    rng = np.random.default_rng(1)
    runs = {key: simulate(5, 0.006, rng) for key in VARIANTS}
    pairs = compare(runs)
    assert len(pairs) == 15 and not pairs["resolved"].any()
    assert ((pairs["low_percent"] < 0) & (pairs["high_percent"] > 0)).all()


def test_family_widens_intervals_over_seeds():
    """Student's t at 0.05 / 15 against 0.05: a ratio of 1.41 with 8 and 1.75 with 4 degrees."""
    rng = np.random.default_rng(7)
    runs = {key: simulate(5, 0.006, rng) for key in VARIANTS}
    family = compare(runs).iloc[0]
    alone = compare({key: runs[key] for key in ("gn", "ln")}).iloc[0]
    assert 1.35 < family["resolvable_errors"] / alone["resolvable_errors"] < 1.8


def test_planted_effect_is_resolved():
    rng = np.random.default_rng(2)
    runs = {key: simulate(5, 0.006, rng) for key in ("gn", "ln")}
    runs["bn_l1"] = simulate(5, 0.002, rng)
    pairs = compare(runs).set_index(["a", "b"])
    assert pairs["resolved"].tolist() == [False, True, True]
    row = pairs.loc[("ln", "bn_l1")]
    assert row["difference_percent"] == pytest.approx(-0.4, abs=0.1)
    assert row["low_percent"] < -0.4 < row["high_percent"] < 0


def test_bad_input_is_named():
    other = Predictions(np.zeros((4, 10)), np.zeros(4, np.int64), np.ones(4, np.int64))
    with pytest.raises(UsageError, match="one data set"):
        compare({"gn": [predictions([], 4)], "ln": [other]})
    with pytest.raises(UsageError, match="one data set"):
        compare({"gn": [predictions([], 4)], "ln": [predictions([], 5)]})
    with pytest.raises(UsageError, match="Layer norm has no finished run"):
        compare({"gn": [predictions([])], "ln": []})


@pytest.mark.parametrize("runs", [{}, {"gn": [predictions([])]}, {"gn": [predictions([])] * 2}])
def test_fewer_than_two_variants_give_an_empty_frame(runs):
    pairs = compare(runs)
    assert pairs.empty and {"a", "b", "resolved", "p_holm"} <= set(pairs)


@pytest.mark.parametrize("seeds", [2, 5])
def test_a_variant_that_varies_wildly_leaves_the_others_as_they_are(seeds):
    """One trained here, beside five seeds of each of the others."""
    rng = np.random.default_rng(8)
    runs = {"gn": simulate(5, 0.006, rng), "ln": simulate(5, 0.002, rng)}
    wild = [simulate(1, 0.006 * (seed + 1), rng)[0] for seed in range(seeds)]
    alone, beside = compare(runs).iloc[0], compare(runs | {"bn_l1": wild}).iloc[0]
    assert beside["resolved"] and alone["resolved"]
    # Three pairs instead of one: t at 0.05 / 3 against 0.05, at 4 or more degrees of freedom.
    assert 1 < beside["resolvable_errors"] / alone["resolvable_errors"] < 1.45


def test_five_seeds_are_judged_by_their_own_spread():
    """gn fails on 1 to 5 of 100 images, ln on none, so all of the difference is gn's."""
    runs = {"gn": [predictions(range(n), 100) for n in (1, 2, 3, 4, 5)]}
    row = compare(runs | {"ln": [predictions([], 100)] * 5}).iloc[0]
    shares = np.array([1, 0.8, 0.6, 0.4, 0.2])
    images = ((shares - 0.03) ** 2).sum() + 95 * 0.03**2 + 1
    between, chance = 2.5, (shares * (1 - shares)).sum() * 5 / 4
    variance = images + (between - chance) / 5
    freedom = min(8, variance**2 / ((between / 5) ** 2 / 4))
    half = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    assert row["resolvable_errors"] == pytest.approx(half)
    assert row["p_holm"] == pytest.approx(2 * stats.t.sf(3 / math.sqrt(variance), freedom))


def test_the_same_seed_is_compared_where_one_variant_has_one_only():
    gn = {1: predictions([1]), 5: predictions([1, 2, 3])}
    for seed, only_gn in ((5, 3), (1, 1), (7, 1)):  # of seed 7 there is no other: the first
        row = sig.compare_pairs({"gn": gn, "ln": {seed: predictions([])}}).iloc[0]
        assert row["only_a_wrong"] == only_gn


def test_no_difference_is_more_than_all_images():
    runs = {"gn": [predictions(range(9), 10)] * 2, "ln": [predictions([], 10)] * 2}
    row = compare(runs).iloc[0]
    assert (row["difference_percent"], row["low_percent"]) == (pytest.approx(-90), -100)
    assert row["resolvable_errors"] <= 10
