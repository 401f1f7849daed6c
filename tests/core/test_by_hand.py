"""Normalization by hand: numbers a person can check, torch's layers, invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from core.analysis import by_hand, by_hand_changes, by_hand_example, by_hand_torch
from core.analysis.by_hand import BATCH, GROUP, INSTANCE, KINDS, LAYER
from core.analysis.by_hand_changes import BATCH_EVALUATION, Change
from core.analysis.by_hand_table import LIMITS, Table, fits, random_table
from core.model import normalization

ONES, ZEROS = np.ones(2), np.zeros(2)
SMALL = np.array([[[[1.0, 3.0]], [[5.0, 7.0]]], [[[2.0, 2.0]], [[4.0, 8.0]]]])
"""Two images × two channels × 1×2."""


@st.composite
def tables(draw) -> tuple[Table, int]:
    """A table of any shape that fits, and a number of channels per group that divides it."""
    sizes = [st.integers(1, limit) for limit in LIMITS.values()]
    shape = draw(st.tuples(*sizes).filter(fits))
    numbers = st.integers(-20, 20).map(lambda tenths: tenths / 10)
    values = draw(arrays.arrays(float, shape, elements=numbers))
    gamma, beta = (draw(arrays.arrays(float, shape[1], elements=numbers)) for _ in range(2))
    divisors = [n for n in range(1, shape[1] + 1) if shape[1] % n == 0]
    return Table(values, gamma, beta), draw(st.sampled_from(divisors))


@pytest.mark.parametrize(
    ("kind", "per_group", "mean", "var", "count"),
    [
        (BATCH, 1, [[2, 6]], [[0.5, 2.5]], 4),
        (LAYER, 1, [[4], [4]], [[5], [6]], 4),
        (GROUP, 2, [[4], [4]], [[5], [6]], 4),
        (GROUP, 1, [[2, 6], [2, 6]], [[1, 1], [0, 4]], 2),
        (INSTANCE, 1, [[2, 6], [2, 6]], [[1, 1], [0, 4]], 2),
    ],
)
def test_statistics_as_worked_out_on_paper(kind, per_group, mean, var, count):
    found = by_hand.statistics(SMALL, kind, per_group)
    assert found.mean.tolist() == mean and found.var.tolist() == var and found.count == count
    frame = by_hand.statistics_frame(kind, found)
    assert frame["mean"].tolist() == np.ravel(mean).tolist() and set(frame["values"]) == {count}


def test_normalized_value_scaled_and_shifted_on_paper():
    found = by_hand.statistics(SMALL, INSTANCE, 1)
    done = by_hand.normalize(SMALL, found, np.array([2.0, 1]), np.array([0.5, 0]), eps=0)
    assert done.xhat[0].tolist() == [[[-1, 1]], [[-1, 1]]]
    assert done.y[0].tolist() == [[[-1.5, 2.5]], [[-1, 1]]]
    assert done.xhat[1, 1].tolist() == [[-1, 1]]
    assert np.isnan(done.y[1, 0]).all()  # both values are 2 and ε is 0: 0 / 0
    with_eps = by_hand.normalize(SMALL, found, np.array([2.0, 1]), np.array([0.5, 0]))
    assert with_eps.y[1, 0].tolist() == [[0.5, 0.5]]  # the limit is β


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (BATCH, [[0, 1, 2, 3], [0, 1, 2, 3]]),
        (LAYER, [[0, 0, 0, 0], [1, 1, 1, 1]]),
        (GROUP, [[0, 0, 1, 1], [2, 2, 3, 3]]),
        (INSTANCE, [[0, 1, 2, 3], [4, 5, 6, 7]]),
    ],
)
def test_which_blocks_share_a_mean(kind, expected):
    assert by_hand.sets(kind, 2, 4, 2).tolist() == expected


@pytest.mark.parametrize("kind", KINDS)
def test_sets_number_the_statistics_that_are_used(kind):
    table = random_table((3, 4, 2, 2), seed=5)
    found = by_hand.statistics(table.values, kind, 2)
    used = by_hand.over_channels(found.mean, 4)[..., 0, 0]
    numbers = by_hand.sets(kind, 3, 4, 2)
    assert (found.mean.ravel()[numbers] == used).all()
    alone = table.values[numbers == numbers[1, 2]]
    assert alone.size == found.count and alone.mean() == pytest.approx(
        used[-1 if len(used) == 1 else 1, 2]
    )


@given(tables())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_torch_agrees_for_any_shape(drawn):
    table, per_group = drawn
    for kind in KINDS:
        found = by_hand_torch.check(table, kind, per_group, by_hand.EPS)
        single = by_hand.statistics(table.values, kind, per_group).count == 1
        if found.refusal:  # torch refuses some of the cases in which a value is its own mean
            assert single and "more than 1" in found.refusal
            continue
        assert found.differences["float64"] <= 1e-9 * (1 + abs(table.gamma).max())
        assert found.differences["float32"] <= 2e-3


def test_one_value_per_mean_is_refused_by_torch_and_gives_beta_by_hand():
    table = random_table((1, 2, 1, 1), seed=1)
    for kind in (BATCH, INSTANCE):
        found = by_hand_torch.check(table, kind, 1, by_hand.EPS)
        assert found.refusal and found.differences == {"float64": None, "float32": None}
        alone = by_hand.statistics(table.values, kind, 1)
        assert (by_hand.normalize(table.values, alone, ONES, ONES * 3).y == 3).all()


def test_without_spread_and_without_eps_both_say_nan():
    flat = Table(np.full((2, 2, 2, 2), 4.0), ONES, ZEROS)
    for kind in (LAYER, GROUP):
        assert by_hand_torch.check(flat, kind, 1, 0.0).differences["float64"] == 0
    assert "eps" in by_hand_torch.check(flat, BATCH, 1, 0.0).refusal
    assert by_hand_torch.difference(np.array([np.nan, 1]), np.array([1.0, 1])) == np.inf


def test_constants_are_those_of_the_networks():
    assert (by_hand.EPS, by_hand.MOMENTUM) == (normalization.EPS, normalization.BATCH_MOMENTUM)


def test_running_statistics_on_paper_and_as_torch_keeps_them():
    found = by_hand.running_statistics([SMALL, SMALL])
    assert found.mean[1] == pytest.approx([0.2, 0.6])  # 0.1 · 2 and 0.1 · 6
    assert found.var[1] == pytest.approx([0.9 + 0.05 * 4 / 3, 0.9 + 0.25 * 4 / 3])
    layer = torch.nn.BatchNorm2d(2).double()
    for _ in range(2):
        layer(torch.from_numpy(SMALL))
    assert found.mean[2] == pytest.approx(layer.running_mean.numpy())
    assert found.var[2] == pytest.approx(layer.running_var.numpy())
    stored = by_hand.normalize(SMALL, found.after(2), ONES, ZEROS).y
    theirs = layer.eval()(torch.from_numpy(SMALL)).detach().numpy()
    assert stored == pytest.approx(theirs, abs=1e-12)
    with pytest.raises(ValueError, match="single value"):
        by_hand.running_statistics([SMALL[:1, :, :, :1]])


def still_modes(table: Table, change: Change) -> dict[str, list[bool]]:
    """Mode → which of the three images keep their output."""
    stored = by_hand.running_statistics([table.values] * 3).after(3)
    found = by_hand_changes.movement(table, change.apply(table, 9), stored, 2, by_hand.EPS)
    return {one.mode: one.still.all(axis=1).tolist() for one in found}


ALL, NONE = [True] * 3, [False] * 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change("everything", 0, factor=3), (ALL, NONE, ALL, ALL, ALL)),
        (Change("everything", 0, constant=2), (ALL, NONE, ALL, ALL, ALL)),
        (Change("channel", 1, factor=3), (ALL, NONE, NONE, NONE, ALL)),
        (Change("channel", 1, constant=2), (ALL, NONE, NONE, NONE, ALL)),
        (Change("image", 1, factor=3), (NONE, [True, False, True], ALL, ALL, ALL)),
        (Change("image", 1, replaced=True), (NONE, *[[True, False, True]] * 4)),
        (Change("everything", 0), (ALL,) * 5),
    ],
)
def test_what_each_norm_is_invariant_to(change, expected):
    found = still_modes(random_table((3, 4, 2, 2), seed=3), change)
    assert found == dict(zip(by_hand_changes.MODES, expected, strict=True))


def test_without_stored_statistics_evaluation_mode_is_left_out():
    table = random_table((1, 1, 1, 1), seed=0)
    found = by_hand_changes.movement(table, table, None, 1, by_hand.EPS)
    assert BATCH_EVALUATION not in [one.mode for one in found] and len(found) == 4


@pytest.mark.parametrize("layer", by_hand_example.LAYERS)
def test_the_spreadsheets_mistake_and_its_correction(layer):
    x = by_hand_example.example(layer).values
    frame = by_hand_example.group_means(x)
    for group, row in enumerate(frame.to_dict("records")):
        own = [x[3, channel] for channel in (2 * group, 2 * group + 1)]
        before = [x[2, channel] for channel in (2 * group, 2 * group + 1)]
        assert row["mean"] == np.mean(own) and row["variance"] == np.var(own)
        straddling = [part[-1] for part in before] + [part[0] for part in own]
        assert row["wrong_mean"] == np.mean(straddling) != row["mean"]
        assert row["xhat_mean"] == pytest.approx(0, abs=1e-12)
        off = (row["mean"] - row["wrong_mean"]) / np.sqrt(row["variance"] + by_hand.EPS)
        assert row["wrong_xhat_mean"] == pytest.approx(off)
        assert row["wrong_xhat_square"] == pytest.approx(row["xhat_square"] + off**2)
