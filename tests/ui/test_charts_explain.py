"""The charts of the Explain page: what they encode, and that their words say the same."""

from __future__ import annotations

import math
from dataclasses import replace

import altair as alt
import pandas as pd
import pytest

from core.analysis.curves import Curve
from core.analysis.faithfulness import Infidelity
from core.analysis.randomization import LAYERS, MAX_SIMILARITY, RandomizationCheck
from core.analysis.similarity import SeedSimilarity
from core.analysis.trust import Trust
from ui import charts_explain as charts
from ui import charts_trust
from ui.charts import to_png, to_svg
from ui.failures_tables import RIGHT, WRONG

ABOUT = "test image 17"


@pytest.fixture
def verdicts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "variant": ["gn", "ln"],
            "label": ["Group norm", "Layer norm"],
            "predicted": ["9", "4"],
            "right": [False, True],
            "probability": [0.61, 0.999],
            "true_probability": [0.3, 0.999],
            "margin": [-1.25, 4.0],
        }
    )


@pytest.fixture
def layers() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "layer": [1, 2],
            "phi": [0.1, 1.5],
            "control_band": [0.4, math.inf],
            "donor_band": [0.3, 0.2],
            "control_low": [-0.4, -math.inf],
            "donor_low": [-0.3, -0.1],
            "flips": [False, True],
            "break_rate": [0.1, 0.2],
            "fix_rate": [0.3, 0.4],
            "named": [False, True],
        }
    )


def drawn(layers: pd.DataFrame) -> alt.LayerChart:
    return charts.layers_chart(
        layers, "#0072B2", label="Group norm", about=ABOUT, controls=200, donors=200
    )


def rows(spec: dict, layer: int) -> list[dict]:
    data = spec["layer"][layer].get("data") or spec["data"]
    return spec["datasets"][data["name"]]


def test_wrong_variants_differ_by_side_colour_and_mark(verdicts):
    spec = charts.margin_chart(verdicts, about=ABOUT).to_dict()
    bars, _, texts = spec["layer"]
    assert bars["encoding"]["color"]["scale"] == {
        "domain": ["right", "wrong"],
        "range": [RIGHT, WRONG],
    }
    shown = rows(spec, 0)
    assert [row["words"] for row in shown] == ["✗ 9, 61 %", "✓ 4, > 99 %"]
    assert [row["at"] for row in shown] == [0, 4]  # words never lie on a bar
    low, high = bars["encoding"]["x"]["scale"]["domain"]
    assert low < -1.25 and high > 4.0 and texts["encoding"]["x"]["scale"]["domain"] == [low, high]
    assert "Group norm wrong, −1.25; Layer norm right, +4.00." in charts.margin_alt(verdicts)


def test_one_scale_holds_zero_even_where_all_are_right(verdicts):
    spec = charts.margin_chart(verdicts[verdicts["right"]], about=ABOUT).to_dict()
    low, high = spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert low < 0 < 4 < high


def test_a_named_layer_says_so_and_what_is_not_finite_is_not_drawn(layers):
    spec = drawn(layers).to_dict()
    shown = rows(spec, 0)
    assert [row["words"] for row in shown] == ["", "named · flips it"]
    assert shown[1]["control_band"] is None and shown[1]["control_low"] is None
    assert [row["at"] for row in shown] == [0.4, 1.5]
    assert "layer 1 +0.10; layer 2 +1.50, named." in charts.layers_alt(layers)
    assert to_svg(drawn(layers)).count(b"named") >= 1


def test_the_parts_of_a_channel_are_stacked_and_their_sum_is_marked():
    frame = pd.DataFrame(
        {
            "channel": [1, 2],
            "total": [0.5, -2.0],
            "reference": [0.2, -1.0],
            "content": [0.2, -0.5],
            "rescaling": [0.1, -0.5],
        }
    )
    spec = charts.channels_chart(frame, label="Group norm", about=ABOUT).to_dict()
    bars, dots = spec["layer"]
    found = pd.DataFrame(rows(spec, 0))
    assert found.groupby("channel")["value"].sum().tolist() == pytest.approx([0.5, -2.0])
    assert bars["encoding"]["color"]["scale"]["domain"] == ["reference", "own map", "rescaling"]
    assert dots["encoding"]["y"]["field"] == "total"
    words = charts.channels_alt(frame)
    assert words.index("channel 2 −2.00, of which rescaling −0.50") < words.index("channel 1")


def test_shares_are_on_one_scale_from_none_to_all():
    frame = pd.DataFrame({"variant": ["gn", "bn_l1"], "share": [0.36, 0.0]})
    spec = charts.shares_chart(frame, about=ABOUT).to_dict()
    assert spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == [0, 1]
    svg = to_svg(charts.shares_chart(frame, about=ABOUT)).decode()
    assert ">36 %<" in svg and ">60 %<" in svg and "%" not in svg.replace(" %", "")


def curve(kind: str, p_value: float) -> Curve:
    return Curve(
        kind=kind,
        shares=(0.0, 0.5, 1.0),
        values=(3.0, -1.0, -2.0),
        mean=(3.0, 1.0, -2.0),
        low=(3.0, 0.5, -2.0),
        high=(3.0, 2.0, -2.0),
        auc=-0.25,
        random_auc=0.75,
        random_auc_low=0.5,
        random_auc_high=1.25,
        p_value=p_value,
        num_pixels=285,
        num_orders=39,
    )


@pytest.fixture
def trust() -> Trust:
    values = tuple(0.9 - 0.1 * n for n in range(len(LAYERS)))
    check = RandomizationCheck(LAYERS, values, values, values, values[-1], True, "conv5", 5)
    return Trust(
        randomization=check,
        infidelity=Infidelity(3.6, 0.6, 200),
        max_sensitivity=0.41,
        deletion=curve("deletion", 0.025),
        insertion=curve("insertion", 0.4),
        seeds=SeedSimilarity(0.03, -0.2, 0.25, 10, 45),
    )


def test_the_limit_is_that_of_the_check():
    assert charts_trust.FAILS_ABOVE == MAX_SIMILARITY


def test_the_tests_of_a_map_in_words(trust):
    check, deletion, insertion, infidelity, sensitivity, seeds = charts_trust.trust_words(trust)
    assert check.startswith(":material/check: **Randomized weights: passed.**")
    assert "is 0.10 in size, the mean of 5 networks" in check and "until conv5 is drawn" in check
    assert deletion.startswith(":material/check: **Deletion: lower than random orders.**")
    assert "−0.25; random orders +0.75 (+0.50 to +1.25), p = 0.025" in deletion
    assert insertion.startswith(":material/close: **Insertion: no better than random orders.**")
    assert "**Infidelity 3.6**" in infidelity and "60 %" in infidelity
    assert "by up to 41 % of its size" in sensitivity
    assert "**Seeds: +0.03.**" in seeds and "from −0.20 to +0.25" in seeds


def test_what_fails_or_is_missing_is_said(trust):
    failed = replace(trust.randomization, all_layers=0.8, passed=False, alike_until=None)
    without = replace(trust, randomization=failed, seeds=None, infidelity=Infidelity(0, None, 9))
    words = charts_trust.trust_words(without)
    assert words[0].startswith(":material/close: **Randomized weights: failed")
    assert "the output does not change" in words[3] and "no valid map of another seed" in words[5]


def test_a_map_is_drawn_beside_its_random_counterparts(trust):
    frame = trust.curves_frame()
    specs = [
        charts_trust.curve_chart(frame, k, "#D55E00").to_dict() for k in ("deletion", "insertion")
    ]
    domains = [spec["layer"][2]["encoding"]["y"]["scale"]["domain"] for spec in specs]
    assert domains[0] == domains[1] == [-2.0, 3.0]
    area, mean, own = specs[0]["layer"]
    assert (area["encoding"]["y"]["field"], area["encoding"]["y2"]["field"]) == ("low", "high")
    assert (mean["encoding"]["y"]["field"], own["encoding"]["y"]["field"]) == ("mean", "value")
    assert own["mark"]["point"]["color"] == own["mark"]["color"] == "#D55E00"
    figure = charts_trust.curves_figure(trust, "#D55E00", of="a map", target="logit 9")
    assert to_png(figure).startswith(b"\x89PNG")
    assert (
        charts_trust.curve_alt(trust.deletion)
        == "Deletion: mean output −0.25, random orders +0.75."
    )


def test_the_randomization_chart_shows_the_limit(trust):
    spec = charts_trust.randomization_chart(
        trust.randomization.frame(), of="a map", num_networks=5
    ).to_dict()
    assert rows(spec, 2) == [{"x": MAX_SIMILARITY}]
    assert spec["layer"][1]["encoding"]["y"]["sort"] == list(LAYERS)
    assert "classifier 0.90, hidden 0.80" in charts_trust.randomization_alt(trust.randomization)


def test_of_unknown_truth_the_bars_have_the_variants_colours_and_no_marks(verdicts):
    frame = verdicts.assign(right=None, true_probability=None, margin=verdicts["margin"].abs())
    spec = charts.margin_chart(frame, about=ABOUT).to_dict()
    bars = spec["layer"][0]["encoding"]
    assert bars["color"]["field"] == "variant"
    assert "True label's probability" not in [one["title"] for one in bars["tooltip"]]
    words = [row["words"] for rows in spec["datasets"].values() for row in rows if "words" in row]
    assert words and not any("✓" in text or "✗" in text for text in words)
    assert "right" not in charts.margin_alt(frame) and "wrong" not in charts.margin_alt(frame)
