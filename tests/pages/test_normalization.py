"""Normalization by hand as a script: the table, what follows from it, and real layers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.analysis.by_hand_table import from_text, random_table
from ui import own_images

PAGE = Path(__file__).resolve().parents[2] / "pages/normalization.py"


@pytest.fixture
def drawn_seven() -> own_images.OwnImage:
    """A bar and a slanted stroke, of which nobody has said what it is."""
    image = np.zeros((28, 28), np.uint8)
    image[6:8, 8:20] = 255
    for row in range(8, 22):
        column = 19 - (row - 8) // 2
        image[row, column : column + 2] = 255
    return own_images.OwnImage(image, "seven", "drawing", None, ())


def table_app():
    from ui import byhand_view

    byhand_view.show()


def table_only(**query: str) -> AppTest:
    """All that follows from the table, without the networks below it."""
    app = AppTest.from_function(table_app, default_timeout=120)
    app.query_params.update(query)
    return checked(app.run())


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=120)
    app.query_params.update({"dataset": "digits", "seed": "1", **query})
    return checked(app.run())


def checked(app: AppTest) -> AppTest:
    assert not app.exception and not app.error
    return app


def drawing(app: AppTest, key: str):
    [part] = [part for part in app.get("bidi_component") if part.proto.id.endswith(f"-{key}")]
    return json.loads(part.proto.json)


def norm(app: AppTest, key: str) -> dict:
    return next(one for one in drawing(app, "byhand-grid")["norms"] if one["key"] == key)


def words(app: AppTest) -> str:
    return "\n".join(str(part.value) for part in [*app.markdown, *app.caption, *app.info])


def address_of(app: AppTest, name: str) -> str | None:
    found = app.query_params.get(name)
    return found[0] if isinstance(found, list) else found


def test_the_formula_of_the_chosen_cell_is_filled_in():
    app = table_only(table="1x2x1x2~1_3_5_7~1_2~0_0.5", norm="instance", cell="1.2.1.2", eps="0")
    steps = drawing(app, "byhand-steps")
    for part in (
        "the 2 values of channel 2 of image 1",
        "(5 + 7) / 2 = 12 / 2 = <b>6</b>",
        "[(5 − 6)² + (7 − 6)²] / 2 = <b>1</b>, divided by 2, not 1",
        "(7 − 6) / √(1 + 0) = <b>1</b>",
        "2 · 1 + 0.5 = <b>2.5</b>",
    ):
        assert part in steps
    grid = drawing(app, "byhand-grid")
    assert (grid["cell"], grid["cells"]["v3"], grid["cells"]["b1"]) == ("v3", "7", "0.5")
    assert norm(app, "instance")["y"] == ["−1", "1", "−1.5", "2.5"]
    assert norm(app, "layer")["over"] == ["All 2 channels of image 1"]
    assert not app.warning


def test_torchs_layers_agree_on_the_page():
    check = drawing(table_only(table="2x2x1x2~1_3_5_7_2_2_4_8"), "byhand-check")
    assert "nn.BatchNorm2d(2)" in check and "nn.GroupNorm(1, 2)" in check
    assert check.count("e−") + check.count(">0<") == 8  # four layers in two precisions


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("table", "2x2~1", "the table 2x2~1"),
        ("table", "1x1x1x1~<b>", "the table"),
        ("cell", "9.1.1.1", "the cell 9.1.1.1"),
        ("norm", "weight", "the normalization weight"),
        ("per_group", "3", "channels per group: 3"),
        ("eps", "-1", "ε = -1"),
        ("factor", "1e9", "factor = 1e9"),
        ("changed_image", "7", "image 7"),
    ],
)
def test_an_address_that_means_nothing_is_named(name, text, said):
    extra = {"change_part": "image"} if name == "changed_image" else {}
    app = table_only(**{name: text, **extra})
    [warning] = app.warning
    assert said in warning.value.replace("\\", "") and "cannot be chosen here" in warning.value


def test_size_and_numbers_follow_the_controls():
    app = table_only()
    checked(app.number_input(key="byhand-channels").set_value(6).run())
    text = address_of(app, "table")
    table = from_text(text)
    assert table.shape == (4, 6, 2, 2)
    assert (table.values[:, :4] == random_table((4, 4, 2, 2), 1).values).all()
    checked(app.number_input(key="byhand-images").set_value(8).run())
    checked(app.number_input(key="byhand-height").set_value(4).run())
    [warning] = app.warning
    assert "8 × 6 × 4 × 2 are 384 values" in warning.value and "256" in warning.value
    assert app.number_input(key="byhand-height").value == 2
    checked(app.number_input(key="chosen-table_seed").set_value(9).run())
    assert address_of(app, "table") == random_table((8, 6, 2, 2), 9).to_text()
    assert not app.warning


def test_the_example_is_loaded_and_its_mistake_corrected():
    app = table_only(table="1x1x1x2~1_2")
    [button] = [button for button in app.button if button.label == "Example, layer N+1"]
    checked(button.click().run())
    assert address_of(app, "table") == random_table((4, 4, 2, 2), 2).to_text()
    html = drawing(app, "byhand-example")
    wrong, right = html.split("Corrected")
    assert "4.125" in wrong and "5.875" in right  # means of group 1, by hand from the table
    assert "0.65633" in wrong and "not the published ones" in words(app)


def test_one_value_per_mean_is_explained():
    app = table_only(table="1x2x1x1~3_4~1_1~0_2", norm="batch", cell="1.2.1.1")
    assert norm(app, "batch")["y"] == ["0", "2"] and norm(app, "batch")["count"] == "1 value"
    assert "no spread: the value is its own mean" in drawing(app, "byhand-steps")
    assert "refuses: Expected more than 1 value per channel" in drawing(app, "byhand-check")
    assert "Batch norm cannot be trained on this table" in words(app)
    assert "Batch norm, evaluation" not in drawing(app, "byhand-movement")


def test_no_spread_and_no_epsilon_is_undefined():
    app = table_only(table="1x1x2x2~4_4_4_4", eps="0")
    assert norm(app, "layer")["xhat"] == ["0 / 0, undefined"] * 4
    assert "no ε to divide by" in drawing(app, "byhand-steps")
    assert "y = γ · x̂ + β, undefined too" in drawing(app, "byhand-steps")
    with_eps = table_only(table="1x1x2x2~4_4_4_4~1~0.5")
    assert norm(with_eps, "layer")["y"] == ["0.5"] * 4


def caption_after(html: str, title: str) -> str:
    return html.split(f"<caption>{title}<small>")[1].split("</small>")[0]


def test_what_moves_is_said_for_each_norm():
    html = drawing(
        table_only(change_part="image", changed_image="2", factor="3"), "byhand-movement"
    )
    assert caption_after(html, "Batch norm, training") == "4 of 4 images move"
    assert caption_after(html, "Batch norm, evaluation") == "1 of 4 images moves"
    for title in ("Layer norm", "Group norm", "Instance norm"):
        assert caption_after(html, title).startswith("nothing moves, but for ε: ")
    channel = drawing(
        table_only(change_part="channel", constant="2", factor="1"), "byhand-movement"
    )
    assert caption_after(channel, "Batch norm, training") == "nothing moves"
    assert caption_after(channel, "Group norm") == "4 of 4 images move, in some channels"
    assert caption_after(channel, "Layer norm") == "4 of 4 images move"


def test_a_real_layer_shows_what_it_uses():
    app = opened(variant="bn_l1", norm_layer="3", index="17")
    frame = app.dataframe[0].value
    assert len(frame) == 12 and {"stored_mean", "stored_variance", "gamma"} <= {*frame}
    assert "does not use" in words(app) and "do not explain an error" in words(app)
    assert "AUROC" in words(app) and "correctly classified ones" in words(app)
    assert "x̂ = (x − μ)" in drawing(app, "byhand-network-steps")
    group = opened(variant="gn", norm_layer="3", index="17").dataframe[0].value
    assert group["group"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert "stored_mean" not in group


def test_an_own_image_takes_its_place_among_the_test_images(drawn_seven):
    app = AppTest.from_file(str(PAGE), default_timeout=120)
    app.session_state[own_images.CHOSEN] = drawn_seven
    app.query_params.update({"dataset": "digits", "seed": "1", "pictures": "own"})
    checked(app.run())
    assert any("your image" in part.value for part in app.subheader)
    assert "correctly classified ones" in words(app)


def test_without_the_images_the_table_still_works(tmp_path, monkeypatch):
    monkeypatch.setenv("NORMLAB_DATA", str(tmp_path))
    app = opened(dataset="mnist")
    assert "the pictures, which are not on this machine" in words(app)
    assert drawing(app, "byhand-steps")


def editing_app():
    import streamlit as st

    from ui import byhand_table
    from ui.byhand_grid import Changed

    byhand_table.choose()
    edits = st.session_state.get("edits", {})
    st.button("send", on_click=byhand_table.take, args=[Changed(edits, "v5")])


@pytest.mark.parametrize(
    ("edits", "refusal"),
    [
        ({"v0": "abc"}, "Image 1, channel 1, row 1, column 1: “abc” is not a number"),
        ({"v15": ""}, "Image 1, channel 4, row 2, column 2: The cell is empty"),
        ({"g2": "<b>1</b>"}, "γ of channel 3: “<b>1</b>” is not a number"),
        ({"b0": "1e400"}, "β of channel 1: “1e400” is too large"),
    ],
)
def test_what_is_no_number_is_refused_in_words_and_kept_in_the_cell(edits, refusal):
    app = AppTest.from_function(editing_app).run()
    before = drawing(app, "byhand-grid")["cells"]
    app.session_state["edits"] = {**edits, "v1": "-2.5", "v999": "1", "evil": "1"}
    app.run()
    checked(app.button[-1].click().run())
    data = drawing(app, "byhand-grid")
    assert data["said"].startswith(refusal) and data["refused"] == edits
    assert data["cells"] == {**before, "v1": "-2.5"} and data["cell"] == "v5"
    app.session_state["edits"] = dict.fromkeys(edits, "1")
    app.run()
    checked(app.button[-1].click().run())
    assert drawing(app, "byhand-grid")["said"] == ""
