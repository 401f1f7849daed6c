"""Which pictures are let in: a stranger's bytes become 8-bit grey levels, or an `ImageError`.

The checks stand in an order in which each is cheap and protects the next: size of the file, kind
by its first bytes, dimensions from the header, checksums, and only then the pixels. Nothing is
written, and a name inside the file is never used as a path.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile

from core.data.grey_levels import to_grey
from core.errors import ImageError

MAX_BYTES = 15 * 2**20
MAX_PIXELS = 16 * 2**20
MAX_PHOTO_PIXELS = 50 * 2**20
"""Of a JPEG in one pass, as cameras write it: it is halved while it is decoded."""
LIMITS = (
    f"up to {MAX_BYTES >> 20} MB and {MAX_PIXELS >> 20} megapixels, "
    f"{MAX_PHOTO_PIXELS >> 20} in a camera's JPEG"
)
"""In words, for whoever brings a picture."""
TOO_LARGE = f"The file is larger than {MAX_BYTES >> 20} MB: scale the picture down."
MIN_SIDE = 8
"""Of the longer side; the smallest digits in use, scikit-learn's, have it."""
MAX_ASPECT = 20
MAX_JPEG_SCANS = 50
"""Ordinary files have up to ten passes; 57 bytes of one make 50 Mpx be gone through once more."""
MIN_CONTRAST = 16
"""Levels of 255 between the darkest and the brightest pixel, below which nothing is drawn."""

SIGNATURES = {
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "JPEG": rb"\xff\xd8\xff",
    "BMP": rb"BM",
    "GIF": rb"GIF8[79]a",
    "WEBP": rb"RIFF....WEBP",
    "TIFF": rb"II[*+]\x00|MM\x00[*+]",
}
"""Pillow's name of each kind that is let in, and how its files begin."""

STRANGERS = {
    "a PDF document": rb"%PDF",
    "a PostScript (EPS) file": rb"%!PS|\xc5\xd0\xd3\xc6",
    "a zip archive or office document": rb"PK\x03\x04|PK\x05\x06",
    "a HEIC or AVIF picture": rb"....ftyp",
    "an HTML page": rb"\s*<(!doctype html|html)",
    "an SVG drawing": rb"\s*<(svg|[?!].*<svg)",
}
"""What is often sent by mistake: named, so that a user knows what to export again."""

ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → what turns the stored picture upright."""


@dataclass(frozen=True, eq=False)
class Picture:
    """`levels` (H, W) uint8, 0 is black; `notices` say in sentences what was done to get there."""

    levels: np.ndarray
    notices: tuple[str, ...] = ()


def read_picture(source: Path | bytes) -> Picture:
    """The grey levels of a picture file, given by its path or its content.

    Raises `ImageError`, whose `code` is `unreadable`, `too_large`, `empty`, `format`, `dimensions`,
    `aspect`, `damaged`, `not_finite` or `blank`.
    """
    content = source if isinstance(source, bytes) else _read_file(source)
    if len(content) > MAX_BYTES:
        raise ImageError(TOO_LARGE, "too_large")
    picture = _decode(content, recognize(content))
    contrast = np.ptp(picture.levels)
    if contrast < MIN_CONTRAST:
        raise ImageError(
            f"The picture is blank: its grey levels differ by {contrast} of 255. "
            "Choose one that shows a digit.",
            "blank",
        )
    return picture


def recognize(content: bytes) -> str:
    """The kind of picture by its first bytes, a key of `SIGNATURES`; raises `ImageError`."""
    if not content:
        raise ImageError("The file is empty: choose a picture.", "empty")
    for kind, signature in SIGNATURES.items():
        if re.match(signature, content, re.DOTALL):
            return kind
    start = content[:1024].removeprefix(b"\xef\xbb\xbf")
    found = (
        name
        for name, signature in STRANGERS.items()
        if re.match(signature, start, re.DOTALL | re.IGNORECASE)
    )
    what = next(found, "no picture of a known kind")
    raise ImageError(f"The file is {what}: export it as {', '.join(SIGNATURES)}.", "format")


def _read_file(path: Path) -> bytes:
    """At most one byte more than is let in."""
    try:
        if not path.is_file():  # a pipe or device would be waited for, or never end
            problem = "is no file" if path.exists() else "is not there"
            raise ImageError(f"{str(path)!r} {problem}: give a picture's path.", "unreadable")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(
            f"{str(path)!r} cannot be read ({error.strerror}): give a picture that can.",
            "unreadable",
        ) from error


def _decode(content: bytes, kind: str) -> Picture:
    """The one place that catches what Pillow raises on damaged files, which may be any type."""
    if kind == "JPEG" and content.count(b"\xff\xda") > MAX_JPEG_SCANS:
        raise ImageError(
            "The JPEG picture has too many passes: save it without progressive display.",
            "dimensions",
        )
    try:
        return _load(content, kind)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large("too many") from error
    except Exception as error:
        raise ImageError(
            f"The {kind} picture is damaged or cut off: export or send it again.", "damaged"
        ) from error


def _load(content: bytes, kind: str) -> Picture:
    with _open(content, kind) as image:
        is_photo = kind == "JPEG" and not image.info.get("progressive")
        _check_dimensions(*image.size, MAX_PHOTO_PIXELS if is_photo else MAX_PIXELS)
        image.verify()
    # After a failed load a second one can succeed with garbage, and verify() spoils the object.
    with _open(content, kind) as image:
        if image.width * image.height > MAX_PIXELS:
            image.draft(None, (image.width // 2, image.height // 2))
        image.load()
        grey, notices = to_grey(image)
        # A phone's JPEG may hold a depth map or a preview as second "frame".
        if kind != "JPEG" and getattr(image, "is_animated", False):
            notices = ("The file holds several pictures: only the first is used.", *notices)
        turn = ORIENTATIONS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
        upright = grey if turn is None else grey.transpose(turn)
    return Picture(np.asarray(upright), notices)


def _open(content: bytes, kind: str) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(content), formats=[kind])


def _check_dimensions(width: int, height: int, most: int) -> None:
    shorter, longer = sorted((width, height))
    if width * height > most:
        raise _too_large(f"{width}×{height}")
    if longer < MIN_SIDE or shorter < 1:
        raise ImageError(
            f"The picture has {width}×{height} pixels, too few for a digit: "
            f"give at least {MIN_SIDE} in the longer side.",
            "dimensions",
        )
    if longer > MAX_ASPECT * shorter:
        raise ImageError(
            f"The picture of {width}×{height} pixels is more than {MAX_ASPECT} times as long as "
            "it is wide: crop it to the digit.",
            "aspect",
        )


def _too_large(pixels: str) -> ImageError:
    return ImageError(
        f"The picture has {pixels} pixels, more than is taken ({LIMITS}): scale it down.",
        "dimensions",
    )
