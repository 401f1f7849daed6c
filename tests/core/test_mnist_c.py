"""MNIST-C by its definitions: on simple images by hand, and against plain loops."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from core.data import mnist_c, mnist_c_edges, mnist_c_overlays
from core.data.corruption_draws import Draws
from core.data.corruptions import CORRUPTIONS, corrupt
from core.data.datasets import load_split

DIGITS = torch.from_numpy(load_split("digits", Path(), "test").images[:6])
FLOATS = DIGITS.float() / 255
PUBLISHED = {
    "shot_noise": 5,
    "impulse_noise": 4,
    "glass_blur": 1,
    "motion_blur": 1,
    "shear": 2,
    "scale": 3,
    "rotate": 2,
    "brightness": 5,
    "translate": 3,
    "stripe": 1,
    "fog": 5,
    "spatter": 4,
    "dotted_line": 1,
    "zigzag": 1,
    "canny_edges": 1,
}


def changed(name: str, level: int, images: torch.Tensor) -> torch.Tensor:
    return corrupt(images, f"mnist_c_{name}", level, mean=0.1307)


def grey(level: float, number: int = 20) -> torch.Tensor:
    return torch.full((number, 28, 28), float(level))


def dot(number: int = 1) -> torch.Tensor:
    images = torch.zeros(number, 28, 28)
    images[:, 14, 12] = 1
    return images


def generator(name: str, index: int = 0) -> np.random.Generator:
    """The one from which the corruption of that image draws."""
    return next(iter(Draws(0, f"mnist_c_{name}", [index]).generators()))


def test_the_published_levels():
    levels = {key: kind.published for key, kind in CORRUPTIONS.items() if kind.family == "mnist_c"}
    assert levels == {f"mnist_c_{name}": level for name, level in PUBLISHED.items()}
    assert set(mnist_c.FUNCTIONS) == set(PUBLISHED)


# --- noise --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "photons"), list(enumerate((60, 25, 12, 5, 3), 1)))
def test_shot_noise_counts_photons(level, photons):
    counts = changed("shot_noise", level, grey(0.3)) * photons
    assert torch.allclose(counts, counts.round(), atol=1e-4)
    expected = 0.3 * photons
    error = math.sqrt(expected / counts.numel())
    assert float(counts.mean()) == pytest.approx(expected, abs=4 * error)
    assert not changed("shot_noise", level, grey(0)).any()


@pytest.mark.parametrize(("level", "share"), list(enumerate((0.03, 0.06, 0.09, 0.17, 0.27), 1)))
def test_impulse_noise_is_half_salt_and_half_pepper(level, share):
    noisy = changed("impulse_noise", level, grey(0.3))
    error = 4 * math.sqrt(share / 2 / noisy.numel())
    for value in (0, 1):
        assert float((noisy == value).float().mean()) == pytest.approx(share / 2, abs=error)
    rest = noisy[(noisy != 0) & (noisy != 1)]
    assert (rest == rest[0]).all() and float(rest[0]) == pytest.approx(0.3)


# --- blur ---------------------------------------------------------------------------------------


def swapped(image: np.ndarray, targets: list[int], offsets: list[int]) -> np.ndarray:
    flat = image.ravel().copy()
    for target, offset in zip(targets, offsets, strict=True):
        flat[[target, target + offset]] = flat[[target + offset, target]]
    return flat.reshape(image.shape)


@pytest.mark.parametrize("level", [1, 2, 5])
def test_glass_blur_swaps_neighbours_between_two_blurs(level):
    sd, farthest, rounds = mnist_c.GLASS[level - 1]
    rows = range(28 - farthest, farthest, -1)
    targets = [28 * row + column for row in rows for column in rows] * rounds
    draws = Draws(0, "mnist_c_glass_blur", [0])
    offsets = mnist_c._swap_offsets(len(targets), farthest, draws)[:, 0].tolist()
    blurred = ndimage.gaussian_filter(FLOATS[0].double().numpy(), sd, mode="nearest")
    shuffled = swapped(np.floor(blurred * 255) / 255, targets, offsets)
    expected = ndimage.gaussian_filter(shuffled, sd, mode="nearest")
    # Rounding before the cut to 256 levels may move a pixel by one of them.
    assert np.allclose(changed("glass_blur", level, FLOATS[:1])[0], expected, atol=1 / 255)


def test_half_of_the_pixels_of_glass_stay_and_the_others_move_at_most_so_far():
    offsets = mnist_c._swap_offsets(2_000, 3, Draws(0, "any", range(20)))
    down, right = (offsets + 3 * 28 + 3) // 28 - 3, (offsets + 3 * 28 + 3) % 28 - 3
    for move in (down, right):
        assert move.min() == -3 and move.max() == 2
    stay = 1 / 2 + 1 / 2 / 36
    assert float((offsets == 0).float().mean()) == pytest.approx(stay, abs=4 * 0.5 / 200)


@pytest.mark.parametrize("level", [1, 5])
def test_motion_blur_draws_a_trail(level):
    radius, sd = mnist_c.MOTION[level - 1]
    angle = math.radians(generator("motion_blur").uniform(-45, 45))
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sd**2))
    expected = np.zeros((28, 28))
    image = FLOATS[0].numpy()
    for step, weight in enumerate(weights / weights.sum()):
        right, down = (math.ceil(step * f(angle) - 0.5) for f in (math.cos, math.sin))
        rows = np.clip(np.arange(28) + down, 0, 27)
        columns = np.clip(np.arange(28) + right, 0, 27)
        expected += weight * image[np.ix_(rows, columns)]
    assert np.allclose(changed("motion_blur", level, FLOATS[:1])[0], expected, atol=1e-5)


def test_the_trail_is_one_sided_and_keeps_the_light():
    trails = changed("motion_blur", 1, dot(20))
    assert torch.allclose(trails.sum((1, 2)), torch.ones(20), atol=1e-3)
    assert trails[:, 14, 12].min() > 0.2 and not trails[:, :, 13:].any()


# --- geometry and tone --------------------------------------------------------------------------


def test_translation_goes_to_all_four_corners():
    moved = changed("translate", 3, dot(40))
    assert {tuple(place) for place in moved.nonzero()[:, 1:].tolist()} == {
        *((11, 9), (11, 15), (17, 9), (17, 15)),
    }


def by_two_maps(matrices: list[list[list[float]]], image: np.ndarray) -> list[np.ndarray]:
    """The image read at matrix · (row, column) about its centre."""
    center = np.full(2, 13.5)
    return [
        ndimage.affine_transform(
            image, np.array(m), center - m @ center, order=1, mode="grid-constant"
        )
        for m in matrices
    ]


@pytest.mark.parametrize("name", ["shear", "rotate"])
@pytest.mark.parametrize(("level", "angle"), [(2, 0.4), (5, 1.0)])
def test_shear_and_rotation_go_both_ways(name, level, angle):
    cos, sin = math.cos(angle), math.sin(angle)
    ways = (sin, -sin)
    if name == "shear":
        matrices = [[[cos, 0], [way, 1]] for way in ways]
    else:
        matrices = [[[cos, way], [-way, cos]] for way in ways]
    left, right = by_two_maps(matrices, FLOATS[0].numpy())
    results = changed(name, level, FLOATS[:1].expand(12, -1, -1)).numpy()
    is_left = np.abs(results - left).max((1, 2)) < 1e-5
    is_right = np.abs(results - right).max((1, 2)) < 1e-5
    assert (is_left ^ is_right).all() and 0 < is_left.sum() < 12


def test_scale_shrinks():
    square = torch.zeros(1, 28, 28)
    square[:, 4:24, 4:24] = 1
    for level, factor in enumerate((0.9, 0.8, 0.7, 0.6, 0.5), start=1):
        small = changed("scale", level, square)[0]
        assert float(small[13].sum()) == pytest.approx(20 * factor, abs=0.2)
        assert torch.allclose(small, small.T) and torch.allclose(small, small.flip(0, 1))


def test_brightness_and_stripe_by_hand():
    image = torch.zeros(1, 28, 28)
    image[0, 0, :9] = torch.linspace(0, 0.8, 9)
    bright = changed("brightness", 5, image)[0, 0, :9]
    assert bright.tolist() == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 1, 1, 1, 1])
    assert torch.allclose(changed("brightness", 1, image), (image + 0.1))
    row = changed("stripe", 1, image)[0, 0]
    assert row[:7].tolist() == pytest.approx([1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    assert row[7:21].tolist() == pytest.approx([0.7, 0.8] + 12 * [0])
    assert (row[21:] == 1).all()


# --- what is laid over the image ----------------------------------------------------------------


def diamond_square(size: int, decay: float, noise: Iterator[np.ndarray]) -> np.ndarray:
    """A cloud map on a torus, place by place."""
    cloud = np.zeros((size, size))
    step, wibble = size, 100.0

    def fill(rows: int, columns: int, around: list[tuple[int, int]]) -> None:
        drawn = next(noise) * wibble**2
        for i in range(size // step):
            for j in range(size // step):
                row, column = rows + i * step, columns + j * step
                corners = [cloud[(row + y) % size, (column + x) % size] for y, x in around]
                cloud[row, column] = sum(corners) / 4 + drawn[i, j]

    while step >= 2:
        half = step // 2
        fill(half, half, [(y, x) for y in (-half, half) for x in (-half, half)])
        cross = [(-half, 0), (half, 0), (0, -half), (0, half)]
        fill(0, half, cross)
        fill(half, 0, cross)
        step, wibble = half, wibble / decay
    return (cloud - cloud.min()) / (cloud.max() - cloud.min())


@pytest.mark.parametrize("decay", [1.4, 2.0])
def test_clouds_by_diamonds_and_squares(decay):
    noise = torch.rand(2, 64**2 - 1, generator=torch.Generator().manual_seed(0)) * 2 - 1

    def blocks(values: np.ndarray) -> Iterator[np.ndarray]:
        side, used = 1, 0
        while used < len(values):
            for _ in range(3):
                yield values[used : used + side**2].reshape(side, side)
                used += side**2
            side *= 2

    clouds = mnist_c_overlays.plasma(noise, decay)
    for cloud, values in zip(clouds, noise.double().numpy(), strict=True):
        expected = diamond_square(64, decay, blocks(values))
        assert np.allclose(cloud, expected[:28, :28], atol=1e-5)


@pytest.mark.parametrize(("level", "amount"), list(enumerate((1.5, 2.0, 2.5, 2.5, 3.0), 1)))
def test_fog_adds_light_and_keeps_the_maximum(level, amount):
    foggy = changed("fog", level, FLOATS[:3])
    brightest = FLOATS[:3].amax((1, 2), keepdim=True)
    cloud = (foggy * (brightest + amount) / brightest - FLOATS[:3]) / amount
    assert cloud.min() > -1e-5 and cloud.max() < 1 + 1e-5
    assert cloud.std() > 0.01
    assert not changed("fog", level, grey(0, 1)).any()


@pytest.mark.parametrize("level", [1, 4, 5])
def test_spatter_covers_with_mud(level):
    mean, sd, liquid_blur, threshold, spot_blur = mnist_c_overlays.SPATTER[level - 1]
    liquid = mean + sd * generator("spatter").standard_normal((28, 28), np.float32)
    liquid = ndimage.gaussian_filter(liquid, liquid_blur, mode="nearest")
    spots = ndimage.gaussian_filter((liquid > threshold).astype(float), spot_blur, mode="nearest")
    cover = np.where(spots < 0.8, 0, spots)
    expected = FLOATS[0].numpy() * (1 - cover) + 63 / 255 * cover
    assert np.allclose(changed("spatter", level, FLOATS[:1])[0], expected, atol=1e-5)


def test_a_line_fades_with_the_vertical_distance():
    ends = (torch.tensor([value], dtype=torch.float64) for value in (3.0, 10.0, 20.5, 10.0))
    line = mnist_c_overlays._line(*ends)[0]
    one_off = math.log(1 - 1 / 2.3) + 1
    assert line[8:13, 12].tolist() == pytest.approx([0, one_off, 1, one_off, 0])
    assert line[10].tolist() == 3 * [0] + 18 * [1] + 7 * [0]


def test_dotted_lines_are_dotted_and_cross_the_image():
    dotted = changed("dotted_line", 1, grey(0))
    lit = dotted.amax(1)
    on = torch.tensor([column % 4 >= 2 and column < 27 for column in range(28)])
    assert ((lit > 0) == on).all()
    start, end = generator("dotted_line").integers(0, 27, 2)
    rows = start + (end - start) * np.arange(28) / 27
    assert (np.abs(dotted[0].argmax(0).numpy() - rows)[on] <= 0.5).all()


def test_zigzags_have_their_teeth():
    row, drop = 10, 0
    line = mnist_c_overlays._zigzag(row, drop)
    # From (2, 10) in turns 2 px below and above: at 4 in column 6 and so on.
    for tooth, column in enumerate(range(4, 26, 4)):
        peak = row + (2 if tooth % 2 == 0 else -2)
        assert line[peak, column] > 0.9, column
    assert not line[:, :2].any() and not line[:, 25:].any()
    assert (line.amax(0)[2:25] > 0.5).all() and line.max() <= 1
    # One that falls by 4 rows on its way ends lower.
    falling = mnist_c_overlays._zigzag(row, 4)
    weights = torch.arange(28.0).view(-1, 1) * falling
    centers = weights.sum(0)[[6, 22]] / falling.sum(0)[[6, 22]]
    assert float(centers[1] - centers[0]) == pytest.approx(16 * 4 / 23, abs=0.5)


def test_zigzag_adds_the_line_that_was_drawn():
    random = generator("zigzag")
    line = mnist_c_overlays._zigzag(int(random.integers(0, 27)), int(random.integers(-5, 5)))
    expected = (FLOATS[0] + line).clamp(max=1)
    assert torch.allclose(changed("zigzag", 1, FLOATS[:1])[0], expected.float(), atol=1e-6)


# --- edges --------------------------------------------------------------------------------------


def test_an_upright_edge_is_one_column():
    image = torch.zeros(1, 28, 28)
    image[..., 14:], image[..., 13] = 1, 0.5
    edges = changed("canny_edges", 1, image)[0]
    expected = torch.zeros(28, 28)
    expected[1:-1, 13] = 1
    assert torch.equal(edges, expected)
    assert torch.equal(changed("canny_edges", 1, image.mT)[0], expected.T)


def test_slanting_edges_are_thin_and_where_they_belong():
    y, x = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    for slope in (0.3, 1.0, -0.6, -1.0, 3.0):
        distance = (x - 13.4 - slope * (y - 13.5)) / math.hypot(1, slope)
        edges = changed("canny_edges", 1, torch.sigmoid(3 * distance).unsqueeze(0))[0]
        assert edges.sum() >= 20
        assert distance[edges > 0].abs().max() < 0.8


def test_gradients_are_thinned_across_the_edge():
    smooth = mnist_c_edges._smooth(FLOATS[:3].double())
    for down, right in zip(*mnist_c_edges._gradient(smooth), strict=True):
        size, longer = torch.hypot(down, right), torch.maximum(down.abs(), right.abs())
        inside = (longer > 1e-9).nonzero()
        inside = inside[((inside > 0) & (inside < 27)).all(1)]
        row, column = inside.T
        step = torch.stack([down, right])[:, row, column] / longer[row, column]
        beside = np.maximum(
            *(
                ndimage.map_coordinates(size.numpy(), inside.T + way * step, order=1)
                for way in (1, -1)
            )
        )
        maximum = mnist_c_edges._is_maximum(*(t.unsqueeze(0) for t in (size, down, right)))[0]
        clear = np.abs(beside - size[row, column].numpy()) > 1e-9
        expected = beside <= size[row, column].numpy()
        assert np.array_equal(maximum[row, column].numpy()[clear], expected[clear])
        assert 0 < expected[clear].sum() < clear.sum() / 2


def test_weak_edges_count_only_where_they_lead_to_a_strong_one():
    # Sobel's difference across a step of this height, blurred, lies above LOW and below HIGH.
    weak = torch.zeros(1, 28, 28)
    weak[..., 14:], weak[..., 13] = 0.07, 0.035
    magnitude = torch.hypot(*mnist_c_edges._gradient(mnist_c_edges._smooth(weak.double())))
    assert mnist_c_edges.LOW < magnitude.max() < mnist_c_edges.HIGH
    assert not changed("canny_edges", 1, weak).any()
    stronger_upwards = weak * torch.linspace(2, 1, 28).view(-1, 1)
    assert changed("canny_edges", 1, stronger_upwards)[0, 1:-1, 13].all()
    assert not changed("canny_edges", 1, weak / 4).any()


def test_connection_agrees_with_scipys_labels():
    values = torch.rand(5, 28, 28, generator=torch.Generator().manual_seed(1))
    weak, strong = values > 0.6, values > 0.98
    found = mnist_c_edges._connected(weak, strong)
    for i in range(5):
        labels, _ = ndimage.label(weak[i], np.ones((3, 3)))
        assert np.array_equal(
            found[i], np.isin(labels, np.unique(labels[strong[i]])) & weak[i].numpy()
        )


# --- as a whole ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["shot_noise", "canny_edges", "glass_blur", "stripe"])
def test_values_beyond_black_and_white_are_clipped_before(name):
    wide = FLOATS * 3 - 1
    assert torch.equal(
        changed(name, PUBLISHED[name], wide), changed(name, PUBLISHED[name], wide.clamp(0, 1))
    )
