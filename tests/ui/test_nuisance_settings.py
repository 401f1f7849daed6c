"""The lab's sliders: units, words, what is taken over from the browser and what is refused."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from core.data.corruptions import CORRUPTIONS
from ui import address, nuisance_settings
from ui.live_slider import Slider


def script() -> None:
    import streamlit as st

    from ui import nuisance_settings, state
    from ui.live_slider import Move

    state.count_visit()
    move = Move(*st.session_state.get("move", ("", {}, True)))
    st.button("move", on_click=nuisance_settings.take, args=[move])
    found = nuisance_settings.load()
    nuisance_settings.choose_published()
    st.json({"now": found.now, "at_rest": found.at_rest})


def opened(**query: str) -> AppTest:
    app = AppTest.from_function(script)
    app.query_params.update(query)
    app.run()
    assert not app.exception
    return app


def moved(app: AppTest, name: str, values: dict, settled: bool = True) -> AppTest:
    app.session_state["move"] = (name, values, settled)
    app.run()
    app.button[0].click().run()
    assert not app.exception
    return app


def now(app: AppTest) -> dict:
    return json.loads(app.json[0].value)


def asked(app: AppTest) -> dict[str, str]:
    return {name: v if isinstance(v, str) else v[-1] for name, v in dict(app.query_params).items()}


def test_every_corruption_of_our_own_has_one_slider():
    shown = [key for group in nuisance_settings.GROUPS.values() for key in group]
    own = [key for key, kind in CORRUPTIONS.items() if kind.family == "own"]
    assert sorted(shown) == sorted(own)


def test_sliders_hold_the_ranges_and_say_the_units():
    words = {
        key: nuisance_settings.slider(kind).words(kind.high) for key, kind in CORRUPTIONS.items()
    }
    assert words["contrast_grey"] == "×4" and words["shift_x"] == "7\N{NO-BREAK SPACE}px"
    assert words["mnist_c_fog"] == "level 5"
    turned = nuisance_settings.slider(CORRUPTIONS["rotation"])
    assert turned.words(-12.5) == "−12.5\N{NO-BREAK SPACE}°"
    assert (turned.low, turned.high, turned.neutral) == (-60, 60, 0)
    assert Slider("x", "X", 0, 1, 0.1, 0).words(0.1 + 0.2) == "0.3"


def test_what_is_done_is_said_in_one_line():
    said = nuisance_settings.describe({"contrast_grey": 0.25, "mnist_c_fog": 3.0})
    assert said == "Contrast about grey ×0.25, fog (MNIST-C) level 3"
    assert nuisance_settings.describe({}) == ""


def test_without_an_address_nothing_is_changed_and_nothing_written():
    app = opened()
    assert now(app) == {"now": {}, "at_rest": {}} and asked(app) == {}


def test_a_link_reproduces_the_severities():
    app = opened(contrast_grey="0.25", rotation="-10", mnist_c="mnist_c_fog")
    expected = {"contrast_grey": 0.25, "rotation": -10.0, "mnist_c_fog": 5.0}  # as published
    assert now(app) == {"now": expected, "at_rest": expected}
    assert not app.warning


@pytest.mark.parametrize("text", ["9", "nan", "inf", "-1", "abc", "1e99", "²"])
def test_an_impossible_severity_is_said_and_left_out(text):
    app = opened(contrast_grey=text)
    assert now(app)["now"] == {}
    [warning] = [part.value for part in app.warning]
    asked = rf"contrast\_grey = {text}, which cannot be chosen here."
    assert f"{asked} This is contrast about grey ×1" in warning


def test_a_move_is_shown_at_once_and_written_when_it_rests():
    app = moved(opened(), "blur", {"blur": 1.5}, settled=False)
    assert now(app) == {"now": {"blur": 1.5}, "at_rest": {}} and asked(app) == {}
    app = moved(app, "blur", {"blur": 2})
    assert now(app) == {"now": {"blur": 2.0}, "at_rest": {"blur": 2.0}}
    assert asked(app) == {"blur": "2"}
    assert app.session_state[nuisance_settings.curve({}).key] == "blur"


@pytest.mark.parametrize(
    "values", [{"blur": 99}, {"blur": "x"}, {"blur": None}, {"nonsense": 1}, {"blur": [1]}]
)
def test_what_is_no_severity_is_ignored(values):
    assert now(moved(opened(), "nonsense", values))["now"] == {}


def test_a_chosen_corruption_of_mnist_c_starts_as_it_was_published():
    app = opened()
    app.selectbox[0].set_value("mnist_c_scale").run()
    assert now(app)["now"] == {"mnist_c_scale": 3.0}
    assert asked(app)["mnist_c"] == "mnist_c_scale"
    assert app.session_state[nuisance_settings.curve({}).key] == "mnist_c_scale"


def test_reset_takes_everything_back():
    app = opened(contrast_grey="0.25", shift_x="3", mnist_c="mnist_c_fog", mnist_c_fog="2")
    app.button[1].click().run()
    assert now(app) == {"now": {}, "at_rest": {}}
    assert asked(app)["mnist_c"] == "none" and asked(app)["shift_x"] == "0"


@pytest.mark.parametrize(
    ("text", "held"), [("0.25", "0.25"), ("1.50", "1.5"), ("5", None), ("nan", None), ("", None)]
)
def test_an_amount_is_held_as_a_short_text(text, held):
    assert address.amount("x", 0, 4, 1.0).parse(text) == held
    assert address.amount("x", 0, 4, 1.0).default == "1"
