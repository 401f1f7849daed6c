"""The sidebar's seeds: as the address has them, and what it says of those that do not exist."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

PAGE = Path(__file__).resolve().parents[2] / "pages" / "overview.py"


@pytest.fixture
def open_page(fake_checkpoints):
    """A function that opens Overview at an address, on MNIST with two seeds and digits with three.

    `mnist` are other seeds of MNIST.
    """

    def build(*seeds: str, mnist: tuple[int, ...] = (1, 2), dataset: str = "digits") -> AppTest:
        fake_checkpoints({"mnist": mnist, "digits": (1, 2, 3)}, num_images=100)
        app = AppTest.from_file(str(PAGE), default_timeout=60)
        app.query_params["dataset"] = dataset
        app.query_params["seed"] = list(seeds)
        app.run()
        assert not app.exception
        return app

    return build


def shown(app: AppTest) -> str:
    [line] = [part.value for part in app.caption if "test images ·" in part.value]
    return line


def warnings(app: AppTest) -> list[str]:
    return [warning.value for warning in app.warning]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([], "18 runs · 3 seeds"),
        (["all"], "18 runs · 3 seeds"),
        (["2"], "6 runs · seed 2"),
        (["3", "1"], "12 runs · 2 seeds"),
    ],
)
def test_the_address_chooses_one_several_or_all_seeds(open_page, asked, words):
    app = open_page(*asked)
    assert words in shown(app) and not warnings(app)


def test_seeds_that_do_not_exist_are_said(open_page):
    assert warnings(open_page("99")) == [
        "The address asks for seed 99, of which there is no finished run here. Shown: seeds 1-3."
    ]


def test_a_seed_that_exists_is_shown_without_the_others(open_page):
    app = open_page("2", "99")
    assert "6 runs · seed 2" in shown(app)
    assert warnings(app)[0].endswith("Shown: seed 2.")


def test_a_seed_is_asked_for_in_vain_where_there_is_one(open_page):
    app = open_page("2", mnist=(1,), dataset="mnist")
    assert "6 runs · seed 1" in shown(app)
    assert warnings(app)[0].startswith("The address asks for seed 2, of which")


def test_seeds_that_another_data_set_lacks_are_left_and_said_once(open_page):
    app = open_page("2", "3")
    app.selectbox(key="dataset").set_value("mnist").run()
    assert "6 runs · seed 2" in shown(app)
    assert warnings(app) == [
        "The address asks for seed 3, of which there is no finished run here. Shown: seed 2."
    ]
    assert not warnings(app.run())
