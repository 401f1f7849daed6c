"""What the six say of one image, and its place among the training images, as HTML; no streamlit."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from core.analysis.image_properties import PROPERTIES
from core.analysis.predict import agreement, agreement_sentence, all_of
from ui.charts_explain import signed
from ui.failures_tables import variant_color
from ui.images import format_percent, png_data_url

USUAL = (0.2, 0.8)
"""Where the 1st and the 99th percentile lie along a strip of width 1."""
SLANTED = ("slanted further to the left", "slanted further to the right")
HEADS = ("Variant", "Says", "Probability", "Runner-up", "Margin (logits)", "Entropy (bits)")


@functools.cache
def style() -> str:
    """The style sheet of this HTML, to stand before it."""
    return f"<style>{Path(__file__).with_name('predict.css').read_text(encoding='utf-8')}</style>"


def verdict(
    frame: pd.DataFrame, class_names: tuple[str, ...], true: int | None, by_name: bool = False
) -> str:
    """Who says what of one image (rows of `answers_frame`), and how many are right, as text.

    `by_name` says that only the name of its file tells the class `true`.
    """
    said = agreement_sentence(agreement(frame), class_names)
    if true is None:
        return said
    right, total = int((frame["predicted"] == true).sum()), len(frame)
    if total == 1:
        judged = f"that is {'right' if right else 'wrong'}"
    else:
        some = f"{right} of {total} {'is' if right == 1 else 'are'}"
        judged = {0: "none is", total: f"{all_of(total)} are"}.get(right, some) + " right"
    how = " by its file name" if by_name else ""
    return f"{said} It is labelled {class_names[true]}{how}: {judged}."


def answers(
    frame: pd.DataFrame,
    image: np.ndarray,
    *,
    verdict: str,
    name: str,
    caption: str,
    true: int | None = None,
    seeds: Mapping[str, tuple[int, int]] = MappingProxyType({}),
) -> str:
    """The image beside a row for each variant, for `ui.drawing`.

    `frame` holds the rows of one image in `core.analysis.predict.answers_frame`; `image` (28, 28)
    uint8 is what the networks see and `name` what it is called; `seeds` maps a variant to how many
    of its seeds say the same, of how many.
    """
    widest = max(float(frame["margin"].max()), 1e-9)
    found = agreement(frame)
    most = next(iter(found.classes)) if 2 * found.largest > found.num_variants else None
    rows = "".join(
        _row(row, widest, true, most, seeds.get(row["variant"])) for row in frame.to_dict("records")
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in HEADS)
    return (
        f'{style()}<div class="answers"><div class="one"><figure>'
        f'<img src="{png_data_url(image)}" alt="{escape(name)}, as the networks see it">'
        f"<figcaption>{escape(caption)}</figcaption></figure><div>"
        f'<p class="verdict">{escape(verdict)}</p><table><thead><tr>'
        f"{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div></div></div>"
    )


def _row(
    row: Mapping, widest: float, true: int | None, most: int | None, seeds: tuple[int, int] | None
) -> str:
    """One variant; underlined where it is wrong or, if that is not known, says other than most."""
    expected = most if true is None else true
    other = expected is not None and row["predicted"] != expected
    same = f"<small>{seeds[0]}/{seeds[1]} seeds</small>" if seeds else ""
    second, margin = row["runner_up_probability"], row["margin"]
    return (
        f'<tr data-variant="{escape(row["variant"])}" class="{"other" if other else ""}" '
        f'style="--accent:{variant_color(row["variant"])}">'
        f'<th scope="row">{escape(row["label"])}</th>'
        f'<td><span class="says">{_said(row, true)}</span>{same}</td>'
        f"{_scaled(format_percent(row['probability']), row['probability'])}"
        f"<td>{escape(row['runner_up_name'])}<small>{format_percent(second)}</small></td>"
        f"{_scaled(f'{margin:.2f}', margin / widest)}"
        f"<td>{row['entropy']:.2f}</td></tr>"
    )


def _said(row: Mapping, true: int | None) -> str:
    name = escape(row["predicted_name"])
    if true is None:
        return name
    mark, said = ("✓", "right") if row["predicted"] == true else ("✗", "wrong")
    return f'<span role="img" aria-label="{said}">{mark}</span> {name}'


def _scaled(text: str, share: float) -> str:
    return f'<td class="scaled">{text}<span class="bar" style="--share:{share:.3f}"></span></td>'


def strips(frame: pd.DataFrame) -> str:
    """The place of one image in each property; `frame` holds its rows of `typicality`."""
    items = "".join(map(_strip, frame.to_dict("records")))
    return f'{style()}<ul class="typical">{items}</ul>'


def _strip(row: Mapping) -> str:
    low, high = (amount(row[end], row["unit"]) for end in ("low", "high"))
    if math.isnan(row["value"]):
        words, mark = "cannot be measured", ""
    else:
        words = f"{amount(row['value'], row['unit'])}: {compared(row)}"
        mark = f'<span class="mark" style="--place:{min(max(place(row), 0.02), 0.98):.3f}"></span>'
    ends = "".join(
        f'<small style="left:{at:.0%}">{text}</small>'
        for at, text in zip(USUAL, (low, high), strict=True)
    )
    return (
        f'<li class="{"unusual" if row["is_unusual"] else ""}"><b>{escape(row["label"])}</b>'
        f'<div class="strip" role="img" aria-label="98 % of the training images have {low} to '
        f'{high}"><span class="line"></span><span class="usual"></span>{mark}{ends}</div>'
        f'<span class="words">{escape(words)}</span></li>'
    )


def place(row: Mapping) -> float:
    """Where the value lies along a strip from 0 to 1; beyond its ends if it is far out."""
    start, end = USUAL
    return start + (end - start) * (row["value"] - row["low"]) / ((row["high"] - row["low"]) or 1.0)


def amount(value: float, unit: str) -> str:
    """A value with its unit: "3.1 px", "−12°", and "0.87" for a share of full scale."""
    if unit == "°":
        return signed(value, 0).replace("+", "") + unit
    return f"{value:.2f}" if unit == "of full scale" else f"{value:.1f} {unit}"


def compared(row: Mapping) -> str:
    """A row of `typicality` in words: "thinner strokes than 99 % of the training images"."""
    found, above = PROPERTIES[row["property"]], row["percentile"]
    less, more = SLANTED if found.key == "slant" else (found.less, found.more)
    words, share = (more, above) if above >= 50 else (less, 100 - above)
    whole = math.floor(share * 10) / 10 if share > 99 else math.floor(share)
    return f"{words} than {f'{whole:g} %' if share < 100 else 'all'} of the training images"


def most_unusual(rows: Sequence[Mapping]) -> Mapping | None:
    """Of one image's rows of `typicality` the one furthest out, None where nothing is known.

    By percentiles from the median; of equal ones by the distance in widths of the usual range.
    """
    return max(
        (row for row in rows if not math.isnan(row["value"])),
        key=lambda row: (abs(row["percentile"] - 50), abs(place(row) - 0.5)),
        default=None,
    )


def class_frame(
    frame: pd.DataFrame, class_names: tuple[str, ...], true: int | None
) -> pd.DataFrame:
    """One row per variant and class of one image: `variant, class, probability, is_target`.

    `is_target` is None where the true class is not known.
    """
    return pd.DataFrame(
        {
            "variant": row["variant"],
            "class": name,
            "probability": share,
            "is_target": None if true is None else number == true,
        }
        for row in frame.to_dict("records")
        for number, (name, share) in enumerate(zip(class_names, row["probabilities"], strict=True))
    )


def flat(frame: pd.DataFrame, class_names: tuple[str, ...]) -> pd.DataFrame:
    """Rows of `answers_frame` for a file: `probabilities` as a column for each class."""
    shares = pd.DataFrame(frame["probabilities"].tolist(), frame.index)
    shares.columns = [f"probability_{name}" for name in class_names]
    return frame.drop(columns=["image", "probabilities"]).join(shares)
