"""What images are compared with."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.analysis.baselines import BASELINES, DEFAULT_BASELINE, baseline_warning, make_baseline
from core.data.datasets import DATASETS, load_split
from core.errors import DataError, UsageError

DIGITS, MNIST = DATASETS["digits"], DATASETS["mnist"]


@pytest.mark.parametrize("key", BASELINES)
def test_shape_and_name(key, tmp_path):
    found = make_baseline(key, DIGITS, tmp_path)
    assert found.image.shape == (1, 28, 28) and found.image.dtype == np.float32
    assert (found.key, found.label) == (key, BASELINES[key])


def test_black_is_the_smallest_value_an_image_can_have(tmp_path):
    """Not zero: (0 − 0.1307) / 0.3081 for MNIST."""
    assert DEFAULT_BASELINE == "black"
    assert np.unique(make_baseline("black", MNIST, tmp_path).image) == pytest.approx(
        -0.1307 / 0.3081, abs=1e-6
    )


def test_zero_is_zero_after_normalization(tmp_path):
    assert np.abs(make_baseline("zero", MNIST, tmp_path).image).max() < 1e-6


def test_the_mean_image_is_that_of_the_training_images(tmp_path):
    pixels = load_split("digits", tmp_path, "train").images.astype(float).mean(axis=0)
    found = make_baseline("mean", DIGITS, tmp_path).image
    np.testing.assert_allclose(found[0] * DIGITS.std + DIGITS.mean, pixels / 255, atol=1e-6)
    assert found.std() > 0.1


def test_the_mean_of_images_that_are_not_there_says_how_to_get_them(tmp_path):
    with pytest.raises(DataError, match="fetch|Download|download"):
        make_baseline("mean", MNIST, tmp_path)


def test_a_users_image(tmp_path):
    pixels = load_split("digits", tmp_path, "test").images[3]
    path = tmp_path / "mine.png"
    Image.fromarray(pixels).save(path)
    found = make_baseline(str(path), DIGITS, tmp_path)
    assert (found.key, found.label) == (str(path), "Image mine.png")
    np.testing.assert_allclose(found.image[0] * DIGITS.std + DIGITS.mean, pixels / 255, atol=1e-6)


def test_anything_else_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"Unknown baseline 'white': choose from black, zero"):
        make_baseline("white", DIGITS, tmp_path)


def test_only_zero_is_warned_of_and_only_where_contrast_is_ignored():
    warned = {
        (key, norm)
        for key in (*BASELINES, "mine.png")
        for norm in ("batch", "group", "layer")
        if baseline_warning(key, norm)
    }
    assert warned == {("zero", "group"), ("zero", "layer")}
