"""D3 as a table of pictures: what would turn each variant's prediction; no streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from core.analysis.change_report import TELLING
from ui.failures_tables import RIGHT, WRONG, variant_color
from ui.images import png_data_url

if TYPE_CHECKING:
    from core.analysis.counterfactual import Change


def change_table(
    changes: Sequence[Change], variants: Mapping[str, str], class_names: Sequence[str]
) -> str:
    """Nuisances and directions × variants, for `ui.picker`; `variants` maps keys to labels.

    A cell holds the changed image, the change, what the variant then says, and how many controls
    turn too; one that few of them follow is framed and shaded.
    """
    cells = {(c.nuisance.key, c.direction, c.variant): c for c in changes}
    sides = {(c.nuisance.key, c.direction): c for c in changes}
    heads = "".join(
        f'<th scope="col" style="--accent:{variant_color(key)}">{escape(label)}</th>'
        for key, label in variants.items()
    )
    rows = []
    for side, change in sides.items():
        if not any(cells[*side, key].severity is not None for key in variants):
            continue
        body = "".join(_cell(cells[*side, key], class_names) for key in variants)
        heading = change.nuisance.side(change.direction)
        rows.append(f'<tr><th scope="row">{escape(heading)}</th>{body}</tr>')
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Smallest changes">'
        f'<table class="heat robustness changes"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(change: Change, class_names: Sequence[str]) -> str:
    if change.severity is None or change.image is None or change.predicted is None:
        return '<td class="none" title="nothing within the range">–</td>'
    says = class_names[change.predicted]
    said = f"if {change.nuisance.words(change.severity)}, it says {says}"
    controls = ""
    if change.num_controls:
        said += f"; {change.broken} of {change.num_controls} controls turn too"
        controls = f"<small>{change.broken}/{change.num_controls}</small>"
    if not change.lasts:
        said += "; further out it turns back"
    telling = (change.broken_share or 0) <= TELLING
    accent = RIGHT if change.repairs else WRONG
    pixels = np.round(np.clip(change.image, 0, 1) * 255).astype(np.uint8)
    return (
        f'<td class="shade{" best" if telling else ""}" title="{escape(said)}" '
        f'style="--accent:{accent};--share:{0.5 if telling else 0:.1f}">'
        f'<img src="{png_data_url(pixels)}" alt="{escape(said)}">'
        f"{escape(change.nuisance.amount(change.severity))}{'' if change.lasts else ' ↩'} "
        f"→ {escape(says)} {controls}</td>"
    )
