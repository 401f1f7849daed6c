"""What the gate reads of a TIFF file, tifffile reads too; of other kinds `tests/browser` asks."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from core.data.image_gate import read_picture
from tests.pictures import encode

NUM_PICTURES = 12
COMPRESSIONS = ("raw", "tiff_adobe_deflate", "packbits")


def pictures(shape: tuple[int, ...], seed: int) -> list[np.ndarray]:
    """Noise of random sizes from 8 to 90 pixels, as colours where `shape` is (3,)."""
    random = np.random.default_rng(seed)
    return [
        random.integers(0, 256, (*random.integers(8, 90, 2), *shape), np.uint8)
        for _ in range(NUM_PICTURES)
    ]


def both(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """The grey levels by the gate, and what tifffile reads."""
    return read_picture(content).levels, tifffile.imread(io.BytesIO(content))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_grey_levels(compression):
    for pixels in pictures((), seed=0):
        found, expected = both(encode(pixels, "TIFF", compression=compression))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_colours(compression):
    for pixels in pictures((3,), seed=1):
        found, colours = both(encode(pixels, "TIFF", compression=compression))
        assert np.abs(found - colours @ np.array([0.299, 0.587, 0.114])).max() <= 0.51


@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<f4", ">f4"])
def test_more_than_eight_bits_as_another_program_writes_them(dtype):
    for pixels in pictures((), seed=2):
        white = 65535 if "u" in dtype else 1
        values = (pixels / 255 * white).astype(dtype)
        file = io.BytesIO()
        tifffile.imwrite(file, values, byteorder=dtype[0])
        found, expected = both(file.getvalue())
        np.testing.assert_array_equal(found, np.rint(expected.astype(float) * (255 / white)))
        assert np.abs(found.astype(int) - pixels).max() <= 1


def test_two_levels():
    for pixels in pictures((), seed=3):
        found, expected = both(encode(Image.fromarray(pixels >= 128), "TIFF"))
        np.testing.assert_array_equal(found, 255 * expected.astype(int))
