"""One 8-bit grey level per pixel from every mode in which a picture file can store its pixels."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageStat

from core.errors import ImageError

FULL_SCALES = tuple(2**bits - 1 for bits in (1, 8, 10, 12, 14, 16))
"""Values of white in use, in pictures whose mode does not fix it."""
OVERSHOOT = 0.1
"""Part of the full scale by which resampling may have carried values beyond black or white."""

Grey = tuple[Image.Image, tuple[str, ...]]
"""A picture in mode L, and notices."""


def to_grey(image: Image.Image) -> Grey:
    """A loaded picture of any mode as grey levels; raises `ImageError` for NaN or infinity.

    Pillow's own conversion clips 16-bit and float values at 255 and drops transparency, so that
    black ink on transparent paper would be black on black.
    """
    if image.mode.startswith(("I", "F")):
        return rescale(np.asarray(image))
    if image.has_transparency_data:
        return put_on_paper(image.convert("RGBA"))
    if image.mode == "LAB":
        return image.getchannel("L"), ()
    return image.convert("L"), ()


def rescale(values: np.ndarray) -> Grey:
    """16-bit, 32-bit or float values (H, W) scaled to [0, 255].

    White is the smallest of `FULL_SCALES` that holds the brightest pixel. Where none does, or
    pixels are negative, the darkest pixel becomes black and the brightest white.
    """
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ImageError(
            "The picture holds values that are not finite (NaN or infinity): export it again.",
            "not_finite",
        )
    notices: tuple[str, ...] = ()
    fitting = (scale for scale in FULL_SCALES if high <= (1 + OVERSHOOT) * scale)
    black, white = 0.0, float(next(fitting, 0))
    if not white or low < -OVERSHOOT * high:
        black, white = low, high
        notices = (f"Values from {low:.4g} to {high:.4g} were stretched from black to white.",)
    # In 32 bits a difference can overflow; where there is none, they take half the time.
    scaled: np.ndarray = values.astype("float64" if black else "float32")
    scaled -= black
    scaled *= 255 / ((white - black) or 1)
    return Image.fromarray(scaled.round(out=scaled).clip(0, 255).astype(np.uint8)), notices


def put_on_paper(image: Image.Image) -> Grey:
    """An RGBA picture on white or black paper, whichever lets what is visible be seen.

    Ink alone gets the paper that it differs from; a picture that brings its own paper, so that
    its visible pixels differ among themselves, gets more of that.
    """
    grey, alpha = image.convert("L"), image.getchannel("A")
    least, most = alpha.getextrema()
    if least == 255:
        return grey, ()
    # A shadow or a soft edge may have another colour than the ink.
    visible = ImageStat.Stat(grey, alpha.point(lambda value: 2 * value >= most and 255))
    is_light, has_paper = visible.mean[0] > 127.5, visible.stddev[0] > 32
    level, name = (255, "white") if is_light == has_paper else (0, "black")
    paper = Image.new("L", image.size, level)
    paper.paste(grey, mask=alpha)
    return paper, (f"The transparent parts were taken as {name} paper.",)
