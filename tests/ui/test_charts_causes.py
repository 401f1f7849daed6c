"""The forest charts and the two tables show every figure, and say it too."""

import numpy as np
import pandas as pd

from core.analysis.counterfactual import Change
from core.analysis.failure_causes import ALL
from core.analysis.nuisances import NUISANCES
from core.analysis.survey_table import survey_frame
from core.config import VARIANTS
from ui import charts_causes as charts
from ui.change_table import change_table
from ui.charts import VARIANT_LABELS, to_svg
from ui.palette import VARIANT_COLORS, VARIANT_SHAPES

COLUMNS = ["property", "effect", "low", "high"]


def effects(column: str, groups: list[str]) -> pd.DataFrame:
    rows = [(g, p, e, e - 0.3, e + 0.3) for g in groups for p, e in (("size", 0.5), ("slant", 0.1))]
    return pd.DataFrame(rows, columns=[column, *COLUMNS])


def spec_scales(spec: dict) -> tuple[dict, dict]:
    encoding = spec["layer"][2]["encoding"]
    return encoding["color"]["scale"], encoding["shape"]["scale"]


def test_variants_keep_their_colour_and_shape():
    frame = effects("variant", list(VARIANTS))
    spec = charts.variant_forest(frame).to_dict()
    color, shape = spec_scales(spec)
    assert color == {"domain": list(VARIANTS), "range": list(VARIANT_COLORS.values())}
    assert shape == {"domain": list(VARIANTS), "range": list(VARIANT_SHAPES.values())}
    assert spec["layer"][0]["encoding"]["x"]["title"] == charts.EFFECT


def test_normalizations_come_behind_the_mean_of_all():
    spec = charts.norm_forest(effects("norm", ["batch", ALL, "group"])).to_dict()
    color, shape = spec_scales(spec)
    assert color["domain"] == [ALL, "group", "batch"]
    assert len(set(color["range"])) == len(set(shape["range"])) == 3


def test_full_points_are_those_whose_interval_excludes_0():
    spec = charts.variant_forest(effects("variant", ["gn"])).to_dict()
    [rows] = [rows for rows in spec["datasets"].values() if len(rows) == 2]
    assert [row["sure"] for row in rows] == [True, False]
    assert [row["name"] for row in rows] == ["Size", "Slant"]


def test_charts_can_be_exported_and_are_said_in_words():
    frame = effects("norm", ["group", "layer"])
    assert to_svg(charts.norm_forest(frame)).startswith(b"<svg")
    said = charts.describe_effects(frame, "Interactions")
    assert "4 effects" in said and "Group norm, size +0.50 (+0.20 to +0.80)" in said
    none = charts.describe_effects(frame[frame["property"] == "slant"], "Interactions")
    assert none.endswith("none excludes 0.")


def test_the_survey_has_a_cell_for_every_variant_and_marks_what_is_missing():
    thinner = "3" * 5 + "1" * 55 + "2" * 5 + "0" * 35
    layer = "3" * 5 + "2" * 5 + "0" * 90
    rows = [["nuisance", "thickness", -1, thinner], ["layer", "3", 0, layer]]
    pairs = {"failing": list(range(100)), "controls": list(range(100, 200))}
    frame = survey_frame({"gn": [{**pairs, "rows": rows}]})
    html = charts.survey_table(frame, {"gn": "Group norm", "ln": "Layer norm"})
    assert html.count("<tr>") == 3 and html.count('title="not computed"') == 2
    assert "+50 <small>60 / 10</small>" in html and "−5 <small>5 / 10</small>" in html
    assert html.count(" best") == 1
    assert "60 % of failures repaired, 10 % of controls broken" in html


def change(variant: str, severity: float | None, broken: int = 1) -> Change:
    nothing = Change(variant, NUISANCES["thickness"], -1, 3, True)
    if severity is None:
        return nothing
    image = np.full((28, 28), 0.5, np.float32)
    return Change(
        *(variant, NUISANCES["thickness"], -1, 3, True),
        severity=severity,
        predicted=8,
        lasts=broken == 1,
        image=image,
        broken=broken,
        num_controls=50,
    )


def test_changes_are_shown_with_picture_amount_and_controls():
    found = [change("gn", -0.6), change("ln", None), change("bn_l1", -1.2, 20)]
    labels = {key: VARIANT_LABELS[key] for key in ("gn", "ln", "bn_l1")}
    html = change_table(found, labels, tuple("0123456789"))
    assert "−0.6 px → 8 <small>1/50</small>" in html
    assert html.count(" best") == 1 and html.count("<img ") == 2
    assert html.count("nothing within the range") == 1
    assert 'alt="if the stroke were 1.2 px thinner, it says 8; 20 of 50 controls turn too' in html
    assert "−1.2 px ↩" in html and "further out it turns back" in html


def test_rows_in_which_nothing_was_found_are_left_out():
    html = change_table([change("gn", None)], {"gn": "Group norm"}, tuple("0123456789"))
    assert "Stroke thickness" not in html
