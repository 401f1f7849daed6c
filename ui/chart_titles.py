"""What titles of exported figures say of the image and the networks behind them. No streamlit."""

from __future__ import annotations

from ui.charts import DATA_SET
from ui.images import with_article
from ui.shown_image import ShownImage

JOINED = "\u00a0"
"""A space at which no line is broken."""


def about(image: ShownImage, seed: int) -> str:
    """Image, data set and seed: "test image 17, a 4, MNIST, seed 1".

    A user's own image is of no data set; the networks are.
    """
    own = image.index is None
    shown = "a user's own image" if own else f"test image{JOINED}{image.index}"
    label = "" if image.name is None else f", {with_article(image.name).replace(' ', JOINED)}"
    return f"{shown}{label}, {networks(seed) if own else f'{DATA_SET}, {said_seed(seed)}'}"


def networks(seed: int) -> str:
    """The networks that were asked of an image from elsewhere: "networks of MNIST, seed 1"."""
    return f"networks of {DATA_SET}, {said_seed(seed)}"


def said_seed(seed: int) -> str:
    """Such as "seed 1", never broken."""
    return f"seed{JOINED}{seed}"
