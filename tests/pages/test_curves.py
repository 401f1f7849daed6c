"""The curves page: what is chosen is drawn, and a link reproduces it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

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
