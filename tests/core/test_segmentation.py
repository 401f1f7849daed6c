"""Which ink belongs to which digit, on pages that a person can draw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.datasets import load_split
from core.data.image_gate import Picture
from core.data.preprocess import find_digits
from core.data.segmentation import Box, Mark, find_marks, put_together, reading_order

TALL = (10, 10, 30, 20)
"""A digit 20 high and 10 wide."""


def page(*boxes: Box) -> np.ndarray:
    """60×120 pixels with these filled boxes."""
    inked = np.zeros((60, 120), bool)
    for top, left, bottom, right in boxes:
        inked[top:bottom, left:right] = True
    return inked


def boxes(*inked: Box) -> list[Box]:
    return [mark.box for mark in find_marks(page(*inked))[1]]


def marks(*found: Box) -> list[Mark]:
    return [
        Mark((label,), box, (box[2] - box[0]) * (box[3] - box[1]))
        for label, box in enumerate(found, 1)
    ]


def test_an_empty_page_has_no_marks():
    labels, found, number_small = find_marks(page())
    assert not labels.any() and found == () and number_small == 0


def test_pixels_that_touch_at_a_corner_are_one_mark():
    assert boxes((0, 0, 5, 5), (5, 5, 10, 10)) == [(0, 0, 10, 10)]


def test_labels_cover_what_is_inked_and_marks_count_it():
    inked = page(TALL, (10, 40, 30, 50))
    labels, found, _ = find_marks(inked)
    np.testing.assert_array_equal(labels > 0, inked)
    for mark in found:
        assert mark.area == 200 == np.isin(labels, mark.labels).sum()
    assert found[0].labels != found[1].labels


@pytest.mark.parametrize(("gap", "number"), [(1, 1), (2, 2)])
def test_a_stroke_may_be_interrupted_by_a_twentieth_of_its_height(gap, number):
    # Two pieces of 20, so that neither is small enough to be a detached part.
    assert len(boxes((0, 0, 20, 4), (20 + gap, 0, 40 + gap, 4))) == number


@pytest.mark.parametrize(("gap", "number"), [(5, 1), (6, 2)])
def test_a_bar_above_belongs_to_a_digit_up_to_a_quarter_of_its_height(gap, number):
    top = 20
    found = put_together(marks((top, 10, 40, 20), (top - gap - 4, 14, top - gap, 26)))
    assert len(found) == number
    assert found[0].box == ((top - gap - 4, 10, 40, 26) if number == 1 else (top, 10, 40, 20))


def test_a_bar_that_starts_beyond_the_digit_is_not_its_own():
    over, off = (5, 17, 9, 29), (5, 19, 9, 31)  # 3 and 1 of the digit's 10 columns below them
    assert len(put_together(marks(TALL, over))) == 1
    assert len(put_together(marks(TALL, off))) == 2


@pytest.mark.parametrize(("gap", "number"), [(1, 1), (2, 2)])
def test_a_piece_at_the_side_must_be_nearer(gap, number):
    assert len(put_together(marks(TALL, (15, 20 + gap, 25, 24 + gap)))) == number


@pytest.mark.parametrize(("height", "number"), [(12, 1), (13, 2)])
def test_a_mark_of_more_than_six_tenths_of_the_height_is_a_digit_itself(height, number):
    assert len(put_together(marks(TALL, (10, 21, 10 + height, 25)))) == number


def test_a_part_finds_its_digit_through_another_part():
    whole = put_together(marks((20, 10, 30, 20), (14, 10, 18, 20), (6, 10, 12, 20)))
    assert [mark.box for mark in whole] == [(6, 10, 30, 20)]
    assert sorted(whole[0].labels) == [1, 2, 3] and whole[0].area == 100 + 40 + 60


def test_specks_are_dropped_and_small_marks_counted():
    speck, dash, digit = (50, 60, 51, 61), (18, 30, 21, 38), (10, 60, 17, 64)
    _, found, number_small = find_marks(page(TALL, speck, dash, digit))
    assert [mark.box for mark in found] == [TALL, digit]  # 7 of 20 are 35 %
    assert number_small == 1


def test_lines_are_read_from_the_top_and_each_from_the_left():
    first = [(5, 60, 25, 70), (0, 10, 20, 20), (8, 35, 22, 45)]
    second = [(30, 5, 50, 15), (32, 40, 52, 50)]
    order = [mark.box for mark in reading_order(marks(*second, *first))]
    assert order == [*sorted(first, key=lambda box: box[1]), *second]


def test_a_line_may_climb():
    climbing = [(60 - 8 * step, 15 * step, 80 - 8 * step, 15 * step + 10) for step in range(8)]
    order = [mark.box for mark in reading_order(marks(*climbing[::-1]))]
    assert order == climbing


@pytest.mark.parametrize("gap", [0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("side", [40, 100])
def test_a_telephone_number_is_read_digit_by_digit(side, gap):
    digits = load_split("digits", Path(), "test").images[:10]
    number = np.concatenate([tile(digit, side, round(gap * side)) for digit in digits], axis=1)
    found = find_digits(Picture(255 - np.pad(number, side)), centring="box")
    assert len(found) == 10
    for digit, original in zip(found, digits, strict=True):
        shifts = (np.roll(digit.image, shift, 1).astype(int) for shift in (-1, 0, 1))
        assert min(np.abs(one - original).mean() for one in shifts) < 12


def tile(digit: np.ndarray, side: int, gap: int) -> np.ndarray:
    """`digit` (28, 28), `side` pixels high, with `gap` empty columns on its right."""
    columns = np.flatnonzero((digit > 25).any(axis=0))
    cut = digit[4:24, columns[0] : columns[-1] + 1]
    width = round(cut.shape[1] * side / 20)
    enlarged = Image.fromarray(cut).resize((width, side), Image.Resampling.BICUBIC)
    return np.pad(np.asarray(enlarged), ((0, 0), (0, gap)))
