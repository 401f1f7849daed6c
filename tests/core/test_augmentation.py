"""Our rotation and normalization against PIL's and torchvision's, pixel for pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from core.data.augmentation import normalize, pad_with_fill, rotate, rotation_coefficients
from core.data.datasets import load_split
from core.data.download import import_torchvision
from core.training.shard import epoch_plan
from tests.training_helpers import tiny_data

FILL = 1


def by_pil(images: np.ndarray, degrees: torch.Tensor, fill: int = FILL) -> np.ndarray:
    """The recipe's rotation: Pillow, nearest neighbour, on 8-bit images."""
    return np.stack(
        [
            np.asarray(
                Image.fromarray(image).rotate(
                    angle, resample=Image.Resampling.NEAREST, fillcolor=fill
                )
            )
            for image, angle in zip(images, degrees.tolist(), strict=True)
        ]
    )


def by_us(images: np.ndarray, degrees: torch.Tensor, fill: int = FILL) -> np.ndarray:
    padded = pad_with_fill(torch.tensor(images), fill)
    index = torch.arange(len(images)).unsqueeze(0)
    return rotate(padded, index, rotation_coefficients(degrees).unsqueeze(1))[0].numpy()


def random_degrees(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return (2 * torch.rand(count, generator=generator, dtype=torch.float64) - 1) * 15


def test_rotation_equals_pils_on_all_digits():
    images = load_split("digits", Path(), "train").images
    degrees = random_degrees(len(images))
    assert np.array_equal(by_us(images, degrees), by_pil(images, degrees))


def test_rotation_equals_pils_on_mnist(mnist_root):
    images = load_split("mnist", mnist_root, "test").images[:2_000]
    degrees = random_degrees(len(images))
    assert np.array_equal(by_us(images, degrees), by_pil(images, degrees))


@pytest.mark.parametrize("fill", [0, 1, 255])
def test_rotation_equals_pils_at_the_ends_and_on_noise(fill):
    degrees = torch.tensor([0, 1e-9, -1e-9, 15, -15, 7.5, 1, -0.1, 14.999], dtype=torch.float64)
    noise = np.random.default_rng(0).integers(0, 256, (len(degrees), 28, 28), dtype=np.uint8)
    assert np.array_equal(by_us(noise, degrees, fill), by_pil(noise, degrees, fill))


def test_rotation_turns_counter_clockwise_and_uncovers_the_fill_value():
    white = np.full((1, 28, 28), 200, np.uint8)
    turned = by_us(white, torch.tensor([15.0], dtype=torch.float64))[0]
    assert turned[0, 0] == turned[-1, -1] == FILL
    assert turned[14, 14] == 200
    dot = np.zeros((1, 28, 28), np.uint8)
    dot[0, 14, 26] = 255  # to the right of the centre
    rows, _ = np.nonzero(by_us(dot, torch.tensor([15.0], dtype=torch.float64))[0] == 255)
    assert (rows < 14).all() and len(rows)  # and now above it


def test_each_replica_gets_its_own_images_and_angles():
    images = tiny_data().train_images[:6]
    padded = pad_with_fill(images, FILL)
    index = torch.tensor([[0, 1, 2], [5, 1, 3]])
    degrees = random_degrees(6).view(2, 3)
    coefficients = torch.stack([rotation_coefficients(row) for row in degrees], dim=1)
    together = rotate(padded, index, coefficients)
    assert together.shape == (2, 3, 28, 28) and together.dtype == torch.uint8
    for replica in range(2):
        alone = by_pil(images[index[replica]].numpy(), degrees[replica])
        assert np.array_equal(together[replica].numpy(), alone)


def test_angles_are_uniform_between_minus_and_plus_15_degrees():
    _, coefficients = epoch_plan(seed=1, epoch=1, num_images=20_000, max_degrees=15.0)
    # The first coefficients are the cosine and the sine of the clockwise angle.
    cos, sin = coefficients[0].double(), coefficients[1].double()
    degrees = -torch.rad2deg(torch.atan2(sin, cos)).numpy()
    assert -15.001 < degrees.min() < -14.9 and 14.9 < degrees.max() < 15.001
    assert stats.kstest(degrees, stats.uniform(-15, 30).cdf).pvalue > 0.01


@pytest.mark.parametrize(("mean", "std"), [(0.1307, 0.3081), (0.1580, 0.2935)])
def test_normalization_is_torchvisions_exactly(mean, std):
    transforms = import_torchvision().transforms
    compose = transforms.Compose([transforms.ToTensor(), transforms.Normalize((mean,), (std,))])
    values = np.arange(28 * 28, dtype=np.uint16).reshape(1, 28, 28) % 256
    images = np.concatenate([values.astype(np.uint8), tiny_data().train_images[:8].numpy()])
    theirs = torch.stack([compose(Image.fromarray(image)) for image in images])
    ours = normalize(torch.tensor(images), mean, std)
    assert ours.dtype == torch.float32
    assert torch.equal(ours, theirs)


def test_normalization_by_hand_and_its_shape():
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1).expand(2, 28, 28)
    result = normalize(images, 0.5, 0.25)
    assert result.shape == (2, 1, 28, 28)
    assert (result[0] == -2).all() and (result[1] == 2).all()
