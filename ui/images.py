"""Digit grids and tables of images as HTML; no streamlit.

Whatever can be clicked is a `<button data-pick="…">`, so it works with the keyboard; `ui/picker.py`
shows the HTML and reports the pick. Images are (28, 28) uint8, bright ink on black, as in the data.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd
from PIL import Image

from ui.palette import VARIANT_COLORS

NEUTRAL = "#7F7F7F"


def format_percent(probability: float) -> str:
    """A probability in [0, 1] in whole percent, never rounded to certainty or to nothing."""
    if probability > 0.995:
        return "> 99 %"
    return "< 1 %" if probability < 0.005 else f"{probability:.0%}".replace("%", " %")


def with_article(name: str) -> str:
    """A class name as one example of it: "a 4", "an 8", "an Ankle boot"."""
    return f"an {name}" if name == "8" or name[:1].lower() in set("aeiou") else f"a {name}"


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
    kind = "tiles" + (" words" if _are_words(class_names) else "")
    kind += "" if images is not None else " bare"
    return f'<ul class="{kind}" style="--accent:{color}">{"".join(tiles)}</ul>'


def _are_words(class_names: Sequence[str]) -> bool:
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


def confusion_table(
    matrix: np.ndarray,
    *,
    class_names: Sequence[str],
    selected: tuple[int | None, int | None] = (None, None),
    color: str = NEUTRAL,
) -> str:
    """A (K, K) confusion matrix (rows true, columns predicted) whose mistakes can be clicked.

    A cell picks "true-predicted", a row heading "true-", a column heading "-predicted"; `selected`
    is the pair that is filtered for, None meaning any. Shades compare mistakes only, since the
    diagonal is a hundred times larger.
    """
    mistakes = matrix * (1 - np.eye(len(matrix), dtype=int))
    largest = max(int(mistakes.max()), 1)
    headings = "".join(
        _heading(name, "col", f"-{column}", selected == (None, column), f"taken for {name}")
        for column, name in enumerate(class_names)
    )
    rows = []
    for row, name in enumerate(class_names):
        cells = "".join(
            _confusion_cell(row, column, int(count), largest, class_names, selected)
            for column, count in enumerate(matrix[row])
        )
        heading = _heading(name, "row", f"{row}-", selected == (row, None), f"true label {name}")
        rows.append(f"<tr>{heading}{cells}</tr>")
    words = " words" if _are_words(class_names) else ""
    return (
        f'<table class="confusion{words}" style="--accent:{color}">'
        f"<caption>rows: true label; columns: what it was taken for</caption>"
        f"<thead><tr><td></td>{headings}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def _heading(name: str, scope: str, pick: str, pressed: bool, said: str) -> str:
    return (
        f'<th scope="{scope}"><button type="button" data-pick="{pick}" title="{escape(said)}" '
        f'aria-label="{escape(said)}" aria-pressed="{str(pressed).lower()}">'
        f"<span>{escape(name)}</span></button></th>"
    )


def _confusion_cell(
    row: int,
    column: int,
    count: int,
    largest: int,
    class_names: Sequence[str],
    selected: tuple[int | None, int | None],
) -> str:
    if row == column:
        return f'<td class="right" title="{count} right">{count}</td>'
    if not count:
        return '<td class="none">·</td>'
    said = f"{class_names[row]} taken for {class_names[column]}: {count}"
    pressed = all(want in (None, have) for want, have in zip(selected, (row, column), strict=True))
    return (
        f'<td style="--share:{count / largest:.3f}"><button type="button" '
        f'data-pick="{row}-{column}" title="{escape(said)}" aria-label="{escape(said)}" '
        f'aria-pressed="{str(pressed and selected != (None, None)).lower()}">{count}</button></td>'
    )


def who_fails_table(
    frame: pd.DataFrame,
    *,
    variants: Mapping[str, str],
    num_seeds: Mapping[str, int],
    images: np.ndarray | None,
    class_names: Sequence[str],
) -> str:
    """One row per image, one column per variant: which variants fail on it, and how they see it.

    `variants` maps keys to labels. `frame` has `index, target` and for each variant key `<key>`
    (how many of its `num_seeds` seeds fail) and `<key>_predicted` (what a failing seed most often
    takes it for; anything where none fails). A cell shows the prediction where there is one seed
    and "k/n" where there are several. A click on an image picks its index.
    """
    head = "".join(
        f'<th scope="col" style="--accent:{VARIANT_COLORS.get(key, NEUTRAL)}"'
        f' title="{escape(label)}"><span>{escape(key)}</span></th>'
        for key, label in variants.items()
    )
    rows = []
    for record in frame.to_dict("records"):
        index, target = int(record["index"]), class_names[int(record["target"])]
        cells = "".join(
            _who_cell(record, key, label, num_seeds[key], class_names)
            for key, label in variants.items()
        )
        image = picture(images, index, "")
        said = f"test image {index}, {with_article(target)}"
        rows.append(
            f'<tr><th scope="row"><button type="button" data-pick="{index}" '
            f'aria-label="{escape(said)}" title="{escape(said)}">{image}<small>{index}</small>'
            f"</button></th><td>{escape(target)}</td>{cells}</tr>"
        )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Who fails where">'
        '<table class="who"><thead><tr><th scope="col">image</th>'
        f'<th scope="col">true</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _who_cell(
    record: Mapping, key: str, label: str, num_seeds: int, class_names: Sequence[str]
) -> str:
    failing = int(record[key])
    if not failing:
        return f'<td class="none" title="{escape(label)}: right">·</td>'
    name = class_names[int(record[f"{key}_predicted"])]
    said = f"{label}: taken for {name}"
    text = name
    if num_seeds > 1:
        said += f" (fails in {failing} of {num_seeds} seeds)"
        text = f"{failing}/{num_seeds}"
    style = f"--accent:{VARIANT_COLORS.get(key, NEUTRAL)};--share:{failing / num_seeds:.3f}"
    return f'<td class="wrong" style="{style}" title="{escape(said)}">{escape(text)}</td>'


def large_picture(images: np.ndarray, index: int, alt: str) -> str:
    """Test image `index` with visible pixels, as wide as its place up to 196 px."""
    shown = picture(images, index, alt)
    style = "width:100%;max-width:196px;image-rendering:pixelated;border-radius:8px"
    return shown.replace("<img ", f'<img style="{style}" ')
