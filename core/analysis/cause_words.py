"""The answer to why normalizations fail, in sentences with their figures. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from core.analysis.failure_causes import ALL, FailureCauses
from core.analysis.image_properties import PROPERTIES
from core.analysis.nuisances import NUISANCES
from core.analysis.survey_table import LAYER
from core.config import NORM_LABELS

NUM_NAMED = 3


def answer(found: FailureCauses) -> list[str]:
    """What sets a normalization apart, if anything, what all share, and how far this carries."""
    return [*_apart(found), _shared(found), _scope(found)]


def _apart(found: FailureCauses) -> list[str]:
    rows = found.causes[found.causes["norm"] != ALL]
    if found.named.empty:
        smallest = _range([math.exp(half) for half in _half_widths(rows)], ".2f")
        return [
            f"**No property of the images sets a normalization apart.** Of {len(rows)} "
            "interactions of a normalization with a property none differs from 0 by more than "
            f"chance; to be seen, one must multiply the odds of failing by about {smallest} "
            "per standard deviation."
        ]
    return [
        f"**{NORM_LABELS[row['norm']]} fails more than the others on images that have, compared "
        f"with their class, {_image(row)}**: {_odds(row)}, beyond the mean of all."
        for row in found.named.to_dict("records")
    ]


def _shared(found: FailureCauses) -> str:
    if found.shared.empty:
        return "No property makes all normalizations together fail more or less."
    rows = found.shared.to_dict("records")
    parts = [f"{_image(row)} ({_odds(row)})" for row in rows]
    return (
        "All normalizations together fail more on images that have, compared with their class and "
        f"the other properties being equal, {'; '.join(parts)}."
    )


def _image(row: Mapping) -> str:
    kind = PROPERTIES[row["property"]]
    return kind.more if row["effect"] > 0 else kind.less


def _odds(row: Mapping) -> str:
    """The effect as an odds ratio above 1, with its interval."""
    ends = sorted(abs(row[end]) for end in ("low", "high"))
    ratio, low, high = (math.exp(value) for value in (abs(row["effect"]), *ends))
    return f"odds of failing ×{ratio:.2f} per standard deviation, {low:.2f} to {high:.2f}"


def _scope(found: FailureCauses) -> str:
    runs = sorted(set(found.num_runs.values()))
    failing = sorted(found.num_failing.values())
    images = f"{failing[0]} to {failing[-1]} of {found.num_images:,} test images fail per variant"
    if runs[-1] == 1:
        return f"{images}. **One seed each:** other seeds fail on other images."
    if runs[0] == 1:
        return (
            f"{images}, in any of 1 to {runs[-1]} seeds. **As some variant has one seed, intervals "
            "cover other images only**; other seeds fail on other images."
        )
    seeds = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    return f"{images}, in any of {seeds} seeds; intervals cover other images and other seeds."


def survey_answer(frame: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Which small changes and layers repair more failures than they break controls, if any.

    `frame` comes from `survey_table.survey_frame`; `labels` maps variants to their names.
    """
    named = frame[frame["named"]].sort_values("effect", ascending=False)
    if named.empty:
        smallest = _range([100 * half for half in _half_widths(frame)], ".0f")
        return (
            f"**None of {len(frame)} small changes and repaired layers puts more failures right "
            "than it breaks correct images that are equally close to the boundary**, beyond "
            f"chance. To be seen, a difference must reach about {smallest} points."
        )
    parts = [
        f"{change_label(row)} under {labels.get(row['variant'], row['variant'])} "
        f"({100 * row['repaired']:.0f} % repaired, {100 * row['broken']:.0f} % broken)"
        for row in named.head(NUM_NAMED).to_dict("records")
    ]
    listed = "; ".join(parts)
    more = len(named) - NUM_NAMED
    rest = f"; and {more} more" if more > 0 else ""
    return (
        f"**{len(named)} of {len(frame)} small changes and repaired layers put more failures right "
        f"than they break correct images that are equally close:** {listed}{rest}."
    )


def _half_widths(frame: pd.DataFrame) -> tuple[float, float]:
    """Of the narrowest and of the widest interval: about the smallest effects they would show."""
    half = (frame["high"] - frame["low"]) / 2
    return float(half.min()), float(half.max())


def _range(ends: Sequence[float], digits: str) -> str:
    return " to ".join(dict.fromkeys(f"{end:{digits}}" for end in ends))


def change_label(row: Mapping) -> str:
    """A row of the survey in words: "Stroke thickness: thinner (−0.5 px)", "Layer 3"."""
    if row["kind"] == LAYER:
        return f"Layer {row['name']}" if str(row["name"]).isdigit() else "All layers"
    kind, direction = NUISANCES[row["name"]], row["direction"]
    return f"{kind.side(direction)} ({kind.amount(kind.neutral + direction * kind.small)})"
