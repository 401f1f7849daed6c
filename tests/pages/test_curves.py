"""The curves page: what is chosen is drawn, and a link reproduces it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS, Variant
from tests.fixtures_runs import write_run
from ui import state

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
    app = page(show=["L1 penalty", "Train accuracy"], variants=["ln", "gn_l1"])
    assert titles(app) == ["L1 penalty", "Train accuracy"]
    assert "logged apart" in " ".join(caption.value for caption in app.caption)


def test_small_multiples_have_a_panel_for_each_variant(fake_checkpoints):
    fake_checkpoints({"digits": (1, 2)})
    app = page(layout="Small multiples", show=["Test loss"], variants=["ln", "gn"])
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


def variants(app: AppTest) -> list[str]:
    assert not app.exception and "Choose at least one" not in str([i.value for i in app.info])
    return choice(app, "chosen-variants").value


def runs_of(app: AppTest, source: str) -> AppTest:
    return next(box for box in app.sidebar.selectbox if box.label == "Runs").select(source).run()


PLAIN = Variant("bn", "batch", epochs=2)
SIX = list(VARIANTS)


def test_all_variants_stay_all_whichever_runs_are_shown(fake_checkpoints, tmp_path):
    fake_checkpoints({"digits": (1,)})
    write_run(tmp_path / "runs", "digits", PLAIN, 1)
    app = page(dataset="digits")
    assert variants(app) == SIX and "variants" not in app.query_params
    for source, shown in (
        (state.LOCAL, ["bn"]),
        (state.TOGETHER, [*SIX, "bn"]),
        (state.SHIPPED, SIX),
    ):
        assert variants(runs_of(app, source)) == shown
        assert "variants" not in app.query_params


def test_chosen_variants_stay_chosen_where_they_exist(fake_checkpoints, tmp_path):
    fake_checkpoints({"digits": (1,)})
    write_run(tmp_path / "runs", "digits", PLAIN, 1)
    app = page(dataset="digits", runs="Together", variants=["ln", "bn"])
    assert variants(app) == ["ln", "bn"] and not app.warning
    assert variants(runs_of(app, state.SHIPPED)) == ["ln"]
    assert app.query_params["variants"] == "ln"
    assert variants(runs_of(app, state.LOCAL)) == ["bn"]  # not an empty choice


def test_a_link_that_names_labels_still_opens_and_a_wrong_one_is_said(fake_checkpoints):
    fake_checkpoints({"mnist": (1,)})
    app = page(variants=["Layer norm", "nonsense"])
    assert variants(app) == ["ln"] and app.query_params["variants"] == "ln"
    [warning] = [part.value for part in app.warning]
    asked = "The address asks for the variant nonsense, which cannot be chosen here."
    assert warning == f"{asked} This is Layer norm."
    choice(app, "chosen-variants").set_value(["gn", "ln"]).run()
    assert variants(app) == ["gn", "ln"] and not app.warning
    assert variants(page(variants=["nonsense"])) == SIX


def test_back_to_an_address_without_variants_shows_all(fake_checkpoints, monkeypatch):
    fake_checkpoints({"mnist": (1,)})
    app = page(variants=["ln"])
    del app.query_params["variants"]
    monkeypatch.setattr("ui.state.is_history_navigation", lambda: True)
    assert variants(app.run()) == SIX and "variants" not in app.query_params


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
    app = page(inside="conv3", inside_show=shown, show=["L1 penalty"])
    assert titles(app) == ["L1 penalty", "Weight norm", "Shift β", "Running variance"]
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
        show=["L1 penalty"],
        variants=["gn", "bn_l1"],
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


@pytest.fixture
def made(monkeypatch) -> dict[str, Callable[[], bytes]]:
    """What makes each file that the page offers."""
    made = {}
    press = st.download_button

    def note(label: str, *, data, file_name: str, **rest):
        made[file_name] = data
        return press(label, data="", file_name=file_name, **rest)

    monkeypatch.setattr(st, "download_button", note)
    return made


def test_exported_panels_say_what_is_grey(fake_checkpoints, made):
    fake_checkpoints({"digits": (1,)})
    page(dataset="digits", show=["Test loss"], layout="Small multiples")
    svg = made["test-loss-digits.svg"]().decode()
    assert "Test loss, Digits" in svg and "Grey: the other variants." in svg


def test_exported_figures_say_what_is_drawn(fake_checkpoints, made):
    fake_checkpoints({"mnist": (1, 2)}, insights=True)
    page(show=["Test loss"], inside="conv3", inside_show=["Weight norm", "Shift β"], singles="true")
    loss, weights, shift = (
        made[f"{name}-mnist.svg"]().decode()
        for name in ("test-loss", "weight-norm-conv3", "beta-norm3")
    )
    assert "Test loss, MNIST" in loss and "Line: mean over 2 seeds; band: 95 %" in loss
    assert "Thin: single seeds." in loss and "Dashed: published" in loss
    assert "Weight norm of conv3, MNIST" in weights and "Dashed" not in weights
    assert "Shift β of norm3, MNIST" in shift and "from the smallest to the largest" in shift


def test_why_a_penalty_is_zero_is_said_where_it_is_shown(fake_checkpoints):
    fake_checkpoints({"mnist": (1,)})
    said = " ".join(caption.value for caption in page(show=["L1 penalty"]).caption)
    assert "0 for variants without L1. Weight decay, which is L2, acts in the optimizer" in said
    assert "variants without L1 are not drawn" not in said
    on_log = page(show=["L1 penalty"], log="true")
    assert "variants without L1 are not drawn" in " ".join(one.value for one in on_log.caption)
    assert "optimizer" not in " ".join(caption.value for caption in page().caption)


@pytest.mark.parametrize("old", [["Penalty"], ["Penalty", "Test loss"]])
def test_a_link_to_the_penalty_by_its_old_name_opens(fake_checkpoints, old):
    fake_checkpoints({"mnist": (1,)})
    assert "Test loss" in titles(page(show=old))


def test_a_range_nobody_moved_is_that_of_the_runs_shown(fake_checkpoints, tmp_path):
    fake_checkpoints({"digits": (1,)})
    write_run(tmp_path / "runs", "digits", replace(VARIANTS["gn"], epochs=80), 1)
    app = page()
    for source, last in ((state.LOCAL, 80), (state.SHIPPED, 25), (state.LOCAL, 80)):
        app.selectbox(key=state.SOURCE).select(source).run()
        assert app.slider[0].value == (1, last) and not app.warning
        assert "epochs" not in app.query_params
    app.slider[0].set_value((5, 10)).run()
    app.selectbox(key=state.SOURCE).select(state.SHIPPED).run()
    assert app.slider[0].value == (5, 10)
