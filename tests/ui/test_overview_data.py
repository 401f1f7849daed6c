"""The overview's tables, with figures computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.config import VARIANTS
from core.published import published_figures
from core.training.runs import list_runs
from ui.overview_data import run_table, variant_table
from ui.state import Selection


@pytest.fixture
def selection(fake_checkpoints):
    root = fake_checkpoints({"mnist": (1, 2)}, num_images=100)  # gn: 5 and 6 errors
    return Selection("mnist", tuple(list_runs(root)))


def test_one_row_per_run_with_wilson_intervals(selection):
    table = run_table(selection.runs)
    assert len(table) == 12
    first = table.iloc[0]
    assert (first["label"], first["seed"], first["errors"]) == ("Group norm", 1, 5)
    assert first["accuracy_percent"] == pytest.approx(95)
    assert (first["low_percent"], first["high_percent"]) == pytest.approx(
        (88.825, 97.846), abs=1e-3
    )


def test_several_seeds_give_mean_and_students_t(selection):
    row = variant_table(selection.by_variant).set_index("variant").loc["gn"]
    assert row["accuracy_percent"] == pytest.approx(94.5)
    assert row["low_percent"] == pytest.approx(94.5 - 12.7062 * 0.5, abs=1e-3)
    assert row["high_percent"] == 100  # cut off: 94.5 + 6.35 is more than all of them
    assert (row["errors"], row["num_seeds"], row["parameters"]) == (5.5, 2, 7946)
    assert row["published_percent"] == 99.40


@pytest.mark.parametrize(
    ("dataset", "settings"),
    [("digits", {}), ("mnist", {"variant": replace(VARIANTS["gn"], epochs=3)})],
    ids=["another data set", "another length"],
)
def test_what_was_not_published_has_no_published_figures(fake_checkpoints, dataset, settings):
    root = fake_checkpoints({dataset: (1,)}, num_images=100, variants=("gn",))
    (run,) = list_runs(root)
    run = replace(run, **settings)
    assert variant_table({"gn": [run]})["published_percent"].isna().all()
    other = {**run.info, "recipe": {**run.info["recipe"], "gamma": 0.5}}
    assert published_figures(replace(run, dataset="mnist", info=other)) is None


def test_a_damaged_run_has_no_row(selection):
    with pytest.raises(ValueError, match="damaged"):
        run_table([replace(selection.runs[0], variant=None)])


def test_selection_groups_by_variant_in_the_published_order(selection):
    shuffled = Selection("mnist", selection.runs[::-1])
    assert list(shuffled.by_variant) == ["gn", "ln", "bn_l1", "gn_l1", "ln_l2", "bn_l1_l2"]
    assert [run.seed for run in shuffled.by_variant["gn"]] == [1, 2]
    assert shuffled.seeds == (1, 2)
