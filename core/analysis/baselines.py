"""What an image is compared with: the baselines of attribution methods. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.config import IMAGE_SIZE
from core.data.datasets import DatasetInfo, load_split
from core.errors import UsageError

BASELINES = {
    "black": "Black image",
    "zero": "Grey image, zero after normalization",
    "mean": "Mean training image",
}
DEFAULT_BASELINE = "black"


@dataclass(frozen=True)
class Baseline:
    """`image` (1, 28, 28) float32, normalized; `key` is one of `BASELINES` or an image's path."""

    key: str
    label: str
    image: np.ndarray


def make_baseline(key: str, info: DatasetInfo, data_root: Path) -> Baseline:
    """The baseline called `key`, or read from the image file of that name.

    Raises `UsageError` if it is neither, `DataError` if the mean is asked for and the training
    images are missing, and `ImageError` if the file holds no usable image.
    """
    pixels = _pixels(key, info, data_root)
    image = ((pixels / 255 - info.mean) / info.std).astype(np.float32)[None]
    return Baseline(key, BASELINES.get(key) or f"Image {Path(key).name}", image)


def _pixels(key: str, info: DatasetInfo, data_root: Path) -> np.ndarray:
    """Pixel values (28, 28) float64 from 0 to 255."""
    if key == "black":
        return np.zeros((IMAGE_SIZE, IMAGE_SIZE))
    if key == "zero":
        return np.full((IMAGE_SIZE, IMAGE_SIZE), 255 * info.mean)
    if key == "mean":
        return load_split(info.key, data_root, "train").images.mean(axis=0)
    if not Path(key).is_file():
        raise UsageError(
            f"Unknown baseline {key!r}: choose from {', '.join(BASELINES)}, or an image's path."
        )
    from core.data.preprocess import read_image

    return read_image(Path(key)).image.astype(float)


def baseline_warning(key: str, norm: str) -> str | None:
    """Why that baseline misleads for networks with that norm; None where it does not.

    Convolutions without bias pass a factor of their input on, and group and layer norm divide it
    out, so that f(α x) = f(x) until α² times the variance is as small as their ε.
    """
    if key == "zero" and norm in ("group", "layer"):
        return (
            f"The zero baseline is not valid for {norm} norm, which ignores the contrast of the "
            "image: all the way from the image to zero the output stays the same, and at zero it "
            "is arbitrary."
        )
    return None
