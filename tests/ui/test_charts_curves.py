"""Curve charts: their layers, scales and selections, not their pixels."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from core.config import VARIANTS
from core.published import history
from tests.fixtures_runs import default_records
from ui.charts import to_svg
from ui.charts_curves import curves_chart, describe, panel_spec, panels_chart
from ui.curves_data import QUANTITIES, Curves, all_epochs, curves
from ui.palette import VARIANT_COLORS

MAX_ROWS = 5_000


def make(seeds: int = 1, title: str = "Test loss", log: bool = False) -> Curves:
    records = [
        (key, seed, pd.DataFrame(default_records(variant, seed, 4, 200)))
        for key, variant in VARIANTS.items()
        for seed in range(1, seeds + 1)
    ]
    return curves(QUANTITIES[title], all_epochs(records), history(), epochs=(1, 25), log=log)


def marks(spec: dict) -> list[str]:
    return [layer["mark"]["type"] for layer in spec["layer"]]


def params(spec: dict) -> dict[str, dict]:
    return {param["name"]: param for param in spec["params"]}


def test_one_seed_is_drawn_as_published_line_and_end():
    assert marks(curves_chart(make()).to_dict()) == ["line", "line", "point", "rule"]


def test_several_seeds_add_a_band_and_on_choice_single_lines():
    spec = curves_chart(make(seeds=3), singles=True).to_dict()
    assert marks(spec) == ["area", "line", "line", "line", "point", "rule"]


def test_published_line_is_dashed_and_ours_is_not():
    published, ours = curves_chart(make()).to_dict()["layer"][:2]
    assert published["mark"]["strokeDash"] and "strokeDash" not in ours["mark"]


def test_what_is_not_comparable_has_no_published_line():
    assert marks(curves_chart(make(title="Train cross-entropy")).to_dict()).count("line") == 1


def test_pointing_legend_and_zoom_are_selections():
    spec = curves_chart(make()).to_dict()
    found = params(spec)
    assert found["legend"]["bind"] == "legend"
    assert found["zoom"]["bind"] == "scales"
    assert "ctrlKey" in found["zoom"]["select"]["zoom"]  # the wheel alone scrolls the page
    assert "mouse" in found["zoom"]["select"]["translate"]  # and so does a finger
    assert found["pointed"]["select"]["nearest"] is True
    tooltip = spec["layer"][-1]["encoding"]["tooltip"]
    assert len(tooltip) == 1 + 2 * len(VARIANTS)  # the epoch, then ours and the published


@pytest.mark.parametrize(("log", "scale"), [(False, "linear"), (True, "log")])
def test_axes_have_units_and_the_chosen_scale(log, scale):
    y = curves_chart(make(log=log), log=log).to_dict()["layer"][0]["encoding"]["y"]
    assert y["title"] == "Test loss (nats)"
    assert y["scale"]["type"] == scale


def test_every_variant_has_its_colour():
    scale = curves_chart(make()).to_dict()["layer"][0]["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == VARIANT_COLORS


def test_ten_seeds_stay_below_the_row_limit():
    spec = curves_chart(make(seeds=10), singles=True).to_dict()
    assert sum(len(rows) for rows in spec["datasets"].values()) < MAX_ROWS


def test_panels_share_their_axis_and_carry_their_names_in_the_export():
    shown = make()
    spec = panels_chart(shown, list(VARIANTS)).to_dict()
    assert [panel["title"] for panel in spec["concat"]] == [v.label for v in VARIANTS.values()]
    for panel in spec["concat"]:
        bounds = panel["layer"][0]
        ends = [row["value"] for row in spec["datasets"][bounds["data"]["name"]]]
        assert tuple(ends) == shown.domain
        assert bounds["mark"]["opacity"] == 0


def test_a_panel_shows_the_others_in_grey():
    context = panel_spec(make(), "gn")["layer"][1]
    assert "color" not in context["encoding"] and context["mark"]["color"].startswith("#")


def test_description_says_where_each_variant_ends():
    text = describe(make(title="Test accuracy"))
    assert text.startswith("Test accuracy (%) over epochs")
    assert "Batch norm + L1 98" in text


@pytest.mark.parametrize("title", ["Test loss", "Test accuracy", "Train cross-entropy"])
@pytest.mark.parametrize("panels", [False, True])
def test_a_log_scale_ends_near_the_curves_and_has_labels(title, panels):
    shown = make(seeds=2, title=title, log=True)
    chart = panels_chart(shown, ["gn"], log=True) if panels else curves_chart(shown, log=True)
    svg = to_svg(chart).decode()
    ends = re.search(r"for a log scale with values from ([\d.]+) to ([\d.]+)", svg)
    (low, high), (least, most) = map(float, ends.groups()), shown.domain
    assert 0.85 * least < low < least and most < high < 1.2 * most
    labels = svg[ends.start() :].split("role-axis-label")[1].split("</g>")[0]
    shown_labels = re.findall(r">([\d.]+)</text>", labels)
    assert len(shown_labels) >= 3
    assert "1" in shown_labels or not least < 1 < most
    assert not {"0.09", "0.9", "9"} & set(shown_labels)
