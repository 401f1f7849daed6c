"""Light on paper and the ink on it, on pages whose light is known."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.ink import find_ink, without_frame, without_grain
from core.data.lighting import even_light, find_polarity, is_even, reduce

RAMP = np.linspace(100, 240, 300)[None, :].repeat(200, axis=0)
"""Paper (200, 300) that gets brighter to the right."""
BAR = np.zeros(RAMP.shape, bool)
BAR[60:140, 100:115] = True
SHADOW = np.where(np.arange(300) < 150, 0.6, 1.0) * np.full((200, 1), 230.0)
"""Paper whose left half lies in shadow."""


def written(light: np.ndarray, reflected: float = 0.3) -> np.ndarray:
    """`light` (H, W) on paper, of which `BAR` reflects a part."""
    return np.rint(light * np.where(BAR, reflected, 1)).astype(np.uint8)


def grain(shape: tuple[int, int], deviation: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, deviation, shape)


# Even or not


@pytest.mark.parametrize(("spread", "even"), [(10, True), (13, False)])
def test_light_is_even_where_the_border_stays_within_a_twentieth_of_the_contrast(spread, even):
    page = np.full((50, 50), 200, np.uint8)
    page[20:30, 20:30] = 0
    page[:10] = 200 - spread  # 20 % and more of the border
    assert is_even(page) is even


def test_a_shadow_is_uneven_and_a_drawing_is_even():
    assert not is_even(written(SHADOW)) and not is_even(written(RAMP))
    assert is_even(written(np.full(RAMP.shape, 255.0)))


def test_ink_may_cover_much_of_the_border_of_a_drawing_but_its_paper_has_one_level():
    page = np.full((50, 50), 200, np.uint8)
    page[:15] = page[:, :10] = 3  # nearly half of the border
    page[25, 25] = 0
    assert is_even(page) and is_even(255 - page)
    noisy = np.clip(page + grain(page.shape, 4), 0, 255).astype(np.uint8)
    assert not is_even(noisy)
    page[:15] = page[:, :10] = 60  # there is something darker: this may be a shadow
    assert not is_even(page)


# Polarity


@pytest.mark.parametrize("light", [RAMP, SHADOW], ids=["ramp", "shadow"])
def test_ink_is_darker_than_paper_in_any_light_and_chalk_brighter_than_a_board(light):
    assert find_polarity(written(light)) == "dark_on_light"
    board = np.rint(light / 4 * np.where(BAR, 3.5, 1)).astype(np.uint8)
    assert find_polarity(board) == "light_on_dark"


def test_most_of_the_border_in_shadow_does_not_turn_the_polarity():
    light = np.full((200, 300), 240.0)
    light[:, 60:] = 110  # nearer to the ink than to the lit paper
    assert find_polarity(written(light, 0.2)) == "dark_on_light"


# Light


@pytest.mark.parametrize("light", [RAMP, SHADOW, SHADOW[:, ::-1]], ids=["ramp", "left", "right"])
def test_ink_takes_the_same_part_of_every_light(light):
    ink = even_light(written(light))
    assert ink.dtype == np.float32 and ink.shape == light.shape
    inner = np.zeros_like(BAR)
    inner[65:135, 104:111] = True
    np.testing.assert_allclose(ink[inner], 0.7, atol=0.05)
    away = ~BAR
    away[:, 145:155] = False  # the shadow's edge is blurred together with the light
    away[50:150, 90:125] = False
    assert np.abs(ink[away]).max() < 0.05


def test_a_dark_page_divides_by_no_light():
    ink = even_light(np.zeros((20, 20), np.uint8))
    assert np.isfinite(ink).all() and ink.min() >= 0 and ink.max() <= 1


def test_a_picture_is_reduced_by_averaging_whole_squares():
    page = np.arange(16, dtype=np.uint8).reshape(4, 4) * 10
    np.testing.assert_array_equal(reduce(page, 2), [[25, 45], [105, 125]])
    assert reduce(page, 4) is page
    assert reduce(np.zeros((1001, 30), np.uint8), 1000).shape == (501, 15)


# Ink


def test_ink_in_a_drawing_is_the_difference_from_the_paper():
    ink = find_ink(written(np.full(RAMP.shape, 200.0), 0.5))
    assert not ink.is_photographed
    np.testing.assert_allclose(ink.values, np.where(BAR, 100 / 255, 0), atol=1e-6)
    np.testing.assert_array_equal(ink.inked, BAR)


def test_a_scans_small_noise_is_taken_off():
    page = np.full(RAMP.shape, 250, np.uint8)
    page[::2, ::2] = 247
    page[BAR] = 10
    ink = find_ink(page)
    assert not ink.is_photographed and not ink.values[~BAR].any()
    np.testing.assert_array_equal(ink.inked, BAR)


@pytest.mark.parametrize("light", [RAMP, SHADOW], ids=["ramp", "shadow"])
def test_ink_in_a_photograph_is_found_where_it_is(light):
    ink = find_ink(np.clip(written(light) + grain(light.shape, 3), 0, 255).astype(np.uint8))
    assert ink.is_photographed
    wrong = ink.inked != BAR
    assert wrong.sum() <= 0.1 * BAR.sum()
    assert ink.values[BAR].min() > 0.4 and np.median(ink.values[~BAR]) == 0


def test_faint_print_of_lined_paper_is_no_ink():
    light = RAMP.copy()
    light[10::40] *= 0.8
    ink = find_ink(np.clip(written(light) + grain(light.shape, 2), 0, 255).astype(np.uint8))
    assert ink.inked[BAR].mean() > 0.9 and not ink.inked[:, 130:].any()


@pytest.mark.parametrize("deviation", [2, 8, 20])
@pytest.mark.parametrize("light", [RAMP, np.full(RAMP.shape, 180.0)], ids=["ramp", "even"])
def test_paper_with_nothing_but_grain_has_no_ink(light, deviation):
    for seed in range(3):
        page = np.clip(light + grain(light.shape, deviation, seed), 0, 255).astype(np.uint8)
        assert not find_ink(page).inked.any()
        assert not find_ink(255 - page).inked.any()


def test_what_covers_a_quarter_of_a_side_at_the_border_is_no_digit():
    inked = np.zeros((40, 80), bool)
    inked[10:20, 30:40] = True
    expected = inked.copy()
    inked[-5:, 20:30] = True
    np.testing.assert_array_equal(without_frame(inked), expected)
    inked[-5:, 20:30] = False
    inked[-5:, 20:29] = True  # 9 of 40
    np.testing.assert_array_equal(without_frame(inked), inked)


def test_grain_is_smaller_than_three_hundredths_of_the_picture():
    inked = np.zeros((300, 400), bool)
    inked[50:61, 50] = True
    assert not without_grain(inked).any()
    inked[100:112, 50] = True
    np.testing.assert_array_equal(without_grain(inked), inked)
    assert not without_grain(np.eye(7, dtype=bool)).any()
    assert without_grain(np.eye(8, dtype=bool)).any()
