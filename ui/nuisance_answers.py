"""What the networks see of a changed image, and what the six say of it, as HTML; no streamlit."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from ui.failures_tables import variant_color
from ui.images import format_percent, png_data_url


@functools.cache
def style() -> str:
    """The style sheet of the lab's HTML, to stand before it."""
    return f"<style>{Path(__file__).with_name('nuisance.css').read_text(encoding='utf-8')}</style>"


def answers(
    before: pd.DataFrame,
    now: pd.DataFrame,
    *,
    clean: np.ndarray,
    changed: np.ndarray,
    name: str,
    done: str,
) -> str:
    """The clean and the changed image beside a row for each variant, for `ui.drawing`.

    `before` and `now` are `ui.explain_data.verdicts`; `clean` and `changed` (28, 28) float32, black
    0 and white 1. `name` is the image in words, `done` what was done to it ("" for nothing).
    """
    rows = [
        _row(then, row)
        for then, row in zip(before.to_dict("records"), now.to_dict("records"), strict=True)
    ]
    seen = f"{name}, {done}" if done else f"{name}, unchanged"
    return (
        f'{style()}<div class="lab"><div class="seen">'
        f"{_picture(clean, name, 'Clean')}{_picture(changed, seen, 'What the networks see')}"
        f"</div><table><thead><tr><th scope='col'>Variant</th><th scope='col'>Clean</th>"
        f"<th scope='col'>Now</th><th scope='col' class='share'>Probability</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _picture(pixels: np.ndarray, said: str, caption: str) -> str:
    low, high = float(pixels.min()), float(pixels.max())
    if low < -1e-6 or high > 1 + 1e-6:
        caption += f". Values go from {low:.2f} to {high:.2f}, drawn between black 0 and white 1"
        caption = caption.replace("-", "−")
    url = png_data_url(np.rint(np.clip(pixels, 0, 1) * 255))
    return (
        f'<figure><img src="{url}" alt="{escape(said)}">'
        f"<figcaption>{escape(caption)}.</figcaption></figure>"
    )


def _row(before: Mapping, now: Mapping) -> str:
    share = now["probability"]
    return (
        f'<tr data-variant="{escape(now["variant"])}" class="{_mark(now, "right", "wrong")}" '
        f'style="--accent:{variant_color(now["variant"])};--share:{share:.3f}">'
        f'<th scope="row">{escape(now["label"])}</th><td>{_verdict(before)}</td>'
        f'<td class="now">{_verdict(now)}</td>'
        f'<td class="share" title="{share:.4%}">{format_percent(share)}<span class="bar"></span>'
        f"</td></tr>"
    )


def _verdict(row: Mapping) -> str:
    name = escape(row["predicted"])
    if row["right"] is None:
        return name
    mark, said = _mark(row, "✓", "✗"), _mark(row, "right", "wrong")
    return f'<span role="img" aria-label="{said}">{mark}</span> {name}'


def _mark(row: Mapping, right: str, wrong: str) -> str:
    """One of both; "" where the truth is not known."""
    return "" if row["right"] is None else right if row["right"] else wrong
