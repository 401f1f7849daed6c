"""Choices in the address: what is asked is shown, what is chosen is written, nonsense is said."""

from __future__ import annotations

from dataclasses import fields

import pytest
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.testing.v1 import AppTest

from ui import address
from ui.markdown import escape


def script() -> None:
    import streamlit as st

    from ui import address, state

    state.count_visit()
    st.button("elsewhere", on_click=state.put, args=["visited-page", "another page"])
    last = st.toggle("small", key="small")
    choice = address.one_of("variant", ["gn", "ln", "bn_l1"])
    chosen = st.selectbox("Variant", ["gn", "ln", "bn_l1"], **choice.widget())
    choice.settle(chosen, what="the variant", shown=chosen.upper())
    number = address.number("index", 5 if last else 9, 3)
    index = st.number_input("Index", 0, 5 if last else 9, "min", step=1, **number.widget())
    number.settle(index, what="image", shown=str(index))
    st.markdown(f"{chosen} {index}")


def opened(**query: str) -> AppTest:
    app = AppTest.from_function(script)
    app.query_params.update(query)
    app.run()
    assert not app.exception
    return app


def shown(app: AppTest) -> str:
    assert not app.exception
    return app.markdown[0].value


def asked(app: AppTest) -> dict[str, str]:
    found = {name: value for name, value in app.query_params.items() if name != "small"}
    return {name: v if isinstance(v, str) else v[-1] for name, v in found.items()}


def test_without_words_in_the_address_the_defaults_are_shown_and_nothing_is_written():
    app = opened()
    assert shown(app) == "gn 3" and asked(app) == {} and not app.warning


def test_the_address_is_shown_even_where_it_names_the_least_value():
    app = opened(variant="ln", index="0")
    assert shown(app) == "ln 0" and asked(app) == {"variant": "ln", "index": "0"}
    assert not app.warning


def test_a_choice_goes_into_the_address_and_the_rest_stays():
    app = opened(index="7")
    app.selectbox[0].set_value("bn_l1").run()
    assert shown(app) == "bn_l1 7" and asked(app) == {"variant": "bn_l1", "index": "7"}
    app.selectbox[0].set_value("gn").run()
    assert shown(app) == "gn 7" and asked(app) == {"variant": "gn", "index": "7"}


def test_a_click_that_carries_the_address_from_before_changes_nothing():
    app = opened(index="7")
    app.number_input[0].set_value(4).run()
    app.query_params["index"] = "7"  # sent before the browser heard of the choice
    assert shown(app.run()) == "gn 4" and asked(app)["index"] == "4"


def test_an_address_that_is_new_goes_before_what_was_chosen():
    app = opened(index="7")
    app.number_input[0].set_value(4).run()
    app.query_params["index"] = "8"
    app.button[0].click().run()  # another page, and back by a link
    assert shown(app) == "gn 8"


def test_a_choice_is_kept_while_another_page_is_shown():
    app = opened()
    app.number_input[0].set_value(4).run()
    del app.query_params["index"]
    app.button[0].click().run()
    assert shown(app) == "gn 4" and asked(app)["index"] == "4"


def test_back_and_forward_go_before_what_was_chosen(monkeypatch):
    app = opened(index="7")
    app.number_input[0].set_value(4).run()
    monkeypatch.setattr("ui.state.is_history_navigation", lambda: True)
    app.query_params["index"] = "7"
    assert shown(app.run()) == "gn 7"


def test_streamlit_still_says_what_back_and_forward_are():
    """An attribute of its own context, which is not part of its interface."""
    assert "is_history_navigation" in {field.name for field in fields(ScriptRunContext)}


@pytest.mark.parametrize(
    "nonsense", ["10", "-1", "x", "", "1.0", "१", "9" * 5000, "<b>", "gn", "0x1", "[7](http://a.b)"]
)
def test_nonsense_is_said_for_as_long_as_the_default_stands_for_it(nonsense):
    app = opened(index=nonsense)
    assert shown(app) == "gn 3"
    [warning] = [part.value for part in app.warning]
    assert warning.startswith(f"The address asks for image {escape(nonsense[:40])}")
    assert "This is 3." in warning and len(warning) < 150
    assert "The address asks for image" in app.run().warning[0].value
    app.number_input[0].set_value(5).run()
    assert shown(app) == "gn 5" and not app.warning


def test_a_value_that_is_no_longer_possible_becomes_the_default():
    app = opened(index="8")
    app.toggle[0].set_value(True).run()
    assert shown(app) == "gn 3"


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("9", 9), ("007", 7), ("10", None)])
def test_numbers_are_read_within_their_range(text, value):
    assert address.number("index", 9, 3).parse(text) == value
