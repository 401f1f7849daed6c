"""Corrupted images: every corruption, alone or with others, of whole batches on the device.

N image, S severity. Images are in pixel space, black 0 and white 1. What works with torch is
loaded when the first image is corrupted, so that the names and ranges cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.data.corruption_kinds import CORRUPTIONS as CORRUPTIONS
from core.data.corruption_kinds import Corruption as Corruption
from core.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

MNIST_C_PREFIX = "mnist_c_"


def get_corruption(key: str) -> Corruption:
    """The corruption of that key; one of MNIST-C also by its bare name, unless that is ours.

    Raises `UsageError` that lists the known keys.
    """
    for name in (key, MNIST_C_PREFIX + key):
        if name in CORRUPTIONS:
            return CORRUPTIONS[name]
    raise UsageError(f"Unknown corruption {key!r}: choose from {', '.join(CORRUPTIONS)}.")


def parse_corruption(text: str) -> tuple[Corruption, float]:
    """ "contrast=0.25" as the corruption and its severity, without "=…" the published level.

    Raises `UsageError` for an unknown name, a severity that is no number or out of range, and for
    none where none is published.
    """
    name, given, number = text.partition("=")
    kind = get_corruption(name.strip())
    if not given and kind.published is not None:
        return kind, kind.published
    try:
        severity = float(number)
    except ValueError:
        raise UsageError(
            f"{text!r} names no severity: write {kind.key}=SEVERITY; {kind.choice}."
        ) from None
    kind.check(severity)
    return kind, severity


def corrupt(
    images: Tensor,
    key: str,
    severity: float,
    *,
    mean: float,
    seed: int = 0,
    indices: Sequence[int] | None = None,
) -> Tensor:
    """Images (N, 28, 28), uint8 or float32 in [0, 1], as float32 (N, 28, 28) on their device.

    Exactly the images over 255 at the neutral severity. `mean` is the data set's normalization
    mean, in [0, 1], which `contrast_grey` pivots about. Random numbers depend on `seed`, the
    corruption and each image's index (`indices`, by default 0 … N − 1) alone: neither on the batch
    nor on the device, and all severities of Gaussian noise share theirs.

    Raises `UsageError` for an unknown corruption or a severity out of range.
    """
    return corrupt_all(images, {key: severity}, mean=mean, seed=seed, indices=indices)


def corrupt_all(
    images: Tensor,
    settings: Mapping[str, float],
    *,
    mean: float,
    seed: int = 0,
    indices: Sequence[int] | None = None,
) -> Tensor:
    """`corrupt` with several corruptions, {key: severity}, one after the other.

    They follow each other in the order of `CORRUPTIONS`, whatever that of `settings`: geometry,
    thickness, blur, noise, brightness, contrast, polarity, MNIST-C.
    """
    from core.data.corruption_functions import as_pixels, corrupt_batch

    severities = {get_corruption(key).key: severity for key, severity in settings.items()}
    for key, severity in severities.items():
        CORRUPTIONS[key].check(severity)
    pixels = as_pixels(images)
    places = range(len(pixels)) if indices is None else indices
    if len(places) != len(pixels):
        raise ValueError(f"{len(places)} indices for {len(pixels)} images")
    for key, kind in CORRUPTIONS.items():
        severity = severities.get(key, kind.neutral)
        if severity != kind.neutral:
            corrupt_batch(pixels, kind, severity, mean, seed, places)
    return pixels


def to_inputs(images: Tensor, mean: float, std: float) -> Tensor:
    """Pixels (…, 28, 28) float32 as the network's inputs (…, 1, 28, 28): less mean, over std."""
    return images.sub(mean).div_(std).unsqueeze(-3)
