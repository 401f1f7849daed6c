"""The own corruptions by hand on simple images, and what all corruptions have in common."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from core.data.augmentation import normalize
from core.data.corruptions import (
    CORRUPTIONS,
    corrupt,
    corrupt_all,
    get_corruption,
    parse_corruption,
    to_inputs,
)
from core.data.datasets import load_split
from core.errors import UsageError

MEAN, STD = 0.1307, 0.3081
DIGITS = torch.from_numpy(load_split("digits", Path(), "test").images[:6])
FLOATS = DIGITS.float() / 255
KINDS = pytest.mark.parametrize("kind", [pytest.param(k, id=k.key) for k in CORRUPTIONS.values()])
RANDOM = pytest.mark.parametrize("key", [key for key, kind in CORRUPTIONS.items() if kind.random])


def strongest(kind) -> float:
    """A severity that is not neutral."""
    return kind.published or (kind.high if kind.high != kind.neutral else kind.low)


def changed(key: str, severity: float, image: torch.Tensor) -> torch.Tensor:
    """One image (28, 28), corrupted."""
    return corrupt(image.unsqueeze(0), key, severity, mean=MEAN)[0]


def bar(width: float, angle: float = 0.0) -> torch.Tensor:
    """An antialiased bar through the centre, 20 px long, its normal turned from the x axis."""
    fine = (torch.arange(28 * 8) + 0.5) / 8 - 14
    y, x = torch.meshgrid(fine, fine, indexing="ij")
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    inside = ((x * cos + y * sin).abs() <= width / 2) & ((y * cos - x * sin).abs() <= 10)
    return inside.float().view(28, 8, 28, 8).mean((1, 3))


def dot(row: int, column: int) -> torch.Tensor:
    image = torch.zeros(28, 28)
    image[row, column] = 1
    return image


# --- what all have in common --------------------------------------------------------------------


@KINDS
def test_the_neutral_severity_is_the_identity_exactly(kind):
    for images in (DIGITS, FLOATS):
        result = corrupt(images, kind.key, kind.neutral, mean=MEAN)
        assert torch.equal(result, FLOATS)
        assert result.data_ptr() != images.data_ptr()


@KINDS
def test_every_severity_of_the_grid_gives_an_image(kind):
    for severity in kind.grid:
        result = corrupt(DIGITS, kind.key, severity, mean=MEAN)
        assert result.shape == DIGITS.shape and result.dtype == torch.float32
        assert result.isfinite().all()
        if kind.key != "contrast_grey":
            assert result.min() >= 0 and result.max() <= 1
        if severity != kind.neutral:
            assert not torch.equal(result, FLOATS)


@KINDS
def test_integers_and_floats_give_the_same_and_stay_as_they_are(kind):
    severity, before = strongest(kind), (DIGITS.clone(), FLOATS.clone())
    from_integers = corrupt(DIGITS, kind.key, severity, mean=MEAN)
    assert torch.equal(from_integers, corrupt(FLOATS, kind.key, severity, mean=MEAN))
    assert torch.equal(DIGITS, before[0]) and torch.equal(FLOATS, before[1])


@KINDS
def test_an_image_is_changed_alike_alone_and_in_any_batch(kind):
    severity = strongest(kind)
    together = corrupt(DIGITS, kind.key, severity, mean=MEAN, seed=3)
    alone = corrupt(DIGITS[4:5], kind.key, severity, mean=MEAN, seed=3, indices=[4])
    assert torch.equal(alone[0], together[4])
    order = [5, 0, 4]
    some = corrupt(DIGITS[order], kind.key, severity, mean=MEAN, seed=3, indices=np.array(order))
    assert torch.equal(some, together[order])


def test_parts_of_a_long_batch_join_without_a_seam(monkeypatch):
    whole = corrupt(DIGITS, "gaussian_noise", 0.3, mean=MEAN)
    monkeypatch.setattr("core.data.corruption_functions.AT_A_TIME", 4)
    assert torch.equal(corrupt(DIGITS, "gaussian_noise", 0.3, mean=MEAN), whole)


@KINDS
def test_no_images_are_no_trouble(kind):
    assert corrupt(DIGITS[:0], kind.key, strongest(kind), mean=MEAN).shape == (0, 28, 28)


@RANDOM
def test_the_same_seed_gives_the_same_and_another_another(key):
    severity = strongest(CORRUPTIONS[key])
    first, second, other = (
        corrupt(DIGITS, key, severity, mean=MEAN, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@RANDOM
def test_two_images_get_different_random_numbers(key):
    twice = DIGITS[:1].expand(8, -1, -1)
    results = corrupt(twice, key, strongest(CORRUPTIONS[key]), mean=MEAN)
    assert len({result.numpy().tobytes() for result in results}) > 1


@KINDS
def test_only_the_random_ones_depend_on_the_seed(kind):
    first, other = (
        corrupt(DIGITS, kind.key, strongest(kind), mean=MEAN, seed=seed) for seed in (0, 1)
    )
    assert torch.equal(first, other) == (not kind.random)


@KINDS
def test_the_registry_holds_together(kind):
    assert list(kind.grid) == sorted(set(kind.grid)) and kind.neutral in kind.grid
    assert (kind.low, kind.high) == (kind.grid[0], kind.grid[-1])
    steps = [(severity - kind.low) / kind.step for severity in kind.grid]
    assert np.allclose(steps, np.round(steps)), "a slider could not reach it"
    assert kind.summary.endswith(".") and kind.label
    assert (kind.published is not None) == (kind.family == "mnist_c")


def test_all_that_were_promised_are_there():
    own = [key for key, kind in CORRUPTIONS.items() if kind.family == "own"]
    assert set(own) == {
        *("contrast", "contrast_grey", "brightness", "gaussian_noise", "blur", "shift_x"),
        *("shift_y", "rotation", "scale", "shear", "thickness", "polarity"),
    }
    assert len(CORRUPTIONS) == len(own) + 15


# --- errors -------------------------------------------------------------------------------------


def test_names_and_severities_are_read():
    assert parse_corruption("contrast=0.25") == (CORRUPTIONS["contrast"], 0.25)
    assert parse_corruption("shift_x = -5") == (CORRUPTIONS["shift_x"], -5)
    assert parse_corruption("shot_noise") == (CORRUPTIONS["mnist_c_shot_noise"], 5)
    assert parse_corruption("mnist_c_shear=3") == (CORRUPTIONS["mnist_c_shear"], 3)
    # Our own keep their names where MNIST-C has the same.
    assert get_corruption("shear").family == get_corruption("brightness").family == "own"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("contrst=1", "contrst.*choose from scale, shear"),
        ("contrast", "names no severity.*contrast=SEVERITY.*from 0.05 to 2 ×"),
        ("contrast=", "names no severity"),
        ("contrast=half", "names no severity"),
        ("contrast=nan", "contrast is nan.*from 0.05 to 2 ×"),
        ("blur=inf", "from 0 to 4 px"),
        ("shift_x=-9", "shift_x is -9: choose from -7 to 7 px"),
        ("fog=2.5", "a whole level from 0 to 5"),
        ("fog=6", "a whole level from 0 to 5"),
        ("stripe=2", "a whole level from 0 to 1"),
        ("", "Unknown corruption ''"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text, words):
    with pytest.raises(UsageError, match=words) as error:
        parse_corruption(text)
    assert "\n" not in str(error.value)


def test_wrong_calls_are_refused():
    with pytest.raises(UsageError, match="from 0 to 4 px"):
        corrupt(DIGITS, "blur", 5, mean=MEAN)
    with pytest.raises(UsageError, match="choose from"):
        corrupt_all(DIGITS, {"blur": 1, "blurr": 1}, mean=MEAN)
    with pytest.raises(ValueError, match="1 indices for 6 images"):
        corrupt(DIGITS, "gaussian_noise", 0.1, mean=MEAN, indices=[3])
    with pytest.raises(TypeError, match="float64"):
        corrupt(DIGITS.double(), "blur", 1, mean=MEAN)


# --- several, and the network's inputs ----------------------------------------------------------


def test_several_follow_each_other_in_the_order_of_the_registry():
    one_by_one = FLOATS
    for key, severity in (("rotation", 20), ("blur", 1), ("gaussian_noise", 0.2), ("contrast", 2)):
        one_by_one = corrupt(one_by_one, key, severity, mean=MEAN, seed=5)
    settings = {"contrast": 2, "blur": 1, "shear": 0, "gaussian_noise": 0.2, "rotation": 20}
    assert torch.equal(corrupt_all(DIGITS, settings, mean=MEAN, seed=5), one_by_one)
    assert torch.equal(corrupt_all(DIGITS, {}, mean=MEAN), FLOATS)
    order = list(CORRUPTIONS)
    assert order.index("shift_y") < order.index("thickness") < order.index("blur")
    assert order.index("contrast_grey") < order.index("polarity") < order.index("mnist_c_fog")


def test_inputs_of_unchanged_images_are_those_of_training_bit_for_bit():
    pixels = corrupt(DIGITS, "contrast", 1, mean=MEAN)
    assert torch.equal(to_inputs(pixels, MEAN, STD), normalize(DIGITS, MEAN, STD))
    assert torch.equal(pixels, FLOATS)


# --- tone ---------------------------------------------------------------------------------------


def test_tones_by_hand():
    image = torch.zeros(28, 28)
    image[0, :4] = torch.tensor([0.0, 0.2, 0.6, 1.0])

    def tones(key: str, severity: float) -> list[float]:
        return changed(key, severity, image)[0, :4].tolist()

    assert tones("contrast", 0.5) == pytest.approx([0, 0.1, 0.3, 0.5])
    assert tones("contrast", 2) == pytest.approx([0, 0.4, 1, 1])
    assert tones("brightness", 0.5) == pytest.approx([0.5, 0.7, 1, 1])
    assert tones("brightness", -0.5) == pytest.approx([0, 0, 0.1, 0.5])
    assert tones("polarity", 1) == pytest.approx([1, 0.8, 0.4, 0])
    assert tones("polarity", 0.5) == pytest.approx([0.5] * 4)
    assert tones("polarity", 0.25) == pytest.approx([0.25, 0.35, 0.55, 0.75])
    grey = [MEAN + 4 * (tone - MEAN) for tone in (0, 0.2, 0.6, 1)]
    assert tones("contrast_grey", 4) == pytest.approx(grey, abs=1e-6)


def test_contrast_about_grey_is_a_factor_of_the_networks_input():
    inputs = to_inputs(FLOATS, MEAN, STD)
    for factor in (0.1, 4.0):
        pixels = corrupt(DIGITS, "contrast_grey", factor, mean=MEAN)
        assert torch.allclose(to_inputs(pixels, MEAN, STD), factor * inputs, atol=1e-6)


def test_noise_has_its_mean_and_standard_deviation():
    grey = torch.full((40, 28, 28), 0.5)
    noise = corrupt(grey, "gaussian_noise", 0.1, mean=MEAN) - 0.5
    count = noise.numel()
    assert abs(noise.mean()) < 4 * 0.1 / math.sqrt(count)
    assert abs(noise.std() - 0.1) < 4 * 0.1 / math.sqrt(2 * count)
    # One draw for all severities, so that a curve over them is smooth.
    double = corrupt(grey, "gaussian_noise", 0.2, mean=MEAN) - 0.5
    inside = double.abs() < 0.5
    assert torch.allclose(double[inside], 2 * noise[inside], atol=1e-6)


# --- geometry -----------------------------------------------------------------------------------


def test_whole_shifts_move_pixels_and_leave_black():
    image = FLOATS[0]
    right, down = changed("shift_x", 5, image), changed("shift_y", -3, image)
    assert torch.equal(right[:, 5:], image[:, :-5]) and not right[:, :5].any()
    assert torch.equal(down[:-3], image[3:]) and not down[-3:].any()


def test_half_a_pixel_is_shared_by_two():
    moved = changed("shift_x", -0.5, dot(10, 10))
    assert moved[10, 9:12].tolist() == [0.5, 0.5, 0]


def test_shift_agrees_with_scipy():
    for key, vector in (("shift_x", (0, 1)), ("shift_y", (1, 0))):
        for distance in (-2.3, 0.75, 6.5):
            target = [distance * part for part in vector]
            expected = ndimage.shift(FLOATS[1].numpy(), target, order=1, mode="grid-constant")
            assert np.allclose(changed(key, distance, FLOATS[1]), expected, atol=1e-6)


def test_rotation_turns_counter_clockwise_about_the_centre():
    expected = ndimage.rotate(FLOATS[1].numpy(), 30, reshape=False, order=1, mode="grid-constant")
    assert np.allclose(changed("rotation", 30, FLOATS[1]), expected, atol=1e-5)
    top = changed("rotation", 45, dot(3, 13) + dot(3, 14))
    assert top[:14, :14].sum() > 0.9 * top.sum(), "what was at the top is not at the top left"


def test_scale_keeps_the_centre_and_changes_lengths():
    image = torch.zeros(28, 28)
    image[9:19, 11:17] = 1
    small, large = changed("scale", 0.5, image), changed("scale", 1.6, image)
    assert torch.equal(small, small.flip(0, 1)) and torch.allclose(large, large.flip(0, 1))
    assert small[13].sum() == pytest.approx(3) and small[:, 13].sum() == pytest.approx(5)
    assert large[13].sum() == pytest.approx(9.6, abs=0.2)
    assert large[:, 13].sum() == pytest.approx(16, abs=0.2)


def test_shear_leans_to_the_right_by_the_angle():
    leaning = changed("shear", 45, bar(2))
    columns = torch.arange(28.0)
    centers = (leaning * columns).sum(1) / leaning.sum(1)
    rows = torch.arange(6, 22)
    assert torch.allclose(centers[rows], 13.5 - (rows - 13.5), atol=1e-4)
    assert torch.allclose(leaning.sum(1)[rows], torch.tensor(2.0), atol=1e-4)


# --- stroke -------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [-2, -1, -0.4, 0.1, 0.5, 1, 2, 3, 4])
@pytest.mark.parametrize("width", [4, 4.5])
def test_thickness_is_in_pixels(width, change):
    stroke = changed("thickness", change, bar(width))
    assert stroke[10:18].sum(1).numpy() == pytest.approx(width + change, abs=1e-5)
    lying = changed("thickness", change, bar(width, 90))
    assert lying[:, 10:18].sum(0).numpy() == pytest.approx(width + change, abs=1e-5)


@pytest.mark.parametrize("angle", [22.5, 30, 45])
@pytest.mark.parametrize("change", [-2, -1, 1, 2, 4])
def test_slanting_strokes_change_by_nearly_as_much(angle, change):
    before, after = bar(4, angle), changed("thickness", change, bar(4, angle))
    pixel = torch.arange(28) - 13.5
    along = pixel.view(-1, 1) * math.cos(math.radians(angle)) - pixel * math.sin(
        math.radians(angle)
    )
    middle = along.abs() <= 5
    width = 4 * after[middle].sum() / before[middle].sum()
    assert width == pytest.approx(4 + change, abs=0.12 * abs(change))


def test_a_thin_stroke_grows_without_a_hole():
    spot = changed("thickness", 4, dot(14, 14))
    pixel = torch.arange(28.0) - 14
    distance = torch.hypot(pixel.view(-1, 1), pixel)
    assert (spot[distance <= 1] == 1).all() and spot[14, 16] == 1
    assert spot[distance < 2].min() > 0.4 and not spot[distance > 3].any()
    assert not changed("thickness", -2, dot(14, 14)).any()


def test_thickness_grows_without_a_jump():
    severities = np.linspace(-2, 4, 31)
    ink = [float(changed("thickness", severity, FLOATS[2]).sum()) for severity in severities]
    steps = np.diff(ink)
    assert (steps > 0).all() and steps.max() < 4 * np.median(steps)


@pytest.mark.parametrize("sd", [0.25, 1, 1.37, 4])
def test_blur_agrees_with_scipy(sd):
    expected = ndimage.gaussian_filter(FLOATS[3].numpy(), sd, mode="constant")
    assert np.allclose(changed("blur", sd, FLOATS[3]), expected, atol=1e-6)
