"""Digit grids as HTML; no streamlit.

Whatever can be clicked is a `<button data-pick="…">`, so it works with the keyboard; `ui/picker.py`
shows the HTML and reports the pick. Images are (28, 28) uint8, bright ink on black, as in the data.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd
from PIL import Image

NEUTRAL = "#7F7F7F"


def format_percent(probability: float) -> str:
    """A probability in [0, 1] in whole percent, never rounded to certainty or to nothing."""
    if probability > 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.005 else f"{probability:.0%}".replace("%", " %")


def with_article(name: str) -> str:
    """A class name as one example of it: "a 4", "an 8", "an Ankle boot"."""
    return f"an {name}" if name == "8" or name[:1].lower() in set("aeiou") else f"a {name}"


def mark(name: str, right: bool | None) -> str:
    """What a network says, marked where the truth is known: "✓ 4", "✗ 9", and "4" where not."""
    return name if right is None else f"{'✓' if right else '✗'} {name}"


def describe_failure(index: int, target: str, predicted: str, probability: float) -> str:
    """What a screen reader says of a misclassified image."""
    taken = f"{with_article(target)} taken for {with_article(predicted)}"
    return f"test image {index}, {taken} with {format_percent(probability)}"


def png_data_url(image: np.ndarray) -> str:
    """A (H, W) uint8 image as a PNG that HTML can carry itself."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image, dtype=np.uint8), mode=None).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def picture(images: np.ndarray | None, index: int, alt: str) -> str:
    """An `<img>` of test image `index`, or "" where the images are not at hand."""
    if images is None or not 0 <= index < len(images):
        return ""
    return f'<img src="{png_data_url(images[index])}" alt="{escape(alt)}">'


def failure_grid(
    frame: pd.DataFrame,
    *,
    images: np.ndarray | None,
    class_names: Sequence[str],
    color: str = NEUTRAL,
) -> str:
    """Misclassified images as a grid of tiles with "true → predicted" and the probability.

    `frame` has `index, target, predicted, probability` (of the predicted class, in [0, 1]);
    `images` is the whole test set (N, 28, 28), or None for tiles without pictures. A click picks
    the index.
    """
    tiles = []
    for index, target, predicted, probability in zip(
        frame["index"], frame["target"], frame["predicted"], frame["probability"], strict=True
    ):
        names = class_names[target], class_names[predicted]
        tiles.append(_tile(int(index), *names, float(probability), images))
    kind = "tiles" + (" words" if are_words(class_names) else "")
    kind += "" if images is not None else " bare"
    return f'<ul class="{kind}" style="--accent:{color}">{"".join(tiles)}</ul>'


def are_words(class_names: Sequence[str]) -> bool:
    """Whether class names need more room than a digit."""
    return max(map(len, class_names)) > 2


def _tile(
    index: int, target: str, predicted: str, probability: float, images: np.ndarray | None
) -> str:
    said = describe_failure(index, target, predicted, probability)
    image = picture(images, index, said)
    label = "" if image else f' aria-label="{escape(said)}"'
    return (
        f'<li><button type="button" data-pick="{index}" title="{escape(said)}"{label}>{image}'
        f'<span class="caption" aria-hidden="true"><b>{escape(target)} → {escape(predicted)}</b> '
        f"<small>{format_percent(probability)}</small></span>"
        f'<span class="bar" style="--share:{probability:.3f}"></span></button></li>'
    )


def large_picture(images: np.ndarray, index: int, alt: str) -> str:
    """Test image `index` with visible pixels, as wide as its place up to 196 px."""
    shown = picture(images, index, alt)
    style = "width:100%;max-width:196px;image-rendering:pixelated;border-radius:8px"
    return shown.replace("<img ", f'<img style="{style}" ')
