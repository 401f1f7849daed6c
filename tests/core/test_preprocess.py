"""From any picture of a digit to what the networks see: by hand where a person can count it."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.data.datasets import DATASETS, load_split
from core.data.image_gate import Picture
from core.data.preprocess import (
    CENTRINGS,
    POLARITIES,
    STEPS,
    Preprocessed,
    background,
    center,
    find_digits,
    find_polarity,
    preprocess,
    read_image,
    use_as_is,
)
from core.errors import ImageError, UsageError
from tests.pictures import DIGIT, PAPER, encode, ink_on_transparent, mutations, valid_files

INVERTED = "The ink is darker than the paper: the picture was inverted."
# 20×12 pixels; its centre of mass, (9.5, 5.5), comes to lie at (13.5, 13.5), as near to 14 as
# 14.5, of which two Python's `round` takes the even start.
BAR = np.zeros((28, 28), np.uint8)
BAR[4:24, 8:20] = 255


def read(pixels: np.ndarray | Image.Image, *notices: str, **options: str) -> np.ndarray:
    result = read_image(encode(pixels), **options)
    assert result.notices == notices
    return check(result)


def check(result: Preprocessed) -> np.ndarray:
    image = result.image
    assert image.shape == (28, 28) and image.dtype == np.uint8
    assert image.flags.writeable and image.flags.c_contiguous  # else torch warns or copies
    return image


def enlarged(digit: np.ndarray, times: int, top: int, left: int) -> np.ndarray:
    """`digit` with pixels of `times`×`times`, on a black page with these margins and 30 more."""
    pixels = np.kron(digit, np.ones((times, times), np.uint8))
    return np.pad(pixels, ((top, 30), (left, 30)))


# Pictures of 28×28


def assert_unchanged(images: np.ndarray) -> None:
    for image in images:
        np.testing.assert_array_equal(read(image), image)


def test_a_data_sets_digits_come_out_unchanged():
    assert_unchanged(load_split("digits", Path(), "test").images)


def test_mnist_comes_out_unchanged(mnist_root):
    assert_unchanged(load_split("mnist", mnist_root, "test").images[::10])


def test_every_mnist_digit_is_seen_as_light_on_dark_and_its_negative_inverted(mnist_root):
    for image in load_split("mnist", mnist_root, "test").images:
        assert find_polarity(image) == "light_on_dark"
        assert find_polarity(255 - image) == "dark_on_light"


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_the_file_it_comes_in_does_not_matter(tmp_path, kind, mode):
    path = tmp_path / "digit"
    path.write_bytes(encode(Image.fromarray(DIGIT).convert(mode), kind))
    np.testing.assert_array_equal(check(read_image(path)), DIGIT)
    np.testing.assert_array_equal(check(read_image(path.read_bytes())), DIGIT)


def test_dark_on_light_is_inverted_with_a_notice():
    np.testing.assert_array_equal(read(255 - DIGIT, INVERTED), DIGIT)


def test_ink_on_transparent_shows_the_digit():
    white, black = (f"The transparent parts were taken as {n} paper." for n in ("white", "black"))
    np.testing.assert_array_equal(read(ink_on_transparent(0), white, INVERTED), DIGIT)
    np.testing.assert_array_equal(read(ink_on_transparent(255), black), DIGIT)


def test_the_polarity_can_be_given():
    for pixels in (DIGIT, 255 - DIGIT):
        np.testing.assert_array_equal(read(pixels, polarity="light_on_dark"), pixels)
        np.testing.assert_array_equal(read(pixels, polarity="dark_on_light"), 255 - pixels)
    with pytest.raises(UsageError, match=r"'dark'.*auto, dark_on_light, light_on_dark\."):
        read_image(encode(DIGIT), polarity="dark")


# Polarity and background


def test_the_border_decides_even_where_ink_covers_most():
    bold = np.full((50, 50), 30, np.uint8)
    bold[:4] = bold[-4:] = bold[:, :4] = bold[:, -4:] = 220
    assert (bold == 30).mean() > 0.6
    assert background(bold) == 220
    assert find_polarity(bold) == "dark_on_light"
    assert find_polarity(255 - bold) == "light_on_dark"


def test_all_four_sides_are_the_border():
    page = np.zeros((9, 9), np.uint8)
    page[:, 0] = page[0, :5] = page[-1, :5] = 200  # 17 of the border's 32; 10 of 25 but for a side
    for turns in range(4):
        assert background(np.rot90(page, turns)) == 200


def test_ink_may_touch_the_border():
    page = np.zeros((40, 40), np.uint8)
    page[:, 10:20] = 200
    assert background(page) == 0 and find_polarity(page) == "light_on_dark"


def test_ink_on_the_board_is_kept_where_it_covers_the_border():
    large = np.kron(DIGIT, np.ones((10, 10), np.uint8))
    (top, bottom), (left, right) = (np.flatnonzero(large.any(axis=a))[[0, -1]] for a in (1, 0))
    (whole,) = find_digits(Picture(large), on_board=True)
    for page in (large[top:], large[:, left:], large[top : bottom + 1, left : right + 1]):
        (found,) = find_digits(Picture(page), on_board=True)
        assert found.notices == () and "evened" not in found.steps
        np.testing.assert_array_equal(check(found), whole.image)


@pytest.mark.parametrize("side", [28 * 2, 28 * 10])
@pytest.mark.parametrize("inverted", [False, True])
def test_an_uploaded_drawing_may_be_cut_out_tightly(side, inverted):
    """A 7 of which the upper edge of the picture is all ink."""
    large = Image.new("L", (4 * side, 4 * side))
    draw, width = ImageDraw.Draw(large), side // 2
    draw.rectangle((0, 0, 4 * side, width), fill=255)
    draw.line((4 * side - width // 2, width // 2, 2 * side, 4 * side), fill=255, width=width)
    page = np.asarray(large.resize((side, side), Image.Resampling.BOX))
    tight, loose = (
        read_image(encode(255 - drawn if inverted else drawn)) for drawn in (page, np.pad(page, 20))
    )
    assert tight.notices == loose.notices == (INVERTED,) * inverted
    assert np.abs(tight.image.astype(int) - loose.image).max() <= 2


def test_a_drawing_whose_ink_covers_half_of_the_border_is_not_turned_over():
    page = np.zeros((280, 280), np.uint8)
    page[:30] = page[:, :30] = page[-30:] = 255  # a large C
    (found,) = find_digits(Picture(page), on_board=True)
    assert found.image[14, 20] == 0 and found.image[5, 20] > 200 and found.notices == ()


def test_a_polarity_that_leaves_nothing_is_refused():
    with pytest.raises(ImageError, match="polarity: choose the other one") as error:
        read_image(encode(PAPER), polarity="light_on_dark")
    assert error.value.code == "blank"


# Size and place


def test_a_bar_on_paper_stands_where_its_mass_is_centred():
    np.testing.assert_array_equal(read(PAPER, INVERTED), BAR)
    np.testing.assert_array_equal(read(255 - PAPER), BAR)


def test_a_lying_bar_is_scaled_by_its_width():
    lying = np.pad(np.full((30, 50), 255, np.uint8), 9)
    np.testing.assert_array_equal(read(lying), BAR.T)


@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (200, 150), (40, 90), (128, 112)])
def test_paper_becomes_black_and_the_strongest_ink_white(paper, ink):
    pixels = np.where(PAPER == 0, ink, paper).astype(np.uint8)
    np.testing.assert_array_equal(read(pixels, *[INVERTED] * (paper > ink)), BAR)


@pytest.mark.parametrize(("times", "top", "left"), [(1, 0, 7), (4, 11, 0), (10, 200, 31)])
def test_size_and_place_on_the_page_do_not_matter(times, top, left):
    expected = read(enlarged(DIGIT, 1, 5, 5))
    found = read(enlarged(DIGIT, times, top, left))
    assert np.abs(found.astype(int) - expected).mean() < 1  # displaced by one pixel: 12


def test_an_mnist_digit_printed_large_is_nearly_itself(mnist_root):
    differences = [
        np.abs(read(enlarged(image, 10, 50, 90)).astype(int) - image).mean()
        for image in load_split("mnist", mnist_root, "test").images[::100]
    ]
    assert np.median(differences) < 4 and max(differences) < 30


def test_the_longer_side_has_20_pixels_and_the_mass_is_centred():
    for digit in load_split("digits", Path(), "test").images[:50]:
        image = read(enlarged(digit, 6, 3, 70))
        rows, columns = np.nonzero(image)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
        mass = image.astype(float)
        for axis in (0, 1):
            mean = np.average(np.arange(28), weights=mass.sum(axis=1 - axis))
            assert abs(mean - 14) <= 0.5


def test_mass_at_one_end_does_not_push_ink_out_of_the_field():
    mushroom = np.zeros((20, 20), np.uint8)
    mushroom[:1] = 255
    mushroom[1:, 10] = 1
    centred = center(mushroom)
    assert centred.sum() == mushroom.sum()
    assert (centred[8] > 0).sum() == 20  # without the limit the top row would lie in row 14


def test_a_thin_stroke_in_a_large_picture_stays_visible():
    page = np.full((3000, 2000), 255, np.uint8)
    page[500:2500, 1000:1004] = 0
    image = read(page, INVERTED)
    assert image.max() == 255
    assert [np.ptp(indices) + 1 for indices in np.nonzero(image)] == [20, 1]


def test_thin_strokes_keep_their_proportion():
    page = np.zeros((2100, 2100), np.uint8)
    page[50:2050, 50:53] = 255
    page[2047:2050, 50:2050] = 100
    image = read(page)
    rows, columns = np.nonzero(image)
    upright, lying = image[rows.min() + 5, columns.min()], image[rows.max(), columns.max() - 5]
    assert lying > 50 and lying == pytest.approx(upright * (100 / 255), abs=1)


def test_a_tenth_of_the_strongest_ink_is_still_ink():
    page = 255 - PAPER
    page[10:30, 24] = 25
    np.testing.assert_array_equal(read(page), BAR)
    page[10:30, 24] = 26
    assert len(find_digits(Picture(page))) == 2


def test_eight_pixels_are_enough():
    tiny = np.zeros((8, 8), np.uint8)
    tiny[1:7, 3:5] = 16
    image = read(tiny)
    assert np.ptp(np.nonzero(image)[0]) + 1 == 20 and image.max() == 255


# Steps


def test_the_steps_are_shown_in_order_and_small():
    page = np.pad(PAPER, ((500, 0), (0, 0)), constant_values=255)
    steps = preprocess(Picture(page, ("Seen before.",))).steps
    assert list(steps) == ["grey", "ink", "cropped", "centred"]
    assert [step.shape for step in steps.values()] == [(256, 14), (256, 14), (20, 12), (28, 28)]
    assert all(step.dtype == np.uint8 for step in steps.values())
    assert (steps["cropped"] == 255).all()
    assert steps["grey"].max() == 255 and (steps["grey"][0] == 255).all()
    assert (steps["ink"][0] == 0).all()
    assert list(read_image(encode(DIGIT)).steps) == ["grey"]


def test_notices_of_the_gate_come_first():
    assert preprocess(Picture(PAPER, ("Seen before.",))).notices == ("Seen before.", INVERTED)


def test_notices_of_photographs_say_what_was_done():
    ramp = np.linspace(120, 240, 200) * np.ones((150, 1))
    ramp[50:100, 80:90] *= 0.2
    ramp[75:78, 120:130] *= 0.2  # a dash
    found = preprocess(Picture(ramp.astype(np.uint8)))
    small = "Marks too small for a digit were left out: 1."
    assert found.notices == (INVERTED, "The light is uneven: it was evened out.", small)
    assert list(found.steps) == list(STEPS)
    evened = found.steps["evened"]
    assert np.abs(evened[10:40].astype(int) - 255).max() <= 5 and evened[60:90, 84].max() < 80
    assert found.steps["ink"][76, 125] == 0 and found.steps["ink"][76, 84] > 200


# Several digits


def two_digits() -> Picture:
    """A digit 120 pixels high, and one half as high on its right, dark on light, on 200×400."""
    page = np.zeros((200, 400), np.uint8)
    page[30:150, 20:140] = np.kron(DIGIT[4:24, 4:24], np.ones((6, 6), np.uint8))
    page[80:140, 250:310] = np.kron(DIGIT[4:24, 4:24], np.ones((3, 3), np.uint8))
    return Picture(255 - page)


def test_each_digit_comes_with_its_place_and_its_own_ink():
    first, second = find_digits(two_digits())
    assert np.abs(first.image.astype(int) - second.image).max() <= 20
    assert first.steps["ink"] is second.steps["ink"]
    assert first.steps["cropped"].shape[0] == 120 and second.steps["cropped"].shape[0] == 60
    shown = 256 / 400
    for digit, (top, bottom) in ((first, (30, 150)), (second, (80, 140))):
        assert digit.box is not None
        assert (digit.box[0], digit.box[2]) == (int(top * shown), int(np.ceil(bottom * shown)))
        region = np.zeros(digit.steps["grey"].shape, bool)
        region[digit.box[0] : digit.box[2], digit.box[1] : digit.box[3]] = True
        dark = digit.steps["grey"] < 128
        assert dark[region].mean() > 0.25 > 2 * dark.mean()
    assert first.box[3] < second.box[1]


def test_of_several_digits_the_largest_counts_and_a_notice_says_so():
    found, first = preprocess(two_digits()), find_digits(two_digits())[0]
    np.testing.assert_array_equal(found.image, first.image)
    notice = "The picture shows 2 digits: this is the largest."
    assert found.notices == (INVERTED, notice) and first.notices == (INVERTED,)


def test_a_neighbours_ink_stays_out_of_a_digit():
    page = np.zeros((60, 80), np.uint8)
    page[10:50, 20:24] = 255
    page[10:50, 28:30] = 255
    wide, narrow = find_digits(Picture(page))
    assert [np.ptp(np.nonzero(one.image)[1]) + 1 for one in (wide, narrow)] == [2, 1]


def test_soft_edges_stay_grey():
    page = np.zeros((60, 40), np.uint8)
    page[10:50, 15:25] = 255
    page[10:50, 14] = page[10:50, 25] = 100
    (found,) = find_digits(Picture(page))
    assert found.steps["cropped"].shape == (40, 12)
    assert set(np.unique(found.steps["cropped"])) == {100, 255}


def test_a_picture_of_28_pixels_is_one_digit_whatever_it_shows():
    pair = np.zeros((28, 28), np.uint8)
    pair[4:24, 4:8] = pair[4:24, 20:24] = 255
    (found,) = find_digits(Picture(pair))
    np.testing.assert_array_equal(found.image, pair)
    assert found.box is None and list(found.steps) == ["grey"]


def test_grain_alone_is_refused_with_the_cure():
    page = np.random.default_rng(0).normal(200, 8, (300, 400)).clip(0, 255).astype(np.uint8)
    for polarity in POLARITIES:
        cure = "like a digit: give it" if polarity == "auto" else "choose the other one, or give"
        with pytest.raises(ImageError, match=f"{cure} more contrast") as error:
            find_digits(Picture(page), polarity=polarity)
        assert error.value.code == "blank"


# Centring


def test_a_digit_lies_with_its_mass_or_its_middle_in_the_centre():
    page = np.zeros((60, 60), np.uint8)
    page[10:50, 20:24] = page[40:50, 20:40] = 255  # an L
    by_mass, by_box = (check(preprocess(Picture(page), centring=c)) for c in CENTRINGS)
    rows, columns = np.nonzero(by_box)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 23, 9, 18)
    mass = [np.average(np.arange(28), weights=by_mass.sum(axis=1 - a)) for a in (0, 1)]
    assert np.abs(np.array(mass) - 14).max() <= 0.5
    assert by_mass.sum() == by_box.sum()


def test_an_unknown_centring_is_refused():
    with pytest.raises(UsageError, match=r"'ink'.*mass, box\."):
        preprocess(Picture(PAPER), centring="ink")


def test_every_data_set_has_a_known_centring():
    assert {info.centring for info in DATASETS.values()} == set(CENTRINGS)


# As it is


def test_as_it_is_changes_nothing_but_the_size():
    found = use_as_is(Picture(DIGIT, ("Seen before.",)))
    np.testing.assert_array_equal(check(found), DIGIT)
    assert found.notices == ("Seen before.",) and found.box is None
    large = use_as_is(Picture(np.kron(DIGIT, np.ones((5, 5), np.uint8))))
    assert np.abs(check(large).astype(int) - DIGIT).max() < 20  # rounded at the pixels' edges
    assert large.notices == ("The whole picture of 140×140 pixels was scaled to 28×28.",)
    assert list(large.steps) == ["grey", "centred"]


def test_as_it_is_keeps_proportions_and_fills_with_the_background():
    wide = np.full((50, 100), 40, np.uint8)
    wide[:, 45:55] = 200
    image = check(use_as_is(Picture(wide)))
    assert (image[:7] == 40).all() and (image[21:] == 40).all()
    assert (image[7:21, 14] > 150).all()


def test_as_it_is_the_polarity_is_what_is_asked_for():
    dark = Picture(255 - DIGIT)
    np.testing.assert_array_equal(use_as_is(dark).image, 255 - DIGIT)
    for polarity, notices in (("auto", (INVERTED,)), ("dark_on_light", ())):
        found = use_as_is(dark, polarity=polarity)
        np.testing.assert_array_equal(found.image, DIGIT)
        assert found.notices == notices and list(found.steps) == ["grey", "ink"]


# Damaged files


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.TiffImagePlugin")
def test_two_thousand_mutations_give_a_digit_or_one_line():
    for content in valid_files():
        check(read_image(content))
    before, most, outcomes, lines = resident_bytes(), 0, Counter[str](), set[str]()
    for content in mutations(2000, seed=0):
        start = time.perf_counter()
        try:
            check(read_image(content))
            outcomes["accepted"] += 1
        except ImageError as error:
            outcomes[error.code] += 1
            lines.add(str(error))
        assert time.perf_counter() - start < 2
        most = max(most, resident_bytes())
    assert not any("\n" in line for line in lines)
    assert most - before < 64 * 2**20
    # Neither everything refused nor only by the first bytes.
    assert min(outcomes["accepted"], outcomes["damaged"]) > 200 and len(outcomes) >= 5
