"""Attribution maps as tiles and as a figure: what is drawn, what is said, what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from ui import map_figure
from ui.map_figure import Tile

IMAGE = np.zeros((28, 28), np.uint8)
IMAGE[10:12, 5:8] = 255


@pytest.fixture
def tile() -> Tile:
    values = np.zeros((28, 28), np.float32)
    values[10, 5], values[11, 6], values[0, 0], values[3, 3] = 2.0, -2.0, -0.4, -0.1
    return Tile(
        title="Group norm",
        verdict="✗ 9, 61 %",
        attributions=values,
        limit=2.0,
        reason=None,
        facts=("Explains logit 9 − logit 4 (predicted minus true)", "Baseline: Black image"),
        warning=None,
        said='a map of "Group norm" & more',
    )


def refused(tile: Tile) -> Tile:
    return replace(tile, attributions=None, reason="Captum has no rule for <this>.")


def test_the_outline_runs_where_ink_meets_paper():
    drawn = map_figure.outline(IMAGE)
    assert drawn.count("v1") == 4 and drawn.count("h1") == 6  # around 3 by 2 pixels
    assert "M5 10v1" in drawn and "M8 11v1" in drawn and "M7 12h1" in drawn
    assert map_figure.outline(np.zeros_like(IMAGE)) == ""


def test_negative_pixels_of_some_size_carry_a_minus(tile):
    drawn = map_figure.map_svg(tile.attributions, tile.limit, IMAGE)
    minus = re.findall(r'd="(M[^"]*h\.44)" stroke="(#\w+)"', drawn)
    assert [path for path, _ in minus] == ["M0.28 0.5h.44", "M6.28 11.5h.44"]
    assert minus[0][1] != minus[1][1] == "#FFFFFF"  # white only on strong colours


def test_a_map_of_zeros_is_drawn_without_a_division(tile):
    assert "stroke-width" in map_figure.map_svg(np.zeros((28, 28), np.float32), 0.0, IMAGE)


def test_a_tile_holds_map_words_and_facts(tile):
    html = map_figure.tiles_html([tile, replace(tile, warning="Mind <this>")], IMAGE)
    assert html.count('role="img"') == 2 and html.count("data:image/png;base64,") == 2
    assert 'aria-label="a map of &quot;Group norm&quot; &amp; more"' in html
    assert html.count("logit 9 − logit 4 (predicted minus true)") == 2
    assert html.count("⚠ Mind &lt;this&gt;") == 1
    ElementTree.fromstring(html.replace("&quot;", "'"))


def test_a_refused_map_is_a_reason_and_never_an_image(tile):
    html = map_figure.tiles_html([refused(tile)], IMAGE)
    assert "<svg" not in html and "data:image" not in html
    assert "<b>No map.</b> Captum has no rule for &lt;this&gt;." in html
    figure = map_figure.figure_svg("Title", [refused(tile)], IMAGE, [])
    assert "<image" not in figure and "Captum has no rule" in figure


@pytest.mark.parametrize("number", [1, 3, 4, 6])
def test_the_figure_is_one_whole_svg_in_rows_of_three(tile, number):
    notes = ["One scale for all maps, from −2 to +2; white is 0."]
    svg = map_figure.figure_svg("Integrated Gradients", [tile] * number, IMAGE, notes)
    root = ElementTree.fromstring(svg)
    inner = root.findall("{http://www.w3.org/2000/svg}svg")
    assert len(inner) == number
    height, width = float(root.get("height")), float(root.get("width"))
    for part in inner:
        assert float(part.get("x")) + float(part.get("width")) <= width
        assert float(part.get("y")) + float(part.get("height")) < height
    assert len({part.get("y") for part in inner}) == -(-number // 3)
    words = "".join(root.itertext())
    assert "Integrated Gradients" in words and notes[0] in words and "Baseline" in words


def test_the_figure_becomes_a_png_that_shows_the_colours(tile):
    import io

    from PIL import Image

    svg = map_figure.figure_svg("Title", [tile], IMAGE, [])
    content = map_figure.to_png(svg)
    colours = {c for _, c in Image.open(io.BytesIO(content)).convert("RGB").getcolors(1 << 20)}
    assert (188, 72, 4) in colours and (0, 114, 178) in colours  # both ends of the scale


def test_the_scale_states_both_ends():
    html = map_figure.scale_html(0.4213, "raises it", "lowers it")
    assert "<span>−0.421</span>" in html and "<span>+0.421</span>" in html
    assert "+ raises it" in html and "− lowers it" in html
    assert "<span>+end</span>" in map_figure.scale_html(None, "raises it", "lowers it")


def test_words_say_where_a_map_counts(tile):
    words = map_figure.describe_map(tile.attributions, IMAGE)
    assert "largest +2 in row 11, column 6 of 28" in words
    assert "smallest −2 in row 12, column 7 of 28" in words
    assert words.startswith("89 % of its size lies on the ink")  # 4 of 4.5
    assert map_figure.describe_map(np.zeros((28, 28)), IMAGE) == "0 % of its size lies on the ink"
