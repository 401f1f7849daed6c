"""Pictures of the Explain page as HTML: the strip to choose from; no streamlit."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from ui.images import NEUTRAL, describe_failure, picture, with_article


def strip(
    frame: pd.DataFrame,
    *,
    images: np.ndarray | None,
    class_names: Sequence[str],
    current: int,
    color: str = NEUTRAL,
) -> str:
    """Test images in one row, for `ui/picker.py`; a click picks the index.

    `frame` has `index, target`, and for failures `predicted, probability`. Where the `images` (N,
    28, 28) are not at hand (None), the labels stand in their place.
    """
    items = [
        _item(record, images, class_names, current == record["index"])
        for record in frame.to_dict("records")
    ]
    start = f'<div class="scroll"><ul class="strip" style="--accent:{color}">'
    return f"{start}{''.join(items)}</ul></div>"


def _item(
    record: dict, images: np.ndarray | None, class_names: Sequence[str], current: bool
) -> str:
    index, target = int(record["index"]), class_names[record["target"]]
    said, short = f"test image {index}, {with_article(target)}", target
    if "predicted" in record:
        predicted = class_names[record["predicted"]]
        said = describe_failure(index, target, predicted, record["probability"])
        short = f"{target} → {predicted}"
    shown = picture(images, index, said)
    content = f"{shown}<span aria-hidden='true'>{escape(short)}</span>"
    name = "" if shown else f' aria-label="{escape(said)}"'
    mark = ' aria-current="true"' if current else ""
    return (
        f'<li><button type="button" data-pick="{index}" title="{escape(said)}"{name}{mark}>'
        f"{content}</button></li>"
    )
