"""Insights as curves and sentences, all computed by hand; the command that would record them."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest

from core.config import VARIANTS, parse_seeds, seed_ranges
from core.training.insights import COLUMNS, EFFECTIVE_RATE, read_insights
from core.training.runs import Run, read_run
from tests.fixtures_runs import write_run
from ui.charts import to_png, to_svg
from ui.charts_curves import curves_chart
from ui.curves_insights import QUANTITIES, missing_sentence, retrain_command
from ui.insights_data import (
    OF_NORMALIZATION,
    OF_WEIGHTS,
    describe_insight,
    insight_curves,
    insight_rows,
    insight_table,
    is_log,
    summary,
)

NORM, RATE, NEAR_ZERO = OF_WEIGHTS
GAMMA = OF_NORMALIZATION[0]
EPOCHS = (1, 25)


def run(key: str, seed: int, root: Path = Path("runs"), epochs: int | None = None) -> Run:
    variant = VARIANTS[key]
    variant = type(variant)(**{**vars(variant), "epochs": epochs or variant.epochs})
    path = root / "digits" / key / f"seed-{seed}"
    return Run(path, path.name, "digits", seed, "done", variant=variant)


def frame(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(COLUMNS))


@pytest.fixture
def rows() -> pd.DataFrame:
    """Two seeds of gn and one of ln in one layer and its normalization."""
    nan = float("nan")
    found = []
    for key, seed, norm, gamma in (
        *(("gn", 1, 2.0, (1.0, 0.5, 2.0)), ("gn", 2, 4.0, (2.0, 1.5, 4.0))),
        ("ln", 1, 9.0, (1.0, 1.0, 1.0)),
    ):
        figures = [
            (epoch, "conv2", name, value, nan, nan)
            for epoch in (1, 2)
            for name, value in (
                *(("weight_norm", norm), ("near_zero_percent", norm)),
                (EFFECTIVE_RATE, 0.1**epoch / norm),
            )
        ]
        found.append((run(key, seed), frame(*figures, (2, "norm2", "gamma", *gamma))))
    return insight_rows(found)


def lines(one) -> dict:
    columns = ["value", "low", "high"]
    return {(row.variant, row.epoch): tuple(row[columns]) for _, row in one.lines.iterrows()}


def test_a_figure_of_the_weights_is_a_mean_with_its_interval(rows):
    found = lines(insight_curves(NORM, rows, epochs=EPOCHS))
    assert found["ln", 1] == (9, 9, 9)
    # Student's t for one degree of freedom is 12.706, √2 / √2 the standard error; 0 is the least.
    assert found["gn", 2] == pytest.approx((3, 0, 3 + 12.7062), rel=1e-4)


def test_of_a_normalization_mean_and_ends_are_averaged_over_seeds(rows):
    one = insight_curves(GAMMA, rows, epochs=EPOCHS)
    assert lines(one) == {("gn", 2): (1.5, 1, 3), ("ln", 2): (1, 1, 1)}
    assert insight_curves(GAMMA, rows, epochs=(1, 1)).lines.empty
    assert "Group norm 1.5 (1 to 3)" in describe_insight(one, "norm2")


def test_the_rate_is_always_on_a_log_scale_and_a_normalization_never():
    assert [is_log(quantity, False) for quantity in OF_WEIGHTS] == [False, True, False]
    assert [is_log(quantity, True) for quantity in OF_WEIGHTS] == [True] * 3
    assert not any(is_log(quantity, True) for quantity in OF_NORMALIZATION)


def test_a_share_stays_a_share_on_a_log_scale(rows):
    """Where an accuracy would turn into its error."""
    one = insight_curves(NEAR_ZERO, rows, epochs=EPOCHS, log=True)
    assert one.quantity == NEAR_ZERO and lines(one)["ln", 1][0] == 9


def test_charts_carry_units_and_bands_and_can_be_exported(rows):
    for quantity in (*OF_WEIGHTS, GAMMA):
        log = is_log(quantity, False)
        one = insight_curves(quantity, rows, epochs=EPOCHS, log=log)
        chart = curves_chart(one, log=log)
        spec = chart.to_dict()
        assert spec["layer"][0]["mark"]["type"] == "area"
        assert spec["layer"][0]["encoding"]["y"]["title"].endswith(")")
        words = describe_insight(one, "conv2")
        assert words.startswith(f"{quantity.title} of conv2. {quantity.axis_title} over epochs")
    assert to_png(chart).startswith(b"\x89PNG") and b"<svg" in to_svg(chart)


def test_tables_hold_every_seed_with_what_is_meant(rows):
    table = insight_table(GAMMA, rows, EPOCHS)
    keys = ["variant", "seed", "layer", "epoch"]
    assert [*table] == [*keys, "gamma_mean", "gamma_min", "gamma_max"]
    assert table.iloc[1].tolist() == ["gn", 2, "norm2", 2, 2.0, 1.5, 4.0]
    assert [*insight_table(NORM, rows, EPOCHS)] == [*keys, "weight_norm"]
    assert len(insight_table(NORM, rows, (2, 2))) == 3


def test_the_sentence_compares_what_all_variants_have(rows):
    rows = rows[(rows["variant"] == "gn") | (rows["epoch"] == 1)]
    assert summary(rows, "conv2") == (
        # Means over seeds: rates 0.0375 and 0.0111, norms 3 and 9, shares 3 and 9.
        "In epoch 1, in conv2: effective learning rates differ 3.4-fold (largest Group norm, "
        "smallest Layer norm); weight norms differ 3.0-fold (largest Layer norm, smallest Group "
        "norm); 9.0 % of the weights are near zero in Layer norm, 3.0 % in Group norm."
    )
    alone = rows[rows["variant"] == "gn"]
    assert summary(alone, "conv2") == (
        "In epoch 2, in conv2: 3.0 % of the weights are near zero in Group norm."
    )


def test_where_no_epoch_is_shown_nothing_is_said_or_drawn(rows):
    """As when the page shows the first epochs of a long training, which keeps every 25th."""
    assert summary(rows[rows["epoch"] > 9], "conv2") == ""
    apart = rows[rows["epoch"] == rows["variant"].map({"gn": 1, "ln": 2})]
    assert len(apart) and summary(apart, "conv2") == ""
    for quantity in QUANTITIES.values():
        for log in (False, True):
            one = insight_curves(quantity, rows, epochs=(9, 10), log=log)
            assert one.lines.empty and insight_table(quantity, rows, (9, 10)).empty


def test_every_quantity_is_recorded(tmp_path):
    path = write_run(tmp_path, "mnist", VARIANTS["bn_l1"], 1, insights=True)
    assert read_run(path, tmp_path).state == "done"
    recorded = set(read_insights(path)["quantity"])
    assert {quantity.column for quantity in QUANTITIES.values()} == recorded


@pytest.mark.parametrize("seeds", [[1], [1, 2, 3], [3, 1], [1, 2, 5, 6, 7, 90]])
def test_seeds_are_written_as_the_command_line_reads_them(seeds):
    assert parse_seeds(seed_ranges(seeds)) == sorted(seeds)


def test_the_command_names_what_is_missing():
    runs = [run("gn", 1), run("bn_l1", 1), run("bn_l1", 2)]
    assert shlex.split(retrain_command(runs) or "")[4:] == [
        *("gn", "bn_l1", "--seeds", "1-2", "--dataset", "digits")
    ]
    assert "train --all --seeds 3 " in (retrain_command([run(key, 3) for key in VARIANTS]) or "")
    assert "--epochs 3" in (retrain_command([run("gn", 1, epochs=3)]) or "")
    assert retrain_command([]) is None


def test_what_lies_here_must_be_deleted_first(monkeypatch):
    monkeypatch.setattr("ui.resources.LOCAL_DIR", Path("runs"))
    here, shipped = run("gn", 1), run("gn", 1, Path("shipped"))
    assert "once these are deleted, `python" in missing_sentence([here], 2)
    assert "deleted" not in missing_sentence([shipped], 2)
