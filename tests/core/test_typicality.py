"""Where an image stands among the training images, by stored and by real distributions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.analysis.image_properties import PROPERTIES, image_properties
from core.analysis.typicality import (
    COLUMNS,
    PERCENTILES,
    STORED,
    compute_quantiles,
    rank,
    stored_quantiles,
    typicality,
)
from core.data.datasets import load_split
from tests.pictures import DIGIT


def of_one(image: np.ndarray, dataset: str = "digits"):
    return typicality(image[None], dataset).set_index("property")


@pytest.mark.parametrize("dataset", STORED)
def test_what_is_stored_is_that_of_the_training_images(dataset, request):
    root = request.getfixturevalue("mnist_root") if dataset == "mnist" else Path()
    computed = compute_quantiles(load_split(dataset, root, "train").images)
    stored = stored_quantiles()[dataset]
    assert computed.keys() == stored.keys() == PROPERTIES.keys()
    for key, quantiles in stored.items():
        assert quantiles == pytest.approx(computed[key], abs=2e-4), key
        assert (np.diff(quantiles) >= 0).all()


def test_percentiles_are_the_share_below_and_half_of_the_equal():
    images = load_split("digits", Path(), "train").images
    frame, values = typicality(images, "digits"), image_properties(images).round(4)
    for key, rows in frame.groupby("property"):
        column = values[key].to_numpy()
        below = (column[:, None] > column).mean(axis=1) + (column[:, None] == column).mean(
            axis=1
        ) / 2
        assert np.abs(rows["percentile"] - 100 * below).max() < 1.2, key
        assert rows["is_unusual"].mean() <= 0.0215  # at most 1 % on each side, of 1,437
    assert frame["image"].tolist() == np.repeat(np.arange(len(images)), len(PROPERTIES)).tolist()


def test_new_images_of_mnist_are_about_as_usual(mnist_root):
    frame = typicality(load_split("mnist", mnist_root, "test").images, "mnist")
    assert frame.groupby("property")["is_unusual"].mean().max() < 0.03
    assert frame.groupby("property")["percentile"].mean().between(45, 55).all()


def test_the_middle_of_equal_quantiles():
    number = len(PERCENTILES)
    assert rank(np.array([4.0, 5.0, 6.0]), np.full(number, 5.0)).tolist() == [0, 50, 100]
    halves = np.where(PERCENTILES <= 50, 2.0, 4.0)
    assert rank(np.array([2.0, 4.0]), halves).tolist() == [25, 75.5]
    np.testing.assert_allclose(rank(PERCENTILES, PERCENTILES), PERCENTILES)


def test_a_usual_digit_has_its_values_and_limits():
    found = of_one(DIGIT)
    assert list(found.index) == list(PROPERTIES)
    for key, known in PROPERTIES.items():
        row = found.loc[key]
        assert (row["label"], row["unit"]) == (known.label, known.unit)
        assert row["value"] == pytest.approx(image_properties(DIGIT[None])[key][0], abs=1e-4)
        quantiles = stored_quantiles()["digits"][key]
        assert row["low"], row["high"] == np.interp([1, 99], PERCENTILES, quantiles)
        assert row["is_unusual"] == (not row["low"] <= row["value"] <= row["high"])


@pytest.mark.parametrize(
    ("image", "key", "percentile"),
    [
        (np.roll(DIGIT, 7, axis=1), "position", 100),
        (DIGIT // 3, "contrast", 0),
        (np.pad(np.full((24, 24), 255, np.uint8), 2), "thickness", 100),
        (np.pad(np.full((24, 1), 255, np.uint8), ((2, 2), (13, 14))), "thickness", 0),
        (np.pad(np.full((3, 3), 255, np.uint8), ((12, 13), (12, 13))), "size", 0),
    ],
)
def test_what_is_odd_is_found(image, key, percentile):
    row = of_one(image).loc[key]
    assert row["is_unusual"] and row["percentile"] == percentile


def test_a_black_image_lacks_what_needs_ink():
    found = of_one(np.zeros((28, 28), np.uint8))
    needs_ink = found.loc[["thickness", "size", "slant", "position"]]
    assert needs_ink[["value", "percentile"]].isna().all(axis=None)
    assert not needs_ink["is_unusual"].any()
    assert found.loc["brightness", "is_unusual"]


def test_nothing_is_said_where_nothing_is_stored():
    found = typicality(DIGIT[None], "kmnist")
    assert found.empty and list(found) == COLUMNS
