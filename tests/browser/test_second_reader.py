"""What the gate reads of a file is what a browser shows of it: two sets of decoders, one picture.

Chromium reads PNG, JPEG, GIF, WebP and BMP with decoders of its own. It gives colours; the grey of
them is worked out here by the weights of ITU-R 601, not rounded.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from PIL import Image

from core.data.image_gate import read_picture
from tests.pictures import animation, encode, turned

NUM_PICTURES = 24
ROUNDING = 0.51
LOSSY = 2.5
"""Levels by which two decoders of JPEG or WebP may differ in their arithmetic."""
DECODE = """async files => Promise.all(files.map(async file => {
  const bytes = Uint8Array.from(atob(file), letter => letter.charCodeAt(0));
  const plain = {colorSpaceConversion: 'none', premultiplyAlpha: 'none'};
  const bitmap = await createImageBitmap(new Blob([bytes]), plain);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  canvas.drawImage(bitmap, 0, 0);
  const pixels = canvas.getImageData(0, 0, bitmap.width, bitmap.height).data;
  const letters = Array.from(pixels, value => String.fromCharCode(value)).join('');
  return [bitmap.height, bitmap.width, btoa(letters)];
}))"""

Reader = Callable[[Sequence[bytes]], list[np.ndarray]]


@pytest.fixture(scope="module")
def browser_reads(chromium) -> Iterator[Reader]:
    """A function: files → grey levels (H, W) float64 of each, as the browser decodes them."""
    page = chromium.new_page()

    def read(files: Sequence[bytes]) -> list[np.ndarray]:
        found = page.evaluate(DECODE, [base64.b64encode(file).decode() for file in files])
        return [_grey(*one) for one in found]

    yield read
    page.close()


def _grey(height: int, width: int, pixels: str) -> np.ndarray:
    colours = np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)
    assert (colours[..., 3] == 255).all()
    return colours[..., :3] @ np.array([0.299, 0.587, 0.114])


def pictures(mode: str, seed: int) -> list[Image.Image]:
    """Noise, and a dark patch on coloured paper, of random sizes from 8 to 90 pixels."""
    random, found = np.random.default_rng(seed), []
    for number in range(NUM_PICTURES):
        height, width = random.integers(8, 90, 2)
        pixels = random.integers(0, 256, (height, width, 3), np.uint8)
        if number % 2:
            pixels[:] = random.integers(180, 256, 3)
            pixels[height // 4 : height // 2, width // 3 : width // 2 + 1] = random.integers(
                0, 90, 3
            )
        found.append(Image.fromarray(pixels).convert(mode))
    return found


def largest_difference(read: Reader, files: Sequence[bytes]) -> float:
    pairs = zip(read(files), files, strict=True)
    return max(np.abs(read_picture(file).levels - shown).max() for shown, file in pairs)


@pytest.mark.parametrize(
    ("kind", "mode", "options", "allowed"),
    [
        *[("PNG", mode, {}, ROUNDING) for mode in ("RGB", "L", "P", "1")],
        *[("BMP", mode, {}, ROUNDING) for mode in ("RGB", "L", "P", "1")],
        *[("GIF", mode, {}, ROUNDING) for mode in ("P", "L")],
        *[("WEBP", mode, {}, ROUNDING) for mode in ("RGB", "L")],
        ("WEBP", "RGB", {"lossless": False}, LOSSY),
        *[("JPEG", mode, {"quality": 90}, LOSSY) for mode in ("RGB", "L")],
        ("JPEG", "RGB", {"quality": 30, "progressive": True}, LOSSY),
    ],
)
def test_both_read_the_same(browser_reads, kind, mode, options, allowed):
    files = [encode(image, kind, **options) for image in pictures(mode, seed=0)]
    assert largest_difference(browser_reads, files) <= allowed


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_both_turn_a_picture_upright(browser_reads, kind):
    """Chromium does not turn WebP."""
    upright = pictures("RGB", seed=1)[1].resize((48, 32), Image.Resampling.NEAREST)
    files = [encode(upright, kind, exif=turned(orientation)) for orientation in range(1, 9)]
    assert largest_difference(browser_reads, files) <= LOSSY


def test_both_show_the_first_picture_of_an_animation(browser_reads):
    files = [animation(kind) for kind in ("PNG", "GIF", "WEBP")]
    assert largest_difference(browser_reads, files) <= ROUNDING
