"""The overview's charts: what is drawn for one and several seeds, which cells get colour."""

from __future__ import annotations

import pandas as pd
import pytest

from ui.charts import to_svg
from ui.charts_overview import HIGHER, LOWER, UNRESOLVED, accuracy_chart, mirrored, pairs_chart

PAIRS = pd.DataFrame(
    {
        "a": ["gn", "gn", "ln"],
        "b": ["ln", "bn_l1", "bn_l1"],
        "difference_percent": [0.30, -0.20, 0.0],
        "low_percent": [0.10, -0.50, -0.1],
        "high_percent": [0.50, 0.10, 0.1],
        "p_holm": [0.01, 0.4, 1.0],
        "resolved": [True, False, False],
        "num_seeds": 5,
    }
)


def variants(num_seeds: int = 1, published: float = 99.4) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "variant": ["gn", "ln"],
            "label": ["Group norm", "Layer norm"],
            "accuracy_percent": [99.4, 99.3],
            "low_percent": [99.2, 99.1],
            "high_percent": [99.5, 99.4],
            "num_seeds": num_seeds,
            "published_percent": published,
        }
    )


RUNS = pd.DataFrame(
    {
        "variant": ["gn", "gn"],
        "label": "Group norm",
        "seed": [1, 2],
        "accuracy_percent": [99.3, 99.5],
    }
)


def kinds(spec: dict) -> list[str]:
    return [layer["transform"][0]["filter"].split("'")[1] for layer in spec["layer"][1:]]


@pytest.mark.parametrize(
    ("num_seeds", "published", "expected"),
    [
        (1, 99.4, ["published", "this variant"]),
        (2, 99.4, ["one seed", "published", "this variant"]),
        (1, float("nan"), ["this variant"]),
    ],
)
def test_only_what_exists_is_drawn(num_seeds, published, expected):
    chart = accuracy_chart(variants=variants(num_seeds, published), runs=RUNS)
    assert kinds(chart.to_dict()) == expected


def test_interval_goes_from_low_to_high_on_an_axis_with_a_unit():
    encoding = accuracy_chart(variants=variants(), runs=RUNS).to_dict()["layer"][0]["encoding"]
    assert (encoding["x"]["field"], encoding["x2"]["field"]) == ("low_percent", "high_percent")
    assert encoding["x"]["title"].endswith("(%)")
    assert encoding["x"]["scale"]["zero"] is False


def test_pairs_are_mirrored_with_opposite_sign():
    cells = mirrored(PAIRS).set_index(["row", "column"])
    assert len(cells) == 6
    there, back = cells.loc[("gn", "ln")], cells.loc[("ln", "gn")]
    assert (there["difference_percent"], back["difference_percent"]) == (0.30, -0.30)
    assert (back["low_percent"], back["high_percent"]) == (-0.50, -0.10)
    assert (there["outcome"], back["outcome"]) == (HIGHER, LOWER)
    assert cells.loc[("gn", "bn_l1"), "outcome"] == UNRESOLVED
    assert back["column_label"] == "Group norm"


@pytest.mark.parametrize("difference", [0.0, 0.0033, -0.0033])
def test_no_difference_has_no_sign(difference):
    assert set(mirrored(PAIRS.assign(difference_percent=difference))["shown"]) == {"0.00"}


def test_differences_are_shown_with_their_sign():
    shown = mirrored(PAIRS).set_index(["row", "column"])["shown"]
    assert (shown["gn", "ln"], shown["ln", "gn"]) == ("+0.30", "−0.30")


def test_ink_follows_the_background():
    inks = [
        pairs_chart(pairs=PAIRS, dark=dark).to_dict()["layer"][1]["encoding"]["color"]["value"]
        for dark in (False, True)
    ]
    assert inks[0] != inks[1]


def test_exported_figures_say_what_is_drawn_and_what_colours_mean():
    accuracy = to_svg(accuracy_chart(variants=variants(2), runs=RUNS), "MNIST").decode()
    assert "Test accuracy, MNIST" in accuracy
    for word in ("Dot: mean", "Bar: 95 %", "Small dots", "Diamond"):
        assert word in accuracy
    pairs = to_svg(pairs_chart(pairs=PAIRS), "MNIST").decode()
    assert "Test accuracy of the row less that of the column, MNIST" in pairs
    assert "In percentage points. Green: the row is higher; purple: it is lower" in pairs


def above(chart) -> str:
    """What stands above the chart in a file."""
    said = chart.to_dict()["usermeta"]
    return " ".join([said["title"], *said["lines"]]).replace("\u00a0", " ")


def test_exported_figures_say_over_how_many_seeds_they_are():
    several = above(accuracy_chart(variants=variants(2), runs=RUNS))
    assert several.startswith("Test accuracy, {data set}, 2 seeds Dot: mean over 2 seeds.")
    mixed = variants().assign(num_seeds=[1, 2])
    assert "Dot: mean over 1 to 2 seeds." in above(accuracy_chart(variants=mixed, runs=RUNS))
    one = above(accuracy_chart(variants=variants(), runs=RUNS[RUNS["seed"] == 2]))
    assert one.startswith("Test accuracy, {data set}, seed 2 Dot: this run.")
    assert ", {data set}, 5 seeds " in above(pairs_chart(pairs=PAIRS))
    assert ", {data set}, 1 seed " in above(pairs_chart(pairs=PAIRS.assign(num_seeds=1)))


def test_labels_of_the_accuracy_axis_stay_below_their_ticks():
    for layer in accuracy_chart(variants=variants(), runs=RUNS).to_dict()["layer"]:
        assert layer["encoding"]["x"]["axis"]["labelFlush"] is False
