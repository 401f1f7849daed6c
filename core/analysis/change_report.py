"""What D3 found, as a frame and in words. No torch.

The smaller the share of equally close correct images that a change breaks too, the more it says of
this image; above `TELLING` it is not sold as a cause. Below it need not be one either: among so
many changes tried, chance makes some telling in many correct images (`failure_survey` compares).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from core.config import variant_label

if TYPE_CHECKING:
    from core.analysis.counterfactual import Change

TELLING = 0.05
"""The share of controls that a telling change breaks at most, as in the bands of D1."""
NUM_NAMED = 2


def changes_frame(changes: Sequence[Change]) -> pd.DataFrame:
    """One row per change looked for; `severity`, `change`, `predicted` and `lasts` are None where
    nothing within `end` turns the prediction, `broken_share` without controls.

    `variant, nuisance, direction` (-1 or 1), `before` and `predicted` (classes), `repairs`,
    `severity, change, unit, resolution, end, lasts, broken_share, num_controls`.
    """
    rows = [
        {
            "variant": c.variant,
            "nuisance": c.nuisance.key,
            "direction": c.direction,
            "before": c.before,
            "repairs": c.repairs,
            "severity": c.severity,
            "change": c.change,
            "unit": c.nuisance.unit,
            "predicted": c.predicted,
            "resolution": c.resolution,
            "end": c.nuisance.ends[c.direction],
            "lasts": c.lasts,
            "broken_share": c.broken_share,
            "num_controls": c.num_controls,
        }
        for c in changes
    ]
    return pd.DataFrame(rows, dtype=object)


def change_sentences(changes: Sequence[Change], class_names: Sequence[str]) -> list[str]:
    """One or two sentences per variant: what would turn its prediction, and what that is worth.

    Controls are correct images as close to the boundary.
    """
    by_variant: dict[str, list[Change]] = {}
    for change in changes:
        by_variant.setdefault(change.variant, []).append(change)
    return [_sentence(found, class_names) for found in by_variant.values()]


def _sentence(changes: Sequence[Change], names: Sequence[str]) -> str:
    key, before = changes[0].variant, names[changes[0].before]
    label = variant_label(key)
    repairs = changes[0].repairs
    found = sorted((c for c in changes if c.severity is not None), key=_worth)
    if not found:
        outcome = "makes it right" if repairs else "changes that"
        return f"{label} says {before}; no single change within the ranges {outcome}."
    wanted = "would be right" if repairs else "would change its mind"
    telling = [c for c in found if (c.broken_share or 0) <= TELLING]
    listed = ", or if ".join(_words(c, names) for c in (telling or found)[:NUM_NAMED])
    sentence = f"{label} says {before}; it {wanted} if {listed}."
    if telling or not found[0].num_controls:
        return sentence
    return f"{sentence} What turns that many of them is no cause peculiar to this image."


def _worth(change: Change) -> tuple[float, float]:
    """First what breaks the fewest controls, then what goes least far through its range."""
    end, neutral = change.nuisance.ends[change.direction], change.nuisance.neutral
    assert change.change is not None
    return change.broken_share or 0, abs(change.change / (end - neutral))


def _words(change: Change, names: Sequence[str]) -> str:
    assert change.severity is not None and change.predicted is not None
    details = [] if change.repairs else [f"then {names[change.predicted]}"]
    if change.num_controls:
        details.append(f"turns {change.broken} of {change.num_controls} controls")
    brackets = f" ({'; '.join(details)})" if details else ""
    return f"{change.nuisance.words(change.severity)}{brackets}"
