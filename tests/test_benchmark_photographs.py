"""The benchmark of photographs writes what it says, and reading keeps its promise on a few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import photographs
from core.data.datasets import load_split
from core.data.image_gate import read_picture
from core.errors import ImageError

pytestmark = pytest.mark.thorough


IMAGES = load_split("digits", Path(), "test").images


@pytest.fixture(autouse=True)
def threads():
    """The benchmark sets torch's threads; other tests want theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def draw(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_photograph_is_a_jpeg_file_that_its_seed_repeats():
    first, again, other = (photographs.photograph(IMAGES[0], draw(seed)) for seed in (1, 1, 2))
    assert first[:3] == b"\xff\xd8\xff" and first == again != other


def test_ink_is_darker_than_the_paper_around_it():
    for seed in range(5):
        levels = read_picture(photographs.photograph(IMAGES[seed], draw(seed))).levels
        assert np.percentile(levels, 1) < 0.6 * np.median(levels)


def test_light_falls_off_and_every_second_page_has_a_shadow():
    darkest = np.array([photographs._light((60, 80), draw(seed)).min() for seed in range(200)])
    assert 0.25 < darkest.min() < 0.5 and 0.9 < darkest.max() <= 1
    assert 0.3 < (darkest < 0.65).mean() < 0.7


def test_lines_are_printed_on_lined_and_squared_paper_only():
    ruling = {
        paper: photographs._ruling((200, 150), 80, paper, draw(0)) for paper in photographs.PAPERS
    }
    assert (ruling["plain"] == 1).all()
    lined, squared = ruling["lined"], ruling["squared"]
    assert np.ptp(lined, axis=1).max() == 0 < np.ptp(lined, axis=0).min()
    assert 0.65 <= lined.min() <= 0.9 and lined.max() == 1
    assert np.ptp(squared, axis=1).max() > 0 and (squared[lined < 1] < 1).all()


def test_sixty_photographs_are_read_nearly_as_well_as_the_originals():
    found = photographs.measure("digits", 60, "plain", 0)
    assert {"ratio", "reference", "ours", "unit", "machine"} <= found.keys()
    assert found["images"] == 60 and found["seed"] == 0
    assert found["digits_found"].get(1, 0) >= 58
    assert len(found["variants"]) == 6
    for variant in found["variants"]:  # two images in 60 are 0.03
        assert variant["ratio"] >= 0.93, variant
    assert np.mean([variant["ratio"] for variant in found["variants"]]) >= 0.97
    assert found["ratio"] == min(variant["ratio"] for variant in found["variants"])


def test_a_refused_photograph_counts_as_read_wrongly(monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise ImageError("Nothing.", "blank")

    images, targets = load_split("digits", Path(), "test")
    seen = list(images[:10])
    whole = photographs.accuracies("digits", images[:10], targets[:10], [*seen])
    half = photographs.accuracies("digits", images[:10], targets[:10], [*seen[:5], *[None] * 5])
    assert (whole["ratio"] == 1).all() and (half["photographs"] <= 0.5).all()
    monkeypatch.setattr(photographs, "find_digits", refuse)
    assert photographs.read(photographs.photograph(images[0], draw(0)), "box") == (None, 0)
