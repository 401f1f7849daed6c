"""The curves page: what is chosen is drawn, and a link reproduces it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS
from tests.fixtures_runs import write_run

PAGE = Path(__file__).resolve().parents[2] / "pages" / "curves.py"


def page(**query: str | list[str]) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception and not app.error
    return app


def charts(app: AppTest) -> list[dict]:
    return [json.loads(part.proto.spec) for part in app.get("vega_lite_chart")]


def alts(app: AppTest) -> list[str]:
    return [part.proto.alt for part in app.get("vega_lite_chart")]


def titles(app: AppTest) -> list[str]:
    return [heading.value for heading in app.subheader]


def choice(app: AppTest, key: str):
    return next(group for group in app.get("button_group") if group.key == key)


def test_loss_and_accuracy_are_shown_first(fake_checkpoints):
    fake_checkpoints({"mnist": (1,)})
    app = page()
    assert titles(app) == ["Test loss", "Test accuracy"]
    assert len(charts(app)) == 2
    assert "Dashed: published" in " ".join(caption.value for caption in app.caption)


def test_any_quantity_of_any_variants(fake_checkpoints):
    fake_checkpoints({"mnist": (1, 2)})
    app = page(show=["Penalty", "Train accuracy"], variants=["Layer norm", "Group norm + L1"])
    assert titles(app) == ["Penalty", "Train accuracy"]
    assert "logged apart" in " ".join(caption.value for caption in app.caption)


def test_small_multiples_have_a_panel_for_each_variant(fake_checkpoints):
    fake_checkpoints({"digits": (1, 2)})
    app = page(layout="Small multiples", show=["Test loss"], variants=["Layer norm", "Group norm"])
    assert len(charts(app)) == 2
    assert [m.value for m in app.markdown if m.value.startswith("**")] == [
        "**Group norm**",
        "**Layer norm**",
    ]


def test_log_scale_turns_accuracy_into_error(fake_checkpoints):
    fake_checkpoints({"digits": (1,)})
    app = page(show=["Test accuracy"], log="true")
    assert titles(app) == ["Test error"]
    assert '"type": "log"' in json.dumps(charts(app)[0])


@pytest.mark.parametrize("query", [{"show": ["nonsense"]}, {"epochs": ["3", "99"]}, {"log": "2"}])
def test_odd_addresses_fall_back_to_the_defaults(fake_checkpoints, query):
    fake_checkpoints({"mnist": (1,)})
    assert titles(page(**query)) == ["Test loss", "Test accuracy"]


def test_nothing_chosen_is_said(fake_checkpoints):
    fake_checkpoints({"mnist": (1,)})
    app = page()
    choice(app, "show").set_value([]).run()
    assert not app.exception
    assert "Choose at least one" in app.info[0].value


def test_digits_have_no_published_curves(fake_checkpoints):
    fake_checkpoints({"digits": (1,)})
    app = page()
    assert "Published curves" not in [toggle.label for toggle in app.toggle]


# Inside the training

WEIGHTS = ["Weight norm", "Effective learning rate", "Weights near zero"]


def test_older_runs_are_named_with_the_command_that_records_insights(fake_checkpoints):
    fake_checkpoints({"mnist": (1, 2, 4)})
    app = page()
    assert "Inside the training" in [heading.value for heading in app.header]
    (said,) = [info.value for info in app.info]
    assert said.startswith("All 6 variants (seeds 1-2, 4) hold no insights")
    assert "`python -m core train --all --seeds 1-2,4 --dataset mnist`" in said
    assert titles(app) == ["Test loss", "Test accuracy"]


def test_insights_stand_below_the_curves(fake_checkpoints):
    fake_checkpoints({"mnist": (1, 2)}, insights=True)
    app = page()
    assert not app.info
    assert titles(app) == ["Test loss", "Test accuracy", *WEIGHTS, "Scale γ"]
    (said,) = [text.value for text in app.markdown if text.value.startswith("In epoch")]
    # ‖W‖ is the same for all variants of these runs; epoch 20 is the last that all have.
    assert "In epoch 20, in conv1: effective learning rates differ 1.0-fold" in said
    assert "4.0 % of the weights are near zero in Batch norm + L1, 1.0 % in Group norm" in said


def test_a_link_opens_any_layer_and_quantity(fake_checkpoints):
    fake_checkpoints({"mnist": (1,)}, insights=True)
    shown = ["Shift β", "Running variance", "Weight norm"]
    app = page(inside="conv3", inside_show=shown, show=["Penalty"])
    assert titles(app) == ["Penalty", "Weight norm", "Shift β", "Running variance"]
    words = alts(app)
    assert words[1].startswith("Weight norm of conv3. ‖W‖₂ (no unit) over epochs")
    assert words[2].startswith("Shift β of norm3.") and "Layer norm 0 (-2 to 2)" in words[2]
    assert "Batch norm + L1 0.5 (0 to 1)" in words[3] and "Group" not in words[3]
    scales = [chart["layer"][0]["encoding"]["y"]["scale"]["type"] for chart in charts(app)]
    assert scales == ["linear"] * 4


def test_the_head_has_neither_rate_nor_normalization(fake_checkpoints):
    fake_checkpoints({"mnist": (1,)}, insights=True)
    app = page(inside="hidden")
    assert titles(app)[2:] == ["Weight norm", "Weights near zero"]
    assert "No normalization follows the head." in [caption.value for caption in app.caption]


def test_insights_follow_the_controls_of_the_page(fake_checkpoints):
    fake_checkpoints({"mnist": (1,)}, insights=True)
    app = page(
        inside_show=["Effective learning rate", "Shift β"],
        show=["Penalty"],
        variants=["Group norm", "Batch norm + L1"],
        epochs=["3", "9"],
        layout="Small multiples",
        log="true",
    )
    shift, rate = charts(app)[-2:], charts(app)[-4:-2]
    for chart, scale in ((shift[0], "linear"), (rate[0], "log")):
        assert chart["layer"][0]["encoding"]["y"]["scale"]["type"] == scale
    assert [text.rpartition(": ")[2] for text in alts(app)[-2:]] == [
        "Group norm 0 (-0.9 to 0.9).",
        "Batch norm + L1 0 (-0.9 to 0.9).",
    ]
    assert len(charts(app)) == 5  # of the two, only one has a penalty that a log axis shows


def test_a_run_without_insights_beside_others_is_named(fake_checkpoints):
    root = fake_checkpoints({"mnist": (1,)}, insights=True)
    write_run(root, "mnist", VARIANTS["ln"], 2)
    app = page()
    said = app.info[0].value
    assert said.startswith("Of the shown runs Layer norm (seed 2) holds no insights; `python")
    assert "train ln --seeds 2 --dataset mnist`" in said
    assert titles(app)[2:] == [*WEIGHTS, "Scale γ"]
