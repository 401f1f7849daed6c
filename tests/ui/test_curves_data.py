"""Curves as tables: means, ranges, errors and published figures, all computed by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from core.published import history
from core.training.runs import METRIC_COLUMNS
from ui.curves_data import QUANTITIES, all_epochs, curves, readout

NOTHING = history().iloc[:0]


def metrics(*accuracies: float) -> pd.DataFrame:
    columns = ["epoch", "test_accuracy_percent", "penalty"]
    rows = [(epoch, value, 0.0) for epoch, value in enumerate(accuracies, 1)]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def rows() -> pd.DataFrame:
    return all_epochs(
        [("gn", 1, metrics(90, 98)), ("gn", 2, metrics(94, 99)), ("ln", 1, metrics(80, 100))]
    )


def accuracy(rows, published=NOTHING, **options):
    return curves(QUANTITIES["Test accuracy"], rows, published, **{"epochs": (1, 25), **options})


def test_quantities_are_logged_and_published_ones_are_published():
    for quantity in QUANTITIES.values():
        assert quantity.column in METRIC_COLUMNS
        assert quantity.published is None or quantity.published in history()
    assert QUANTITIES["Train cross-entropy"].published is None


def test_lines_are_means_with_the_interval_of_the_mean(rows):
    lines = accuracy(rows).lines.set_index(["variant", "epoch"])
    # 90 and 94: standard error 2, and t = 12.706 for one degree of freedom; not above 100 %.
    assert lines.loc[("gn", 1)].to_dict() == pytest.approx(
        {"value": 92, "low": 92 - 2 * 12.7062, "high": 100, "num_seeds": 2}, abs=1e-3
    )
    assert lines.loc[("ln", 2)].to_dict() == {"value": 100, "low": 100, "high": 100, "num_seeds": 1}


def test_seeds_that_tie_agree_to_one_image_only():
    """Of 100 images both seeds fail on 3: spread 1 / √12 %, and t = 12.706 for one degree."""
    rows = all_epochs([("gn", seed, metrics(97)) for seed in (1, 2)])
    line = accuracy(rows, step=1).lines.iloc[0]
    assert line["high"] == pytest.approx(97 + 12.706 / 24**0.5, abs=1e-3)
    assert accuracy(rows).lines.iloc[0]["high"] == 97


def test_epochs_limit_what_is_drawn(rows):
    shown = accuracy(rows, history(), epochs=(2, 2))
    assert set(shown.lines["epoch"]) == set(shown.published["epoch"]) == {2}
    # gn at epoch 2: 98 and 99, so standard error 0.5; ln is at 100.
    assert shown.domain == pytest.approx((98.5 - 0.5 * 12.7062, 100), abs=1e-3)


def test_published_curves_of_the_shown_variants_only(rows):
    shown = accuracy(rows[rows["variant"] == "gn"], history(), epochs=(1, 1))
    assert shown.published.to_dict("records") == [{"variant": "gn", "epoch": 1, "value": 97.54}]


def test_log_shows_errors_and_leaves_out_zero(rows):
    shown = accuracy(rows, log=True)
    assert shown.quantity.axis_title == "Test error (%)"
    assert shown.singles["value"].tolist() == [
        10,
        2,
        6,
        1,
        20,
    ]  # the error of 100 % has no logarithm
    assert curves(QUANTITIES["L1 penalty"], rows, NOTHING, epochs=(1, 9), log=True).lines.empty


def test_only_keeps_one_variant(rows):
    assert set(accuracy(rows).only("ln").singles["variant"]) == {"ln"}


def test_table_holds_ours_and_the_published(rows):
    table = accuracy(rows, history(), epochs=(1, 1)).table()
    assert list(table.columns) == ["variant", "source", "seed", "epoch", "test_accuracy_percent"]
    assert table["source"].value_counts().to_dict() == {"ours": 3, "published": 2}
    assert "gn,ours,1,1," in table.to_csv(index=False)  # a seed is a whole number


def test_readout_has_one_row_per_epoch_and_a_column_per_curve(rows):
    shown = accuracy(rows, history(), epochs=(1, 2))
    frame = readout(shown, {"gn": "Group norm"}, ["gn"])
    assert list(frame.columns) == ["epoch", "Group norm", "Group norm, published"]
    assert frame["Group norm"].tolist() == [92, 98.5]
