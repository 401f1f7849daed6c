"""The benchmark of Predict: what it times, what it refuses to time, and its document."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import predict
from benchmarks.report import against
from core.analysis.predict import predict as ask
from core.config import VARIANTS
from core.data.datasets import get_dataset
from core.errors import NormLabError, UsageError
from tests.fixtures_explain import digits_split

pytestmark = pytest.mark.thorough


INFO = get_dataset("digits")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """The benchmark sets torch's threads; other tests want theirs back."""
    monkeypatch.setattr(predict, "REQUESTS", 2)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_uploads_are_pictures_of_the_data_set_that_are_read_back():
    uploads = predict.make_uploads("digits", 12, seed=3)
    assert uploads == predict.make_uploads("digits", 12, seed=3)
    assert uploads != predict.make_uploads("digits", 12, seed=4)
    chosen = np.random.default_rng(3).choice(360, 12, False)
    networks = predict.load_networks("digits")
    clean = ask(networks, digits_split().images[chosen], INFO)
    found = predict.answer(uploads, networks, INFO)
    same = found["predicted"] == np.stack(list(clean.values()), 1).argmax(-1).ravel()
    assert len(found) == 12 * len(VARIANTS) and same.mean() > 0.9


def test_every_way_is_timed():
    times = predict.time_uploads("digits", predict.make_uploads("digits", 3, 0), repeats=2)
    assert {name: len(found) for name, found in times.items()} == {"cold": 2, "one": 3, "many": 2}
    assert min(min(found) for found in times.values()) > 0


def test_the_way_without_a_cache_gives_the_same_answers():
    (upload,) = predict.make_uploads("digits", 1, 0)
    warm = predict.answer([upload], predict.load_networks("digits"), INFO)
    assert predict.answer_cold(upload, INFO).equals(warm)


def test_eight_sessions_are_timed_and_get_their_own_answers():
    seconds = predict.time_sessions("digits", predict.make_uploads("digits", 16, 0), 8)
    assert len(seconds) == 8 * predict.REQUESTS and min(seconds) > 0


def test_a_crossed_answer_is_found_out(monkeypatch):
    uploads, plain = predict.make_uploads("digits", 4, 0), predict.answer

    def crossed(files, *others):
        return plain(uploads[:1] if len(files) == 1 else files, *others)

    monkeypatch.setattr(predict, "answer", crossed)
    with pytest.raises(NormLabError, match="not its own"):
        predict.time_sessions("digits", uploads, 2)


def test_the_document_has_what_every_benchmark_gives(monkeypatch):
    times = {"cold": [0.4, 0.6, 0.5], "one": [0.01, 0.03, 0.02], "many": [1.0, 3.0]}
    monkeypatch.setattr(predict, "time_uploads", lambda *args: times)
    monkeypatch.setattr(predict, "time_sessions", lambda *args: [0.1] * 90 + [0.5] * 10)
    found = predict.measure("digits", 50, 3, [8, 32], 0)
    assert (found["ratio"], found["reference"], found["ours"]) == (25, 0.5, 0.02)
    assert found["unit"] == "s" and "cores" in found["machine"]
    assert (found["dataset"], found["images"], found["seed"]) == ("digits", 50, 0)
    one, many, few, crowd = found["measurements"]
    assert (one["what"], one["reference"], one["ours"]) == ("one image", 0.3, 0.02)
    assert (many["what"], many["reference"], many["ours"]) == ("50 images", 1.5, 2.0)
    assert many["ratio"] == 0.75
    assert (few["reference"], few["ours"], few["n"]) == (1, 0.5, 100)
    assert (crowd["reference"], crowd["ours"]) == (3, 0.5)
    assert "8 sessions" in few["what"] and "32 sessions" in crowd["what"]


def test_a_quantile_beside_what_is_promised():
    times = [float(number) for number in range(101)]
    assert against(100, times, what="x")["ours"] == 50
    found = against(190, times, what="x", quantile=0.95)
    assert found == {
        "what": "x",
        "ratio": 2,
        "reference": 190,
        "ours": 95,
        "slowest": 100,
        "n": 101,
    }


@pytest.mark.parametrize("text", ["0", "65", "eight", "1,-8", "1.5"])
def test_numbers_of_sessions_that_are_refused(text):
    with pytest.raises(UsageError, match=r"give numbers from 1 to 64"):
        predict.parse_sessions(text)


def test_numbers_of_sessions():
    assert predict.parse_sessions("1, 8,32") == [1, 8, 32]
    assert predict.parse_sessions("") == []
