"""Picture files for the tests of the upload gate and of preprocessing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from core.data.datasets import load_split

DIGIT = load_split("digits", Path(), "test").images[11]
"""(28, 28) uint8, a light digit on black."""
PAPER = np.full((40, 30), 255, np.uint8)
PAPER[10:30, 8:20] = 0
"""A dark bar, 20 high and 12 wide, on white paper."""

# By the standard, TIFF 6.0: where the first row and the first column of the file belong.
STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.T,
    6: lambda upright: np.rot90(upright),
    7: lambda upright: upright[::-1, ::-1].T,
    8: lambda upright: np.rot90(upright, -1),
}
"""EXIF orientation → the array that a file with it holds."""


def encode(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The content of a picture file; WEBP is lossless unless told otherwise."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    if kind == "WEBP":
        options = {"lossless": True, "exact": True, **options}
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def animation(kind: str) -> bytes:
    """Three frames, of which the first is `DIGIT`."""
    frames = [Image.fromarray(np.roll(DIGIT, shift, axis=1)) for shift in (0, 3, 6)]
    return encode(frames[0], kind, save_all=True, append_images=frames[1:])


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def ink_on_transparent(level: int) -> Image.Image:
    """`DIGIT` as the alpha channel of one colour, mode RGBA."""
    ink = Image.new("L", (28, 28), level)
    return Image.merge("RGBA", (ink, ink, ink, Image.fromarray(DIGIT)))


def valid_files() -> list[bytes]:
    """One of every kind and way of storing that the gate reads differently."""
    paper = Image.fromarray(np.kron(PAPER, np.ones((4, 4), np.uint8)))
    exif = turned(6)
    compressions = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    return [
        encode(DIGIT),
        encode(ink_on_transparent(0)),
        encode(paper.convert("P")),
        encode(DIGIT.astype(np.uint16) * 257),
        encode(paper, "JPEG", exif=exif),
        encode(paper, "JPEG", progressive=True),
        encode(paper.convert("CMYK"), "JPEG"),
        encode(DIGIT, "BMP"),
        encode(paper.convert("1"), "BMP"),
        encode(DIGIT, "GIF"),
        encode(paper, "WEBP", lossless=False),
        encode(ink_on_transparent(255), "WEBP", exif=exif),
        encode(DIGIT, "TIFF"),
        encode(DIGIT / np.float32(255), "TIFF"),
        encode(paper.convert("1"), "TIFF", compression="group4"),
        *(encode(paper, "TIFF", compression=compression) for compression in compressions),
        *(animation(kind) for kind in ("PNG", "GIF", "WEBP", "TIFF")),
    ]


def mutations(number: int, seed: int) -> Iterator[bytes]:
    """The valid files in turn, each with bits flipped, bytes set, cut off, put in or left out."""
    random, files = np.random.default_rng(seed), valid_files()
    for index in range(number):
        content = bytearray(files[index % len(files)])
        # Half of them in the headers, where more depends on a byte.
        end = len(content) if random.random() < 0.5 else min(len(content), 200)
        start, length = random.integers(end), random.integers(1, 64)
        places = random.integers(end, size=random.integers(1, 8))
        match random.integers(5):
            case 0:
                for place in places:
                    content[place] ^= 1 << random.integers(8)
            case 1:
                for place in places:
                    content[place] = random.choice([0, 1, 127, 128, 255])
            case 2:
                del content[start:]
            case 3:
                content[start:start] = random.bytes(length)
            case 4:
                del content[start : start + length]
        yield bytes(content)
