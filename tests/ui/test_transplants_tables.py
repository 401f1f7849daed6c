"""The matrix, the flips and the feature maps as HTML, and the charts of the Inside page."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from core.analysis.flow_table import AFTER, LAYERS, flow_table
from core.analysis.inside import LayerView
from core.analysis.map_images import NEGATIVE, POSITIVE
from core.config import VARIANTS
from ui import charts_inside as charts
from ui import inside_flow, inside_maps
from ui.charts import to_svg
from ui.transplants_tables import flips_html, matrix_html


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    cell = {"low_percent": 40.0, "high_percent": 60.0}
    return pd.DataFrame(
        {"variant": key, "norm": norm, "own": norm == own, "accuracy_percent": accuracy, **cell}
        for key, own in (("gn", "group"), ("bn_l1", "batch"))
        for norm, accuracy in (("batch", 50.0), ("group", 99.25), ("layer", 12.34))
    )


def test_every_cell_can_be_pressed_and_says_what_it_is(table):
    html = matrix_html(table, ("gn", "layer"))
    assert re.findall('data-pick="([^"]+)"', html) == [
        f"{key}-{norm}" for key in ("gn", "bn_l1") for norm in ("batch", "group", "layer")
    ]
    assert html.count('aria-pressed="true"') == 1
    assert 'data-pick="gn-layer" aria-pressed="true"' in html
    said = "Weights of Group norm under group norm: 99.25 % right, 95 % interval 40.0 – 60.0 %"
    assert f'aria-label="{said}, as trained"' in html
    assert html.count('class="shade own"') == 2 and "--share:0.993" in html


def test_a_flip_shows_the_picture_the_label_and_both_answers():
    frame = pd.DataFrame({"index": [1], "target": [8], "before": [8], "after": [3]})
    images = np.zeros((2, 28, 28), np.uint8)
    names = [str(digit) for digit in range(10)]
    html = flips_html(frame, images=images, class_names=names, color="#000000")
    assert "test image 1, an 8: as trained an 8, transplanted a 3" in html
    assert html.count("<img") == 1 and "8 → 3" in html and "label 8" in html
    bare = flips_html(frame, images=None, class_names=names, color="#000000")
    assert "<img" not in bare and "8 → 3" in bare


def test_a_mosaic_holds_the_maps_in_rows_of_four_with_lines_between():
    maps = np.zeros((5, 2, 3))
    maps[0], maps[4] = 2, -2
    picture = inside_maps.mosaic(maps, 2)
    assert picture.shape == (5, 15, 3)
    assert (picture[:2, :3] == POSITIVE).all() and (picture[3:, :3] == NEGATIVE).all()
    assert (picture[:2, 4:7] == 255).all()
    assert (picture[2] == inside_maps.GAP).all() and (picture[:, 3] == inside_maps.GAP).all()


def test_a_tile_states_scales_ranges_and_groups():
    before = np.array([[[-4.0, 2.0]], [[0.0, 1.0]]], np.float32)
    mean, std = np.array([-0.5, 0.25], np.float32), np.array([0.5, 2], np.float32)
    html = inside_maps.tile("Group <norm>", "✓ 3", LayerView(1, mean, std, before, before / 2))
    assert "Group &lt;norm&gt;" in html and "Group <norm>" not in html
    facts = re.findall("<li>([^<]+)</li>", html)
    assert facts[:3] == ["2 groups of values", "μ −0.50 to +0.25", "σ 0.50 to 2.00"]
    assert facts[3:] == ["Before −4.00 to +2.00", "After −2.00 to +1.00", "ReLU lets 50 % pass"]
    assert "Before, ±4" in html and "After, ±2" in html
    assert "2 feature maps of Group &lt;norm&gt;, after; values −2.00 to +1.00" in html


def flow(seeds: tuple[int, ...] = (1,), **norms: float) -> pd.DataFrame:
    """A table of two variants whose weights have these norms in every layer."""
    rows = [
        {
            "variant": key,
            "seed": seed,
            "when": AFTER,
            "layer": layer,
            "weight_norm": norm * seed,
            "effective_learning_rate": 0.01 / (norm * seed) ** 2 if "conv" in layer else np.nan,
            "gradient_norm": 0.5,
            "activation_gradient_norm": 2.0 if layer == "conv1" else 1.0,
        }
        for key, norm in norms.items()
        for seed in seeds
        for layer in LAYERS
    ]
    return flow_table(pd.DataFrame(rows))


@pytest.mark.parametrize("measure", charts.MEASURES)
def test_a_flow_chart_draws_every_layer_on_a_log_axis_with_a_title(measure):
    table = flow(gn=1.0, ln=2.0)
    spec = charts.flow_chart(table, measure).to_dict()
    y = spec["layer"][0]["encoding"]["y"]
    assert y["scale"]["type"] == "log" and y["title"] == charts.MEASURES[measure][1]
    part = table[table["measure"] == measure]
    low, high = y["scale"]["domain"]
    assert 0 < low < part["value"].min() and part["value"].max() < high
    assert len(part) == 2 * (7 if measure == "effective_learning_rate" else 9)
    shapes = [layer["encoding"].get("shape") for layer in spec["layer"]]
    assert sum(shape is not None for shape in shapes) == 1
    [data] = spec["datasets"].values()
    assert {row["label"] for row in data} == {"Group norm", "Layer norm"}
    assert all(layer["encoding"]["tooltip"][0]["field"] == "label" for layer in spec["layer"])


def test_the_axis_leaves_room_for_intervals():
    table = flow(seeds=(1, 2), gn=1.0)
    part = table[table["measure"] == "weight_norm"]
    spec = charts.flow_chart(table, "weight_norm").to_dict()
    low, high = spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert low < part["low"].min() < 1 < 2 < part["high"].max() < high


def test_the_axis_names_all_its_ticks():
    frame = pd.DataFrame({"variant": "gn", "layer": ["norm1", "norm2"], "value": [0.25, 0.95]})
    frame = frame.assign(low=frame["value"], high=frame["value"])
    svg = to_svg(charts.sigma_chart(frame, about="test image 17"), "MNIST").decode()
    assert all(f">{number}</text>" in svg for number in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1))


def test_a_chart_in_words_names_both_ends():
    part = flow(gn=2.0).query("measure == 'weight_norm'")
    said = charts.lines_alt(part, "Weight norm")
    assert said == "Weight norm by layer: Group norm 2 in conv1, 2 in classifier."


def test_the_sentence_names_the_fastest_and_the_slowest():
    said = inside_flow.sentence(flow(gn=1.0, ln=2.0))
    names = VARIANTS["gn"].label, VARIANTS["ln"].label
    assert said.startswith("**A step turns the weights of {} most and those of {}".format(*names))
    assert "differ 4.0-fold" in said and "2.00-fold" in said
    assert "All variants have the same" in inside_flow.sentence(flow(gn=2.0, ln=2.0))
