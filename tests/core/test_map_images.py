"""The colour scale of attribution maps: symmetric, white at 0, shared, and readable without hue."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from core.analysis.map_images import (
    NEGATIVE,
    POSITIVE,
    common_limit,
    enlarge,
    to_enlarged_rgb,
    to_png,
    to_rgb,
)
from core.errors import NormLabError

# What people without one kind of cone see, for linear RGB (Viénot, Brettel and Mollon 1999).
DICHROMATS = {
    "protanopia": ((0.11238, 0.88762, 0), (0.11238, 0.88762, 0), (0.00401, -0.00401, 1)),
    "deuteranopia": ((0.29275, 0.70725, 0), (0.29275, 0.70725, 0), (-0.02234, 0.02234, 1)),
}


def linear(rgb) -> np.ndarray:
    c = np.asarray(rgb, float) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(linear_rgb: np.ndarray) -> np.ndarray:
    """CIE L*, a*, b* (D65)."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ linear_rgb / (0.9505, 1.0, 1.089))
    return np.array((116 * y - 16, 500 * (x - y), 200 * (y - z)))


def test_zero_is_white_and_the_ends_are_the_ends():
    rgb = to_rgb(np.array([[0.0, 2.0, -2.0], [5.0, -5.0, 1.0]]), 2.0)
    assert rgb.dtype == np.uint8 and rgb.shape == (2, 3, 3)
    assert rgb[0, 0].tolist() == [255, 255, 255]
    assert rgb[0, 1].tolist() == rgb[1, 0].tolist() == POSITIVE.tolist()
    assert rgb[0, 2].tolist() == rgb[1, 1].tolist() == NEGATIVE.tolist()
    assert rgb[1, 2] == pytest.approx((255 + POSITIVE) / 2, abs=0.5)


@pytest.mark.parametrize("value", [0.25, 0.5, 0.75, 1.0])
def test_the_same_size_is_equally_light_whatever_its_sign(value):
    negative, positive = (lab(linear(c)) for c in to_rgb(np.array([[-value, value]]), 1.0)[0])
    assert abs(negative[0] - positive[0]) < 2.5
    assert np.linalg.norm(negative - positive) > 100 * value * 0.8


@pytest.mark.parametrize("kind", DICHROMATS)
def test_the_signs_are_told_apart_without_full_colour_vision(kind):
    seen = np.array(DICHROMATS[kind])
    negative, positive = (lab(np.clip(seen @ linear(c), 0, 1)) for c in (NEGATIVE, POSITIVE))
    assert np.linalg.norm(negative - positive) > 60


def test_a_map_with_its_sign_turned_has_the_colours_swapped():
    values = np.linspace(-3, 3, 784).reshape(28, 28)
    there, back = to_rgb(values, 3.0), to_rgb(-values, 3.0)
    assert np.array_equal(there, back[::-1, ::-1])
    assert not np.array_equal(there, back)


def test_the_limit_is_shared_and_nothing_is_cut_off():
    small, large = np.full((28, 28), 0.5), np.zeros((28, 28))
    large[3, 4] = -4.0
    assert common_limit([small, large]) == 4.0
    assert common_limit([]) == 0.0 == common_limit([np.zeros((28, 28))])
    (share,) = np.unique((255 - to_rgb(small, 4.0).astype(float)) / (255 - POSITIVE))[:1]
    assert share == pytest.approx(0.125, abs=0.01)


def test_a_map_of_zeros_is_white_on_every_scale():
    for limit in (0.0, 1.0):
        assert (to_enlarged_rgb(np.zeros((28, 28)), limit) == 255).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused(bad):
    values = np.zeros((28, 28))
    values[0, 0] = bad
    for draw in (lambda: to_rgb(values, 1.0), lambda: common_limit([values])):
        with pytest.raises(NormLabError, match="not finite"):
            draw()
    with pytest.raises(NormLabError, match="cannot be drawn"):
        to_rgb(np.zeros((28, 28)), bad)


def test_enlarged_pixels_are_squares_and_negative_ones_carry_a_minus():
    values = np.array([[1.0, -1.0], [-0.3, -0.05]])
    rgb = to_enlarged_rgb(values, 1.0)
    assert rgb.shape == (16, 16, 3)
    plain = enlarge(to_rgb(values, 1.0))
    marked = (rgb != plain).any(axis=2)
    assert sorted({(y // 8, x // 8) for y, x in np.argwhere(marked)}) == [(0, 1), (1, 0)]
    assert np.argwhere(marked[:8, 8:]).tolist() == [[4, x] for x in (2, 3, 4, 5)]
    assert rgb[4, 10].tolist() == [255, 255, 255] and rgb[12, 2].tolist() == NEGATIVE.tolist()


def test_a_png_holds_the_same_pixels():
    for image in (to_enlarged_rgb(np.eye(28), 1.0), np.eye(28, dtype=np.uint8) * 200):
        assert np.array_equal(np.array(Image.open(io.BytesIO(to_png(image)))), image)
