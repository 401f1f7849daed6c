"""The chart of accuracy per class: its data and its specification."""

from __future__ import annotations

import pandas as pd
import pytest

from ui.charts import to_svg
from ui.charts_failures import class_accuracy_chart

CLASSES = ("0", "1")


@pytest.fixture
def frame() -> pd.DataFrame:
    ours = {
        "low_percent": [98.0, 97.0],
        "high_percent": [99.9, 99.5],
        "errors": 1,
        "num_images": 99,
    }
    parts = [
        pd.DataFrame(
            {"class": CLASSES, "accuracy_percent": [99.0, 98.5], "kind": "mean over seeds", **ours}
        ),
        pd.DataFrame({"class": CLASSES, "accuracy_percent": [98.9, 98.6], "kind": "single seeds"}),
        pd.DataFrame({"class": CLASSES, "accuracy_percent": [99.6, 99.7], "kind": "published"}),
    ]
    return pd.concat(parts, ignore_index=True)


def test_intervals_belong_to_what_has_one_only(frame):
    spec = class_accuracy_chart(frame, color="#0072B2", order=CLASSES).to_dict()
    rule, marks, _ = spec["layer"]
    assert rule["mark"]["type"] == "rule"
    assert rule["transform"] == [
        {"filter": {"field": "kind", "oneOf": ["this run", "mean over seeds"]}}
    ]
    assert (rule["encoding"]["x"]["field"], rule["encoding"]["x2"]["field"]) == (
        "low_percent",
        "high_percent",
    )
    assert marks["encoding"]["x"]["field"] == "accuracy_percent"
    tooltips = {item["field"]: item for item in marks["encoding"]["tooltip"]}
    assert tooltips["errors"]["format"] == ".1~f"  # 8, 8.3, never 8.33333


def test_accuracy_does_not_start_at_zero_and_classes_keep_their_order(frame):
    spec = class_accuracy_chart(frame, color="#0072B2", order=CLASSES[::-1]).to_dict()
    encoding = spec["layer"][1]["encoding"]
    assert encoding["x"]["scale"]["zero"] is False
    assert encoding["y"]["sort"] == ["1", "0"]


def test_the_legend_names_only_what_is_there(frame):
    def kinds(part: pd.DataFrame) -> list[str]:
        spec = class_accuracy_chart(part, color="#0072B2", order=CLASSES).to_dict()
        return spec["layer"][1]["encoding"]["shape"]["scale"]["domain"]

    assert kinds(frame) == ["mean over seeds", "single seeds", "published"]
    assert kinds(frame[frame["kind"] == "published"]) == ["published"]


def test_it_can_be_exported(frame):
    chart = class_accuracy_chart(frame, color="#0072B2", order=CLASSES, label="Group norm")
    svg = to_svg(chart, "MNIST")
    assert b"Test accuracy of Group norm for each class, MNIST" in svg and b">Class<" in svg
    assert b"Test accuracy in %" in svg and b"published" in svg


def test_what_is_not_known_of_published_figures_is_left_out(frame):
    shown = frame[frame["kind"] != "single seeds"]
    svg = to_svg(class_accuracy_chart(shown, color="#0072B2", order=CLASSES))
    assert b"Errors: 1; Images: 99" in svg and b"null" not in svg
