"""Every property on drawn bars whose thickness, slant, size, place and grey are known."""

import numpy as np
import pytest

from core.analysis.image_properties import PROPERTIES, image_properties

ROWS, COLUMNS = np.mgrid[:28, :28] - 13.5


def bar(width: float, height: float, *, slant: float = 0.0, turn: float = 0.0) -> np.ndarray:
    """An antialiased white bar in the middle, sheared by `slant` or turned by `turn` degrees."""
    x = COLUMNS + np.tan(np.radians(slant)) * ROWS
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    x, y = c * x - s * ROWS, s * x + c * ROWS
    covered = [np.clip(side / 2 - np.abs(d) + 0.5, 0, 1) for side, d in ((width, x), (height, y))]
    return np.round(255 * covered[0] * covered[1]).astype(np.uint8)


def measure(image: np.ndarray) -> dict[str, float]:
    return image_properties(image[None]).iloc[0].to_dict()


@pytest.mark.parametrize("width", [2, 3, 4, 2.5, 3.3])
@pytest.mark.parametrize("turn", [0, 90, 30, 45])
def test_a_bar_is_as_thick_as_it_was_drawn(width, turn):
    assert measure(bar(width, 20, turn=turn))["thickness"] == pytest.approx(width, abs=0.3)


def test_a_stroke_of_one_pixel_is_as_thick_as_it_was_drawn():
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 13] = 255
    assert measure(image)["thickness"] == pytest.approx(1, abs=0.1)


def test_a_stroke_grows_by_what_is_added():
    measured = [measure(bar(width, 18))["thickness"] for width in (2, 3, 4)]
    assert np.diff(measured) == pytest.approx([1, 1], abs=0.1)


@pytest.mark.parametrize("slant", [-30, -10, 0, 20, 35])
def test_slant_is_the_angle_of_the_shear(slant):
    assert measure(bar(3, 20, slant=slant))["slant"] == pytest.approx(slant, abs=0.5)


def test_size_is_the_side_of_the_square_with_the_area_of_the_box():
    assert measure(bar(4, 16))["size"] == pytest.approx(8)
    assert measure(bar(20, 20))["size"] == pytest.approx(20)


def test_position_is_the_distance_of_the_ink_from_the_middle():
    moved = np.roll(bar(4, 12), (4, -3), axis=(0, 1))
    found = measure(moved)
    assert found["position"] == pytest.approx(5, abs=1e-3)
    assert measure(bar(4, 12))["position"] == pytest.approx(0, abs=1e-3)


def test_contrast_and_brightness_are_those_of_the_greys():
    image = np.full((28, 28), 51, np.uint8)
    image[4:18, 4:18] = 204  # a quarter of the image
    found = measure(image)
    assert found["contrast"] == pytest.approx(0.8 - 0.2)
    assert found["brightness"] == pytest.approx(0.2 + 0.6 / 4)


def test_a_faint_digit_has_the_shape_of_a_strong_one():
    strong, faint = (measure((bar(4, 16, slant=10) * share).astype(np.uint8)) for share in (1, 0.5))
    for key in ("thickness", "slant", "position"):
        assert faint[key] == pytest.approx(strong[key], abs=0.05)
    assert faint["contrast"] < 0.6 * strong["contrast"]


def test_a_black_image_has_no_shape():
    found = measure(np.zeros((28, 28), np.uint8))
    assert found["contrast"] == found["brightness"] == 0
    assert all(np.isnan(found[key]) for key in ("thickness", "size", "slant", "position"))


def test_one_row_per_image_in_their_order_and_images_stay_as_they_are():
    images = np.stack([bar(2, 20), np.zeros((28, 28), np.uint8), bar(5, 20)])
    before = images.copy()
    frame = image_properties(images)
    assert list(frame.columns) == list(PROPERTIES) and len(frame) == 3
    assert frame["thickness"][0] < frame["thickness"][2]
    assert frame.loc[2].to_dict() == pytest.approx(measure(images[2]))
    assert np.array_equal(images, before)
