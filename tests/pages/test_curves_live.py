"""Runs without an end on the curves page: drawn so far, named, and never averaged twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow
import pytest
from filelock import FileLock
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS
from tests.fixtures_runs import write_run
from tests.growing_runs import finish, grow, set_stopped, write_growing
from ui import resources

PAGE = Path(__file__).resolve().parents[2] / "pages" / "curves.py"
HERE = "Made here"


def page(**query: str) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    for name, value in {"dataset": "digits", "show": "Test loss", **query}.items():
        app.query_params[name] = value
    return checked(app)


def checked(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception and not app.error
    return app


def texts(app: AppTest) -> list[str]:
    return [part.value for part in app.markdown]


def charts(app: AppTest) -> list:
    return [part.proto for part in app.get("vega_lite_chart")]


def table(chart, name: str) -> pd.DataFrame:
    (found,) = [part.data.data for part in chart.datasets if part.name == name]
    return pyarrow.ipc.open_stream(found).read_pandas()


@pytest.fixture
def trained(fake_checkpoints) -> Iterator[Path]:
    """Group norm, seed 2, three epochs far, and being trained; one digits run is shipped."""
    fake_checkpoints({"digits": (1,)}, variants=("gn",))
    path = write_growing(resources.LOCAL_DIR, "digits", "gn", 2, epochs=3)
    with FileLock(path / "lock"):
        yield path


def test_a_run_is_drawn_and_named_while_it_is_trained(trained):
    app = page(runs=HERE)
    assert "In training: Group norm (seed 2), 3 of 20 epochs." in texts(app)
    assert table(charts(app)[0], "lines")["epoch"].tolist() == [1, 2, 3]
    assert "Weight norm" in [heading.value for heading in app.subheader]


@pytest.mark.parametrize("layout", ["One axis", "Small multiples"])
def test_only_figures_change_from_epoch_to_epoch(trained, layout):
    app = page(runs=HERE, layout=layout)
    before = [(chart.id, chart.spec, chart.alt) for chart in charts(app)]
    domain = json.loads(before[0][1])["layer"][-1]["encoding"]["x"]["scale"]["domain"]
    assert domain == [1, 20]  # planned, not reached
    grow(trained, 5)
    checked(app)
    assert [(chart.id, chart.spec, chart.alt) for chart in charts(app)] == before
    assert table(charts(app)[0], "lines")["epoch"].max() == 5
    assert "In training: Group norm (seed 2), 5 of 20 epochs." in texts(app)


def test_it_joins_the_mean_only_where_it_has_epochs(trained):
    finish(write_growing(resources.LOCAL_DIR, "digits", "gn", 1, epochs=20))
    app = page(runs=HERE)
    counts = table(charts(app)[0], "lines").set_index("epoch")["num_seeds"]
    assert (counts[3], counts[4], counts[20]) == (2, 1, 1)


def test_one_of_another_length_is_in_no_mean_with_the_shipped(trained):
    growing = write_growing(
        resources.LOCAL_DIR, "digits", replace(VARIANTS["gn"], epochs=80), 3, epochs=25
    )
    said = "Left out: Group norm (seed 3; 80 epochs): trained for another number of epochs than"
    with FileLock(growing / "lock"):
        app = page(runs="Together")
        lines = table(charts(app)[0], "lines")
        assert lines["epoch"].max() == 20  # of the shipped one
        assert lines.set_index("epoch")["num_seeds"].max() == 2  # and of the one like it
        assert any(text.startswith(said) for text in texts(app))
        assert not any("80 epochs." in text for text in texts(app))
    finish(growing)
    checked(app)
    assert any(caption.value.startswith(said) for caption in app.caption)  # once, in the sidebar
    assert not any(text.startswith(said) for text in texts(app))


def test_the_newest_length_is_followed_where_each_run_has_its_own(fake_checkpoints):
    fake_checkpoints({"digits": (1,)})
    short, long = (replace(VARIANTS["gn"], epochs=epochs) for epochs in (3, 80))
    write_run(resources.LOCAL_DIR, "digits", short, 1)
    with FileLock(write_growing(resources.LOCAL_DIR, "digits", long, 2, epochs=5) / "lock"):
        app = page(runs=HERE)
        assert "In training: Group norm (seed 2), 5 of 80 epochs." in texts(app)
        assert table(charts(app)[0], "lines")["num_seeds"].max() == 1
        assert any("(seed 1; 3 epochs): trained for another" in text for text in texts(app))


def test_one_that_the_shipped_have_is_not_averaged_twice(trained):
    twin = write_growing(resources.LOCAL_DIR, "digits", "gn", 1, epochs=2)
    with FileLock(twin / "lock"):
        app = page(runs="Together")
        assert table(charts(app)[0], "lines")["num_seeds"].max() == 2
        assert any("the shipped runs have their variant and seed" in text for text in texts(app))


def test_beside_the_shipped_ones_it_is_offered(trained):
    app = page()
    assert table(charts(app)[0], "lines")["epoch"].max() == 20
    assert any("In training: Group norm (seed 2)" in text for text in texts(app))
    app.button(key="curves-follow").click()
    checked(app)
    assert table(charts(app)[0], "lines")["epoch"].max() == 3


def test_when_it_ends_it_is_a_run_like_any_other(trained):
    app = page(runs=HERE)
    finish(trained)
    checked(app)
    assert not any("In training" in text for text in texts(app))
    assert "Last shown epoch: Group norm" in charts(app)[0].alt


def test_one_that_was_stopped_keeps_its_curve(fake_checkpoints):
    fake_checkpoints({"digits": (1,)})
    set_stopped(write_growing(resources.LOCAL_DIR, "digits", "ln", 1, epochs=4))
    app = page(runs=HERE)
    said = "Stopped: Layer norm (seed 1), 4 of 20 epochs. It can be resumed on the page Runs."
    assert said in texts(app)
    assert table(charts(app)[0], "lines")["epoch"].max() == 4


def test_one_that_vanishes_leaves_the_page_standing(trained):
    app = page(runs=HERE)
    shutil.rmtree(trained)
    checked(app)
    assert not any("In training" in text for text in texts(app))


def test_before_the_first_epoch_there_is_a_line_and_no_chart(trained):
    grow(trained, 0)
    app = page(runs=HERE)
    assert "In training: Group norm (seed 2), 0 of 20 epochs." in texts(app)
    assert charts(app) == []
