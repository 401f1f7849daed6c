"""What all charts share: colours that can be told from the background, labels, and export."""

from __future__ import annotations

import re

import altair as alt
import pandas as pd
import pytest

from core.config import VARIANTS
from ui.charts import (
    DATA_SET,
    INK,
    INK_ON_DARK,
    titled,
    to_png,
    to_svg,
    variant_color_scale,
    variant_label_expression,
)
from ui.palette import VARIANT_COLORS, VARIANT_SHAPES

BACKGROUNDS = {"light": "#FFFFFF", "dark": "#11161D"}


def luminance(color: str) -> float:
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", BACKGROUNDS.values(), ids=BACKGROUNDS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_can_be_seen_on_both_themes(variant, background):
    assert contrast(VARIANT_COLORS[variant], background) >= 3


def test_every_variant_has_a_colour_and_a_shape_of_its_own():
    assert list(VARIANT_COLORS) == list(VARIANT_SHAPES) == list(VARIANTS)
    assert len(set(VARIANT_COLORS.values())) == len(set(VARIANT_SHAPES.values())) == len(VARIANTS)
    assert variant_color_scale().to_dict()["domain"] == list(VARIANTS)


def test_labels_are_words_with_a_short_form():
    assert '"gn": "Group norm"' in variant_label_expression()
    assert '"gn": "Group"' in variant_label_expression(short=True)


@pytest.fixture
def chart() -> alt.Chart:
    frame = pd.DataFrame({"epoch": [1, 2], "loss": [0.2, 0.1]})
    return alt.Chart(frame).mark_line().encode(x="epoch", y="loss")


def test_png_is_a_picture_of_its_own_palette(chart):
    assert to_png(chart).startswith(b"\x89PNG\r\n\x1a\n")


def test_svg_is_on_white(chart):
    svg = to_svg(chart).decode()
    assert svg.startswith("<svg") and 'fill="#FFFFFF"' in svg


def test_exports_have_no_frame_and_room_for_what_stands_in_cells(chart):
    assert 'stroke="#ddd"' not in to_svg(chart).decode()
    cells = pd.DataFrame({"column": ["a", "b", "c"], "value": [1, 2, 3]})
    x = alt.X("column:N", axis=None)
    matrix = alt.Chart(cells).mark_rect().encode(x=x, color=alt.Color("value:Q", legend=None))
    width = float(re.search(r'width="([\d.]+)"', to_svg(matrix).decode())[1])
    assert width >= 3 * 50
    assert float(re.search(r'width="([\d.]+)"', to_svg(chart).decode())[1]) >= 500


def test_a_title_stands_in_exported_files_only_and_names_the_data_set(chart):
    shown = titled(chart, f"Loss, {DATA_SET}", "Line: mean.", "Dashed: published.")
    svg = to_svg(shown, "MNIST").decode()
    assert all(words in svg for words in ("Loss, MNIST", "Line: mean.", "Dashed: published."))
    assert "title" not in shown.to_dict() and "Loss, " not in to_svg(chart).decode()


def test_exported_files_write_labels_out_that_a_page_cuts_off():
    long = "Batch norm + L1 + L2 with a name of its own that goes on and on"
    axis, legend = alt.Axis(labelLimit=40), alt.Legend(labelLimit=40)
    y, color = alt.Y("variant:N", axis=axis), alt.Color("variant:N", legend=legend)
    bars = alt.Chart(pd.DataFrame({"variant": [long]})).mark_bar().encode(y=y, color=color)
    panels = alt.hconcat(alt.layer(bars))
    assert to_svg(panels).decode().count(long) >= 2
    assert to_svg(panels).decode().count("…") == 0
    assert '"labelLimit": 40' in panels.to_json()


def test_numbers_in_charts_can_be_read_on_both_themes():
    assert contrast(INK, BACKGROUNDS["light"]) >= 4.5
    assert contrast(INK_ON_DARK, BACKGROUNDS["dark"]) >= 4.5
