"""The table that is normalized by hand: its text, its shape, and what a cell accepts."""

from __future__ import annotations

import numpy as np
import pytest

from core.analysis.by_hand_table import (
    SHEET,
    fits,
    from_text,
    parse_number,
    random_table,
    resized,
    with_cell,
)
from core.errors import UsageError


def test_the_text_of_a_table_gives_it_back():
    table = with_cell(with_cell(random_table(SHEET, 7), "v5", "-1.25"), "b1", "1e-3")
    again = from_text(table.to_text())
    assert again is not None and again.to_text() == table.to_text()
    assert again.values.tolist() == table.values.tolist()
    assert (again.gamma.tolist(), again.beta.tolist()) == ([1] * 4, [0, 0.001, 0, 0])


def test_a_short_text_is_read_and_gamma_and_beta_may_be_left_out():
    table = from_text("1x2x1x1~3_-1.5")
    assert table is not None and table.values.ravel().tolist() == [3, -1.5]
    assert table.gamma.tolist() == [1, 1] and table.beta.tolist() == [0, 0]
    assert table.to_text() == "1x2x1x1~3_-1.5"


@pytest.mark.parametrize(
    "text",
    [
        *("", "4x4x2x2", "1x2x1x1~3", "1x2x1x1~3_4_5", "1x2x1x1~3_a", "1x2x1x1~3_nan"),
        *("1x2x1x1~3_4~1_1", "1x2x1x1~3_4~1_1~0", "9x1x1x1~1_2_3_4_5_6_7_8_9", "0x1x1x1~"),
        *("8x8x4x4~" + "_".join("1" * 1024), "1x1x1x1~1e9", "1x1x1x1~" + "9" * 5000, "1x1~1"),
        "1x1x1x1~" + "_" * 100_000,
    ],
)
def test_any_other_text_means_nothing(text):
    assert from_text(text) is None


def test_random_tables_depend_on_the_seed_alone():
    one, same, other = (random_table(SHEET, seed).values for seed in (3, 3, 4))
    assert (one == same).all() and (one != other).any()
    assert set(np.unique(one)) <= set(range(10))


def test_a_new_shape_keeps_what_fits():
    table = with_cell(random_table((2, 2, 1, 2), 1), "g1", "3")
    grown = resized(table, (3, 4, 2, 2), 8)
    assert (grown.values[:2, :2, :1, :2] == table.values).all()
    assert grown.gamma.tolist() == [1, 3, 1, 1]
    back = resized(grown, table.shape, 8)
    assert back.to_text() == table.to_text()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((4, 4, 4, 4), True), ((8, 8, 2, 2), True), ((8, 8, 4, 4), False), ((9, 1, 1, 1), False),
     ((1, 1, 1, 0), False)],
)  # fmt: skip
def test_what_a_screen_shows(shape, expected):
    assert fits(shape) is expected


@pytest.mark.parametrize(
    ("text", "value"),
    [("3", 3), (" -1.5 ", -1.5), ("−2", -2), ("+.5", 0.5), ("2e-3", 0.002), ("-0", 0),
     ("1.23456789", 1.23457), ("1000000", 1e6), ("1e-999", 0)],
)  # fmt: skip
def test_a_cell_takes_numbers(text, value):
    assert parse_number(text) == value and str(parse_number(text)) != "-0.0"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"), ("  ", "empty"), ("abc", "not a number"), ("1,5", "after a point"),
        ("nan", "not a number"), ("inf", "not a number"), ("1_0", "not a number"),
        ("٣", "not a number"), ("1e7", "too large"), ("9" * 5000, "too large"),
        ("1e999", "too large"), ("1 2", "not a number"), ("<b>", "not a number"),
    ],
)  # fmt: skip
def test_a_cell_says_what_it_cannot_take(text, reason):
    with pytest.raises(UsageError, match=reason) as refused:
        parse_number(text)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 120


@pytest.mark.parametrize("name", ["v16", "g4", "x0", "", "v-1", "v", "v00000000000001", "b²"])
def test_a_cell_that_does_not_exist(name):
    with pytest.raises(KeyError):
        with_cell(random_table((4, 4, 1, 1), 1), name, "1")
