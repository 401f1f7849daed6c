"""Filters and counts of failures, on frames small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ui.failures_data import ORDERS, count_failing_seeds, filter_failures, overlap, sort_failures


def frame_of(*rows: tuple[int, int, int, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["index", "target", "predicted", "probability"])
    return frame.astype({"index": int, "target": int, "predicted": int, "probability": float})


FRAME = frame_of((2, 4, 9, 0.9), (5, 4, 7, 0.5), (8, 1, 7, 0.9), (9, 7, 1, 0.35))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [2, 5, 8, 9]),
        ({"target": 4}, [2, 5]),
        ({"predicted": 7}, [5, 8]),
        ({"target": 4, "predicted": 7}, [5]),
        ({"target": 0}, []),
        ({"percent": (35, 50)}, [5, 9]),
        ({"also": [{2, 5, 9}, {5, 9, 100}]}, [5, 9]),
        ({"never": [{2}, {9}]}, [5, 8]),
        ({"also": [[5, 8]], "never": [[8]]}, [5]),
    ],
)
def test_filters(filters, expected):
    assert filter_failures(FRAME, **filters)["index"].tolist() == expected


def test_filtering_leaves_the_shared_frame_alone():
    before = FRAME.copy()
    filter_failures(FRAME, target=4, also=[{2}])
    sort_failures(FRAME, "least certain first")
    pd.testing.assert_frame_equal(FRAME, before)


@pytest.mark.parametrize(
    ("order", "expected"),
    list(zip(ORDERS, ([2, 8, 5, 9], [9, 5, 2, 8], [2, 5, 8, 9]), strict=True)),
)
def test_orders_break_ties_by_image(order, expected):
    assert sort_failures(FRAME, order)["index"].tolist() == expected


def test_who_fails_where_counts_seeds_and_keeps_the_most_common_mistake():
    table = count_failing_seeds(
        {
            "gn": {1: frame_of((2, 4, 9, 0.9)), 2: frame_of((2, 4, 7, 0.9), (6, 1, 3, 0.9))},
            "ln": {1: frame_of((2, 4, 9, 0.9)), 2: frame_of((8, 0, 5, 0.9))},
        }
    )
    assert table["index"].tolist() == [2, 6, 8]
    assert table["target"].tolist() == [4, 1, 0]
    assert table["gn"].tolist() == [2, 1, 0] and table["ln"].tolist() == [1, 0, 1]
    assert table["gn_predicted"].tolist() == [7, 3, -1]  # a tie: the smaller label
    assert table["ln_predicted"].tolist() == [9, -1, 5]
    assert table["variants"].tolist() == [2, 1, 1] and table["seeds"].tolist() == [3, 1, 1]


def test_no_failures_give_an_empty_table():
    assert count_failing_seeds({"gn": {1: frame_of()}, "ln": {1: frame_of()}}).empty


def cell(frame: pd.DataFrame, row: str, column: str) -> pd.Series:
    return frame.set_index(["row", "column"]).loc[(row, column)]


def test_overlap_of_single_seeds():
    frame = overlap({"gn": {1: FRAME}, "ln": {1: frame_of((5, 4, 4, 0.5), (7, 0, 1, 0.5))}})
    pair = cell(frame, "gn", "ln")
    assert (pair["both"], pair["either"], pair["jaccard"], pair["pairs"]) == (1, 5, 0.2, 1)
    assert cell(frame, "gn", "gn")["pairs"] == 0 and np.isnan(cell(frame, "gn", "gn")["jaccard"])


def test_overlap_of_several_seeds_compares_different_seeds_only():
    one, two = frame_of((1, 0, 1, 0.5), (2, 0, 1, 0.5)), frame_of((2, 0, 1, 0.5))
    frame = overlap({"gn": {1: one, 2: two}, "ln": {1: one, 2: one}})
    assert cell(frame, "gn", "gn")["jaccard"] == 0.5 and cell(frame, "gn", "gn")["pairs"] == 2
    # gn/1 with ln/2: 2 of 2; gn/2 with ln/1: 1 of 2
    assert cell(frame, "gn", "ln")["jaccard"] == 0.75
    assert cell(frame, "ln", "ln")["jaccard"] == 1
