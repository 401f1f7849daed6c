"""The matrix of transplants and the images that flip, as HTML; no streamlit.

As in `ui/images.py`, what can be clicked is a `<button data-pick="…">`.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import pandas as pd

from core.config import NORM_LABELS, variant_label
from ui.failures_tables import variant_color
from ui.images import picture, with_article


def matrix_html(table: pd.DataFrame, selected: tuple[str, str]) -> str:
    """Accuracy of weights (rows) under normalizations (columns); a click picks "variant-norm".

    `table` is `core.analysis.transplant_matrix.matrix_table`; `selected` is (variant, norm).
    """
    norms = list(dict.fromkeys(table["norm"]))
    head = "".join(f'<th scope="col">{NORM_LABELS[norm]}</th>' for norm in norms)
    rows = "".join(
        f'<tr><th scope="row" style="--accent:{variant_color(str(key))}">'
        f"{escape(variant_label(key))}</th>"
        + "".join(_cell(record, selected) for record in group.to_dict("records"))
        + "</tr>"
        for key, group in table.groupby("variant", sort=False)
    )
    return (
        '<table class="heat wide transplants"><caption>rows: weights; columns: normalization; '
        "dashed frame: as trained</caption>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _cell(record: dict, selected: tuple[str, str]) -> str:
    key, norm = record["variant"], record["norm"]
    share = record["accuracy_percent"] / 100
    interval = f"{record['low_percent']:.1f} – {record['high_percent']:.1f}"
    said = f"Weights of {variant_label(key)} under {NORM_LABELS[norm].lower()}: "
    said += f"{record['accuracy_percent']:.2f} % right, 95 % interval {interval} %"
    said += ", as trained" if record["own"] else ""
    pressed = str(selected == (key, norm)).lower()
    return (
        f'<td class="shade{" own" if record["own"] else ""}" style="--share:{share:.3f}">'
        f'<button type="button" data-pick="{escape(key)}-{norm}" aria-pressed="{pressed}" '
        f'title="{escape(said)}" aria-label="{escape(said)}">'
        f"<b>{record['accuracy_percent']:.1f} %</b> <small>{interval}</small></button></td>"
    )


def flips_html(
    frame: pd.DataFrame, *, images: np.ndarray | None, class_names: Sequence[str], color: str
) -> str:
    """Images whose prediction the transplant changes, each with its label and both predictions.

    `frame` is part of `core.analysis.transplant_matrix.flips`; without `images` (None) the labels
    stand alone.
    """
    tiles = "".join(_flip(record, images, class_names) for record in frame.to_dict("records"))
    bare = "" if images is not None else " bare"
    return f'<ul class="tiles{bare}" style="--accent:{color}">{tiles}</ul>'


def _flip(record: dict, images: np.ndarray | None, class_names: Sequence[str]) -> str:
    index = int(record["index"])
    target, before, after = (class_names[record[key]] for key in ("target", "before", "after"))
    said = (
        f"test image {index}, {with_article(target)}: as trained {with_article(before)}, "
        f"transplanted {with_article(after)}"
    )
    return (
        f'<li><figure title="{escape(said)}">{picture(images, index, said)}'
        f'<figcaption class="caption"><b>{escape(before)} → {escape(after)}</b> '
        f"<small>label {escape(target)}</small></figcaption></figure></li>"
    )
