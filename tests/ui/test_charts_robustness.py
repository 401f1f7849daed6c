"""Curves and table of robustness: what is drawn, named and marked."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest

from core.analysis.robustness_table import SUMMARY_COLUMNS, TABLE_COLUMNS
from core.data.corruptions import CORRUPTIONS
from ui.charts_robustness import describe_curves, heat_table, severity_chart, severity_title

ROTATION = CORRUPTIONS["rotation"]


def summary(num_seeds: int = 1) -> pd.DataFrame:
    rows = [
        ("rotation", severity, variant, num_seeds, 360, accuracy, accuracy - 2, accuracy + 1)
        for variant, top in (("gn", 98.0), ("bn_l1", 97.0))
        for severity, accuracy in ((-30.0, top - 20), (0.0, top), (30.0, top - 10))
    ]
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def table(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=TABLE_COLUMNS)


@pytest.mark.parametrize(("num_seeds", "mark"), [(1, "rule"), (10, "area")])
def test_intervals_are_bars_for_one_seed_and_a_band_for_several(num_seeds, mark):
    spec = severity_chart(summary(num_seeds), ROTATION, 12.0, intervals="").to_dict()
    interval = spec["layer"][0]
    assert interval["mark"]["type"] == mark
    encoding = interval["encoding"]
    assert (encoding["y"]["field"], encoding["y2"]["field"]) == ("low_percent", "high_percent")


def test_axes_have_units_and_the_present_severity_is_marked():
    spec = severity_chart(summary(), ROTATION, 12.0, intervals="").to_dict()
    _, line, points, present = spec["layer"]
    assert line["encoding"]["x"]["title"] == "Rotation (°)"
    assert line["encoding"]["x"]["scale"]["domain"] == [-60, 60]
    assert line["encoding"]["y"]["title"] == "Test accuracy (%)"
    assert line["encoding"]["y"]["scale"]["domain"] == [0, 100]
    assert points["encoding"]["shape"]["field"] == points["encoding"]["color"]["field"] == "variant"
    data = spec["datasets"][present["data"]["name"]]
    assert data == [{"severity": 12.0}]
    assert present["layer"][1]["mark"]["text"] == "now 12 °"
    assert present["layer"][1]["mark"]["color"] == "currentColor"


def test_where_no_severity_was_set_none_is_marked():
    spec = severity_chart(summary(), ROTATION, None, intervals="").to_dict()
    assert len(spec["layer"]) == 3 and "now" not in str(spec["layer"])
    assert spec["usermeta"]["lines"][0] == ROTATION.summary


@pytest.mark.parametrize("kind", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_every_corruption_has_an_axis_with_a_unit(kind):
    title = severity_title(kind)
    assert title.endswith(": level" if kind.family == "mnist_c" else f"({kind.unit})")
    assert not title.endswith("()")


def test_the_chart_in_words_speaks_of_the_nearest_severity():
    said = describe_curves(summary(), ROTATION, 20.0)
    assert "At 30: Group norm 88.0; Batch norm + L1 87.0." in said
    assert "Rotation (°), from -60 to 60" in said


def cells(html: str) -> list[str]:
    return re.findall(r"<td class=.*?</td>", html)


def test_a_cell_says_accuracy_interval_and_rank():
    html = heat_table(
        table(
            ("rotation", 30.0, "gn", 10, 360, 91.25, 90.0, 92.5, 2),
            ("rotation", 30.0, "bn_l1", 10, 360, 95.0, 94.0, 96.0, 1),
        ),
        {"gn": "Group norm", "bn_l1": "Batch norm + L1"},
    )
    assert "Rotation, 30 °</th>" in html and ROTATION.summary in html
    second, first = cells(html)
    assert "91.2 <small>#2</small><small>90.0 – 92.5</small>" in second
    assert 'title="91.25 %, 95 % interval 90.00 to 92.50; rank 2 of 2"' in second
    assert "--share:0.088" in second
    assert 'class="shade best"' in first and 'class="shade"' in second


def test_unknown_cells_and_intervals_are_named_as_such():
    html = heat_table(
        table(("mnist_c_mean", math.nan, "gn", 1, 360, 80.0, math.nan, math.nan, 1)),
        {"gn": "Group norm", "ln": "<b>Layer"},
    )
    known, unknown = cells(html)
    assert "no interval" in known and "nan" not in html
    assert unknown == '<td class="none" title="not computed">–</td>'
    assert "&lt;b&gt;Layer" in html
