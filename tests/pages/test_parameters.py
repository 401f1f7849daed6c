"""The Parameters page as a script: what it shows, and that its choices change it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS

PAGE = Path(__file__).resolve().parents[2] / "pages" / "parameters.py"


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(PAGE), default_timeout=60).run()


def drawings(page: AppTest) -> list[str]:
    return [json.loads(part.proto.json) for part in page.get("bidi_component")]


def choice(page: AppTest, key: str):
    return next(group for group in page.get("button_group") if group.key == key)


def test_it_answers_first_and_then_shows_the_tables(page):
    assert not page.exception and not page.error
    assert page.title[0].value == "Parameters"
    assert page.markdown[0].value.startswith("How large are the networks")
    assert [metric.value for metric in page.metric] == ["7,946", "167", "954,066 – 987,922"]
    totals, layers = (table.value for table in page.dataframe)
    assert list(totals.variant) == [variant.label for variant in VARIANTS.values()]
    assert layers.trainable_parameters.sum() == 7946 and layers.name.iloc[0] == "conv1"


def test_three_norms_and_the_network_are_drawn(page):
    batch, group, layer, network = drawings(page)
    assert "Batch norm" in batch and "16 statistics, 1 counter" in batch
    assert "Group norm" in group and "Layer norm" in layer
    assert 'aria-label="The network of Group norm' in network


def test_charts_have_words_and_files(page):
    words = [chart.proto.alt for chart in page.get("vega_lite_chart")]
    assert len(words) == 2 and all("conv7" in text for text in words)
    labels = [button.proto.label for button in page.get("download_button")]
    assert labels.count("CSV") == 4 and labels.count("PNG") == labels.count("SVG") == 2


def test_choosing_a_layer_redraws_the_blocks(page):
    choice(page, "layer").set_value("norm7").run()
    assert not page.exception
    assert "16 channels" in drawings(page)[1]


@pytest.mark.parametrize("key", VARIANTS)
def test_choosing_a_variant_changes_graph_and_layers(page, key):
    choice(page, "chosen-variant").set_value(key).run()
    assert not page.exception
    assert f"The network of {VARIANTS[key].label}," in drawings(page)[3]
    kept = page.dataframe[1].value.buffers.sum()
    assert kept == (167 if VARIANTS[key].norm == "batch" else 0)


def test_drawings_and_tables_import_no_torch():
    """The page's title and sentence appear before the seconds that torch takes to import."""
    code = (
        "import sys; import ui.charts_parameters, ui.network_graph, ui.norm_cubes, ui.drawing;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PAGE.parents[1]).returncode == 0


@pytest.mark.parametrize(
    ("asked", "shown", "warns"),
    [("ln", "ln", False), ("Layer norm", "ln", False), ("nonsense", "gn", True)],
)
def test_the_address_names_the_variant_by_its_key(asked, shown, warns):
    page = AppTest.from_file(str(PAGE), default_timeout=60)
    page.query_params["variant"] = asked
    page.run()
    assert f"The network of {VARIANTS[shown].label}," in drawings(page)[3]
    assert page.query_params["variant"] == shown
    asked = "The address asks for the variant nonsense, which cannot be chosen here."
    said = [f"{asked} This is Group norm."] * warns
    assert [warning.value for warning in page.warning] == said
