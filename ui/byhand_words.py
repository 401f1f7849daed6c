"""Numbers, names and index marks of the page Normalization by hand; no streamlit."""

from __future__ import annotations

import math

from core.analysis import by_hand
from core.config import NORM_LABELS

LABELS = {kind: NORM_LABELS.get(kind, "Instance norm") for kind in by_hand.KINDS}
UNDEFINED = "0 / 0, undefined"


def number(value: float, digits: int = 5) -> str:
    """A number as people write it: "−0.25"; what is NaN here is 0 / 0."""
    if math.isnan(value):
        return UNDEFINED
    return f"{value:.{digits}g}".replace("-", "−")


def small(value: float) -> str:
    """A difference with two digits: "0", "1.2e−16", "∞"."""
    return "∞" if math.isinf(value) else number(value, 2)


def counted(count: int, noun: str) -> str:
    """A count with its noun: "1 value", "16 values"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def place_of(kind: str, image: int, channel: int, per_group: int) -> str:
    """The index of the mean that a block uses, from 1: "c=2", "i=1", "i=1, g=2", "i=1, c=2"."""
    parts = {"i": image + 1, "c": channel + 1, "g": channel // per_group + 1}
    return ", ".join(f"{letter}={parts[letter]}" for letter in by_hand.SYMBOLS[kind])


def scope(kind: str, image: int, channel: int, shape: tuple[int, ...], per_group: int) -> str:
    """What a block shares its mean with: "channel 2 of all 4 images"."""
    images, channels = shape[:2]
    together = by_hand.channels_per_mean(kind, channels, per_group)
    first = channel // together * together + 1
    if kind == by_hand.BATCH:
        return f"channel {channel + 1} of " + (f"all {images} images" if images > 1 else "image 1")
    if together == channels > 1:
        return f"all {channels} channels of image {image + 1}"
    if together == 1:
        return f"channel {channel + 1} of image {image + 1}"
    between = "and" if together == 2 else "to"
    return f"channels {first} {between} {first + together - 1} of image {image + 1}"
