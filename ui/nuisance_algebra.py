"""Why contrast about grey leaves group and layer norm where they are, and the check of it."""

from __future__ import annotations

from html import escape

import pandas as pd
import streamlit as st

from ui import nuisance_networks
from ui.drawing import draw
from ui.explain_data import Subject
from ui.failures_tables import variant_color
from ui.nuisance_answers import style

KEY = "contrast_grey"
EXAMPLE = 0.25
"""The factor that is checked while the slider of contrast about grey is at ×1."""

ALGEBRA = """
In normalized space the mean grey is 0, so this contrast multiplies the image: $x \\to a\\,x$, with
$a > 0$. The first convolution has no bias and pads with zeros, so its output follows:
$h \\to a\\,h$.

**Group and layer norm** divide by the image's own spread, from which $a$ cancels but for $ε$. All
later layers see what they saw before:

$$
\\dfrac{a h - a \\mu}{\\sqrt{a^2 \\sigma^2 + ε}} \\approx \\dfrac{h - \\mu}{\\sqrt{\\sigma^2 + ε}}
$$

**Batch norm** uses the stored $\\mu$ and $\\sigma$ of the training images, so the factor stays:

$$
\\dfrac{a h - \\mu}{\\sqrt{\\sigma^2 + ε}}
$$
"""


def show(subject: Subject, factor: float) -> None:
    """The algebra, and how far each variant's logits really move at `factor`."""
    st.subheader("Why two norms do not move about grey", anchor=False)
    is_example = factor == 1
    used = EXAMPLE if is_example else factor
    frame = nuisance_networks.contrast_check(subject, used)
    algebra, check = st.columns(2, gap="large")
    algebra.markdown(ALGEBRA)
    with check:
        draw(check_table(frame, used), key="check")
        st.caption(
            check_words(frame) + (" An example, as the slider is at ×1." if is_example else "")
        )


def number(change: float) -> str:
    """A change of a logit with three digits: "13.9", "3.05e−05", "0"."""
    return f"{change:.3g}".replace("-", "−")


def check_table(frame: pd.DataFrame, factor: float) -> str:
    """`nuisance_networks.contrast_check` as an HTML table."""
    rows = "".join(
        f'<tr style="--accent:{variant_color(row["variant"])}">'
        f'<th scope="row">{escape(row["label"])}</th>'
        + "".join(f"<td>{number(row[name])}</td>" for name in ("computed", "eps", "exact"))
        + "</tr>"
        for row in frame.to_dict("records")
    )
    heads = ("As it runs (float32)", "In float64", "Without ε (float64)")
    return (
        f'{style()}<table class="check"><caption>Largest |Δlogit| of the clean image between '
        f"×1 and ×{factor:.4g} about grey</caption><thead><tr><th scope='col'>Variant</th>"
        + "".join(f"<th scope='col'>{head}</th>" for head in heads)
        + f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def check_words(frame: pd.DataFrame) -> str:
    """What the check found, in a sentence or two."""
    moved, still = frame[frame["norm"] == "batch"], frame[frame["norm"] != "batch"]
    words = []
    if len(still):
        worst = still.sort_values("computed").iloc[-1]
        words.append(
            f"Group and layer norm move by at most {number(worst['computed'])} logits as they "
            f"run. In exact arithmetic that is {number(worst['eps'])}, the work of ε; without ε it "
            f"is at most {number(still['exact'].max())}."
        )
    if len(moved):
        words.append(f"Batch norm moves by at least {number(moved['computed'].min())} logits.")
    return " ".join(words)
