"""The benchmark of corrupted test sets compares two sides that compute the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import nuisance
from core.errors import NormLabError, UsageError

pytestmark = pytest.mark.thorough


@pytest.fixture(autouse=True)
def threads():
    """The benchmark sets torch's threads; other tests want theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def few_images(monkeypatch) -> None:
    """And one thread, since two would wait for each other on a busy machine."""
    monkeypatch.setattr(nuisance.os, "cpu_count", lambda: 1)
    plain = nuisance.load_split
    short = lambda *args: type(plain(*args))(*(part[:20] for part in plain(*args)))  # noqa: E731
    monkeypatch.setattr(nuisance, "load_split", short)


def test_both_sides_are_timed_on_the_same_logits(few_images):
    """`time_sides` itself fails where the two disagree."""
    loop, ours = nuisance.time_sides("digits", "gaussian_noise=0.3", 2)
    assert len(loop) == len(ours) == 2 and min(*loop, *ours) > 0


def test_sides_that_disagree_are_found_out(few_images, monkeypatch):
    plain = nuisance.loop_logits
    monkeypatch.setattr(nuisance, "loop_logits", lambda *args: plain(*args) + 0.01)
    with pytest.raises(NormLabError, match=r"disagree by 0.01 in a logit"):
        nuisance.time_sides("digits", "contrast=0.5", 1)
    monkeypatch.setattr(nuisance, "loop_logits", lambda *args: plain(*args) * np.nan)
    with pytest.raises(NormLabError, match="disagree by nan"):
        nuisance.time_sides("digits", "contrast=0.5", 1)


def test_the_document_has_what_every_benchmark_gives(monkeypatch):
    monkeypatch.setattr(nuisance, "time_sides", lambda *args: ([8.0, 6.0, 7.0], [1.0, 2.0, 9.0]))
    monkeypatch.setattr(nuisance, "time_slider", lambda *args: [0.1, 0.2, 0.15, 0.4])
    found = nuisance.measure("digits", "rotation=30", 3, 4, "chromium")
    assert (found["ratio"], found["reference"], found["ours"], found["unit"]) == (3.5, 7, 2, "s")
    assert "cores" in found["machine"] and found["dataset"] == "digits" and found["images"] == 360
    assert found["corruption"] == "Rotation, 30 °"
    networks, slider = found["measurements"]
    assert networks.pop("what") == "six networks"
    assert networks == {"ratio": 5, "reference": 10, "ours": 2, "slowest": 9, "n": 3}
    assert slider["what"] == "slider" and slider["reference"] == 0.3 and slider["n"] == 4
    assert slider["ours"] == pytest.approx(0.175, abs=1e-3) and slider["slowest"] == 0.4


def test_without_chromium_the_slider_is_left_out(monkeypatch):
    monkeypatch.setattr(nuisance, "time_sides", lambda *args: ([8.0], [1.0]))
    found = nuisance.measure("digits", "rotation=30", 1, 4, None)
    assert [one["what"] for one in found["measurements"]] == ["six networks"]


def test_what_is_no_corruption_is_refused():
    with pytest.raises(UsageError, match="Unknown corruption"):
        nuisance.time_sides("digits", "rain=1", 1)
