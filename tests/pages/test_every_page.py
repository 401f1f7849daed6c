"""Every page: opened alone and by navigation, with good, damaged and no runs at all."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import streamlit as st
from altair.utils import schemapi
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.stem for path in (ROOT / "pages").glob("*.py"))
TITLES = {"normalization": "Normalization by hand"}
WITHOUT_TORCH = ["overview", "curves", "failures", "transplants", "predict", "runs"]


def title(page: str) -> str:
    return TITLES.get(page, page.capitalize().replace("_", " "))


def alone(page: str) -> AppTest:
    return AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60).run()


def texts(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.info, *app.warning, *app.subheader, *app.code]
    return "\n".join(str(part.value) for part in parts)


def test_the_pages_are_those_of_the_navigation():
    named = re.findall(r'"pages/(\w+)\.py"', (ROOT / "streamlit_app.py").read_text())
    assert sorted(named) == PAGES and {*TITLES, *WITHOUT_TORCH} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3)], ids=["one seed", "three seeds"])
def test_page_alone_says_what_it_answers(page, seeds, fake_checkpoints):
    fake_checkpoints({"digits": seeds}, num_images=360)
    app = alone(page)
    assert not app.exception and not app.error
    assert app.title[0].value == title(page)
    assert "?" in app.markdown[0].value


@pytest.mark.parametrize("page", PAGES)
def test_page_by_navigation_shows_the_same_title(page, fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=360)
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60).run()
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception and not app.error
    assert app.title[0].value == title(page)


@pytest.mark.parametrize("page", PAGES)
def test_damaged_runs_are_named_and_the_rest_is_shown(page, fake_checkpoints):
    root = fake_checkpoints({"digits": (1,)}, num_images=360)
    (root / "digits/gn/seed-1/metrics.jsonl").write_text("not what was committed")
    (root / "digits/ln/seed-1/run.json").write_text("{")
    app = alone(page)
    assert not app.exception and not app.error
    warnings = [warning.value for warning in app.warning]
    assert any("digits/gn/seed-1" in text and "metrics.jsonl" in text for text in warnings)
    assert any("digits/ln/seed-1" in text and "JSON" in text for text in warnings)
    assert all("\n" not in text for text in warnings)


@pytest.mark.parametrize("page", sorted({*PAGES} - {"parameters"}))
def test_without_runs_the_page_says_what_to_do(page, tmp_path, fake_checkpoints):
    fake_checkpoints({"digits": ()})
    app = alone(page)
    assert not app.exception and not app.error
    assert "python -m core train --all" in texts(app)


def test_pages_that_compute_with_no_network_do_not_import_torch(tmp_path):
    """Torch costs two seconds. Without images two more pages need none."""
    script = (
        "import os, sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "def open_page(page, **query):\n"
        "    app = AppTest.from_file(f'pages/{page}.py', default_timeout=60)\n"
        "    app.query_params.update(query)\n"
        "    app.run()\n"
        "    assert not app.exception, app.exception\n"
        "    assert not {'torch', 'captum'} & set(sys.modules), page\n"
        f"for page in {WITHOUT_TORCH}:\n"
        "    open_page(page)\n"
        f"os.environ['NORMLAB_DATA'] = {str(tmp_path)!r}\n"
        "open_page('explain', dataset='mnist')\n"
        "open_page('nuisance', dataset='mnist')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.thorough
@pytest.mark.parametrize("page", PAGES)
def test_charts_name_their_channels(page):
    """Altair guesses the class of what does not, which takes 4 ms for each string."""
    st.cache_data.clear()
    with patch.object(schemapi.SchemaBase, "from_dict", side_effect=AssertionError("guessed")):
        app = alone(page)
    assert not app.exception, app.exception


@pytest.mark.parametrize("page", ["nuisance", "inside"])
def test_a_choice_goes_along_to_the_next_page(page, fake_checkpoints):
    fake_checkpoints({"digits": (1,)}, num_images=360)
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60).run()
    app.switch_page("pages/explain.py").run()
    app.segmented_control(key="chosen-variant").set_value("ln").run()
    app.number_input(key="chosen-index").set_value(7).run()
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception and not app.error
    assert app.segmented_control(key="chosen-variant").value == "ln"
    assert app.number_input(key="chosen-index").value == 7
