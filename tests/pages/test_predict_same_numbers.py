"""What the page says of a picture, the command line says too, to the last digit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from core.__main__ import app
from tests.fixtures_explain import digits_split
from tests.pictures import encode
from ui import predict_entries, predict_networks
from ui.predict_entries import Entry

PAGE = Path(__file__).resolve().parents[2] / "pages" / "predict.py"
PIXELS = np.pad(np.kron(digits_split().images[7], np.ones((7, 5), np.uint8)), ((40, 20), (90, 10)))
CONTENT = encode(255 - PIXELS)


@pytest.fixture
def on_the_page(monkeypatch):
    """A function: choices in the address → the answers and the properties that the page shows."""
    shown: dict[str, pd.DataFrame] = {}

    def remember(name: str) -> None:
        plain = getattr(predict_networks, name)

        def asked(*args: object) -> pd.DataFrame:
            return shown.setdefault(name, plain(*args))

        monkeypatch.setattr(predict_networks, name, asked)

    def run(query: dict[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
        page = AppTest.from_file(str(PAGE), default_timeout=120)
        page.query_params.update({"dataset": "digits", "seed": "1", "way": "upload", **query})
        page.session_state[predict_entries.UPLOADS] = [Entry("digit.png", "upload", CONTENT)]
        page.run()
        assert not page.exception
        return shown["answers"], shown["usual"]

    remember("answers")
    remember("usual")
    return run


@pytest.mark.parametrize(
    ("options", "query"),
    [((), {}), (("--as-is",), {"prepare": "as_is"})],
    ids=["cropped and centred", "as it is"],
)
def test_page_and_command_give_the_same_numbers(tmp_path, on_the_page, options, query):
    (tmp_path / "digit.png").write_bytes(CONTENT)
    command = ["predict", str(tmp_path / "digit.png"), "--dataset", "digits", *options, "--json"]
    (expected,) = json.loads(CliRunner().invoke(app, command).stdout)["images"]
    answers, usual = on_the_page(query)
    for row, said in zip(answers.to_dict("records"), expected["predictions"], strict=True):
        assert (row["variant"], row["predicted"]) == (said["variant"], said["label"])
        for key in ("probability", "runner_up", "margin", "entropy", "probabilities"):
            assert row[key] == said[key], key
    for key in ("property", "value", "percentile"):
        assert usual[key].tolist() == [row[key] for row in expected["typicality"]]
