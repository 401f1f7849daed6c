"""Tables, charts and drawings of the Parameters page: their data and specification."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter

import pytest

from core.config import VARIANTS, Variant
from core.model.summary import Summary, summarize
from ui import charts_parameters as charts
from ui import network_graph, norm_cubes
from ui.charts import INK, INK_ON_DARK

GN, LN, BN = "gn", "ln", "bn_l1"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def summaries() -> dict[str, Summary]:
    return {key: summarize(variant) for key, variant in VARIANTS.items()}


def facts(summaries: dict[str, Summary], key: str, layer: str) -> norm_cubes.NormFacts:
    summary = summaries[key]
    row = next(row for row in summary.layers if row.name == layer)
    return norm_cubes.norm_facts(
        summary.variant.norm, row, batch_size=64, groups=summary.variant.num_groups
    )


def test_totals_have_one_row_per_variant_and_the_known_figures(summaries):
    frame = charts.totals_frame(list(summaries.values()))
    assert list(frame) == list(charts.TOTALS_LABELS)
    assert list(frame.variant) == [variant.label for variant in VARIANTS.values()]
    assert set(frame.trainable_parameters) == {7946}
    assert list(frame.running_statistics) == [0, 0, 160, 0, 0, 160]
    assert list(frame.counters) == [0, 0, 7, 0, 0, 7]
    assert list(frame.multiply_adds - frame.normalization_multiply_adds) == [920210] * 6


def test_headlines_say_what_the_table_holds(summaries):
    headlines = charts.headlines(charts.totals_frame(list(summaries.values())))
    assert headlines[0] == ("Trainable parameters", "7,946", "in each of the 6 variants")
    assert headlines[1] == ("Kept by batch norm", "167", "160 statistics, 7 counters")
    assert headlines[2][1:] == ("954,066 – 987,922", "batch norm 3.4 % fewer")


def test_layers_table_shows_shapes_as_text_and_blanks_where_nothing_applies(summaries):
    frame = charts.layers_frame(summaries[GN]).set_index("name")
    assert list(frame.columns) == list(charts.LAYERS_LABELS)[1:]
    assert (
        frame.loc["conv3", "output_shape"] == "12×12×12" and frame.loc["conv3", "kernel"] == "3×3"
    )
    assert frame.loc["norm7", "groups"] == 8
    assert frame.loc["relu1", ["kernel", "groups"]].isna().all()
    assert frame.trainable_parameters.sum() == 7946


@pytest.mark.parametrize("key", VARIANTS)
def test_blocks_sum_to_the_totals(summaries, key):
    frame = charts.blocks_frame(summaries[key])
    assert frame.parameters.sum() == 7946
    assert frame.multiply_adds.sum() == summaries[key].multiply_adds


def test_blocks_split_weights_normalization_and_biases(summaries):
    sums = charts.blocks_frame(summaries[GN]).groupby("kind").parameters.sum()
    assert dict(sums) == {
        "Convolution weights": 7946 - 160 - 34,
        "Normalization": 160,
        "Biases": 24 + 10,
        "Average pooling": 0,
    }


@pytest.mark.parametrize("measure", charts.MEASURES)
def test_chart_stacks_the_measure_in_the_order_of_the_network(summaries, measure):
    frame = charts.blocks_frame(summaries[GN])
    spec = charts.blocks_chart(
        frame, measure=measure, color="#0072B2", label="Group norm"
    ).to_dict()
    bars, labels = spec["layer"]
    assert bars["encoding"]["x"]["field"] == measure
    assert bars["encoding"]["x"]["title"] == charts.MEASURES[measure]
    assert bars["encoding"]["y"]["sort"][:2] == ["conv1", "conv2"]
    drawn = spec["datasets"][bars["data"]["name"]]
    assert sum(row[measure] for row in drawn) == frame[measure].sum()
    beside = spec["datasets"][labels["data"]["name"]]
    assert sum(row[measure] for row in beside) == frame[measure].sum()
    assert all(len(shade) == 9 for shade in bars["encoding"]["color"]["scale"]["range"])


def test_chart_in_words_names_every_block(summaries):
    words = charts.blocks_alt(charts.blocks_frame(summaries[GN]), "parameters")
    assert "conv1 88" in words and "conv7 1,760" in words and "classifier 250" in words
    assert "gap" not in words


@pytest.mark.parametrize(
    ("key", "layer", "values", "means"),
    [
        (BN, "norm1", 64 * 28 * 28, 8),
        (GN, "norm1", 2 * 28 * 28, 64 * 4),
        (LN, "norm1", 8 * 28 * 28, 64),
        (BN, "norm7", 64 * 4 * 4, 16),
        (GN, "norm7", 2 * 4 * 4, 64 * 8),
        (LN, "norm7", 16 * 4 * 4, 64),
    ],
)
def test_values_and_number_of_means_by_hand(summaries, key, layer, values, means):
    known = facts(summaries, key, layer)
    assert (known.values_per_mean, known.num_means) == (values, means)


def test_cards_say_what_is_kept_and_that_trainable_parameters_are_equal(summaries):
    cards = {key: norm_cubes.card_rows(facts(summaries, key, "norm1")) for key in (BN, GN, LN)}
    assert cards[BN]["Kept between batches"] == "16 statistics, 1 counter"
    assert cards[GN]["Kept between batches"] == cards[LN]["Kept between batches"] == "nothing"
    assert len({card["Trainable parameters"] for card in cards.values()}) == 1
    assert cards[GN]["Groups"].startswith("4, 4, 6, 6, 6, 6, 8")


@pytest.mark.parametrize(("key", "sets"), [(BN, 8), (GN, 4 * 3), (LN, 3)])
def test_cells_of_a_block_fall_into_equal_sets(summaries, key, sets):
    known = facts(summaries, key, "norm1")
    sizes = Counter(norm_cubes.set_of(known, n, c) for n in range(3) for c in range(8))
    assert len(sizes) == sets and set(sizes.values()) == {3 * 8 // sets}


@pytest.mark.parametrize(
    ("key", "coloured"),
    [
        (BN, norm_cubes.ROWS + norm_cubes.IMAGES),
        (GN, 2 * (norm_cubes.ROWS + 1)),
        (LN, 8 * (norm_cubes.ROWS + 1) + norm_cubes.ROWS),
    ],
)
def test_one_set_of_the_block_is_coloured(summaries, key, coloured):
    picture = norm_cubes.cube_svg(facts(summaries, key, "norm1"), color="#123456")
    root = ElementTree.fromstring(picture)
    fills = Counter(cell.get("fill") for cell in root.iter("path"))
    assert fills["#123456"] == coloured
    cells = 8 * norm_cubes.ROWS + (8 + norm_cubes.ROWS) * norm_cubes.IMAGES
    assert sum(fills.values()) == cells
    assert root.get("role") == "img" and "one mean" in root.get("aria-label")


def test_card_is_well_formed(summaries):
    card = norm_cubes.norm_card(facts(summaries, GN, "norm3"), color="#123456")
    assert "12 channels" in "".join(ElementTree.fromstring(f"<div>{card}</div>").itertext())


def shades(summary: Summary) -> list[str]:
    """How strongly the sheets of conv1 are drawn, from the front to the back."""
    root = ElementTree.fromstring(network_graph.network_svg(summary, color="#123456"))
    coloured = [p for p in root.iter("path") if p.get("fill") == "#123456"]
    return [sheet.get("fill-opacity") for sheet in coloured[:8]][::-1]


def test_sheets_of_one_shade_share_statistics(summaries):
    strong, weak = str(network_graph.STRONG), str(network_graph.WEAK)
    assert shades(summaries[LN]) == [strong] * 8
    assert shades(summaries[GN]) == [strong, strong, weak, weak] * 2
    assert shades(summaries[BN]) == [strong, weak] * 4
    four = summarize(Variant("gn4", "group", channels_per_group=4))
    assert shades(four) == [strong] * 4 + [weak] * 4


@pytest.mark.parametrize("key", VARIANTS)
def test_graph_shows_every_layer_and_stays_inside_its_frame(summaries, key):
    root = ElementTree.fromstring(network_graph.network_svg(summaries[key], color="#123456"))
    texts = [text.text for text in root.iter("text")]
    for name in ("image", "conv1", "conv7", "pool", "gap", "hidden", "classifier"):
        assert texts.count(name) == 1
    assert {"576", "1,728", "12×12×12", "26×26"} <= set(texts)
    picture = next(root.iter("svg"))
    _, _, width, height = map(float, picture.get("viewBox").split())
    assert all(0 <= float(text.get("x")) <= width for text in root.iter("text"))
    assert all(0 <= float(text.get("y")) <= height for text in root.iter("text"))
    boxes = [(float(box.get("y")), float(box.get("height"))) for box in root.iter("rect")]
    assert min(y for y, _ in boxes) >= 0
    assert max(y + side for y, side in boxes) <= network_graph.PICTURE_HEIGHT
    assert root.get("tabindex") == "0" and "conv1 8×28×28" in picture.get("aria-label")


@pytest.mark.parametrize("key", VARIANTS)
def test_caption_tells_how_to_read_the_shades(key):
    caption = network_graph.caption(VARIANTS[key])
    assert VARIANTS[key].norm in caption and "statistics" in caption


def test_exported_charts_are_real_files(summaries):
    from ui.charts import to_png, to_svg

    frame = charts.blocks_frame(summaries[BN])
    chart = charts.blocks_chart(frame, measure="multiply_adds", color="#009E73", label="Own")
    assert to_png(chart).startswith(b"\x89PNG")
    assert b"Multiply-adds per image of Own" in to_svg(chart)
    assert b"476,672" not in to_svg(chart) and b"464,128" in to_svg(chart)


def test_sums_beside_the_bars_follow_the_background(summaries):
    frame = charts.blocks_frame(summaries[GN])
    inks = [
        charts.blocks_chart(
            frame, measure="parameters", color="#0072B2", label="Group norm", dark=dark
        ).to_dict()["layer"][1]["mark"]["color"]
        for dark in (False, True)
    ]
    assert inks == [INK, INK_ON_DARK]
