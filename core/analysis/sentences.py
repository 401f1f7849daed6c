"""A diagnosis in plain words, every figure with it. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.analysis.persistence import seeds_needed
from core.config import variant_label

if TYPE_CHECKING:
    from core.analysis.diagnosis import Diagnosis

NUM_CHANNELS = 3


def describe(d: Diagnosis) -> list[str]:
    """What was found: the verdict, seeds, statistics, channels, and how pixels act."""
    return [_verdict(d), _seeds(d), *_statistics(d), *_channels(d), _pixels(d)]


def _verdict(d: Diagnosis) -> str:
    label = variant_label(d.variant.key)
    name = label if d.seed is None else f"{label} with seed {d.seed}"
    margin, said = d.patching.margin, d.class_names[d.predicted]
    if d.true is not None and not d.correct:
        true = d.class_names[d.true]
        return f"{name} is wrong here: it says {said}, {margin:.2f} logits ahead of {true}."
    assert d.target.negative is not None
    ahead = f"{said}, {margin:.2f} logits ahead of {d.class_names[d.target.negative]}"
    if d.true is None:
        return f"{name} says {ahead}; whether that is right is not known."
    return f"{name} is right here: it says {ahead}. What follows explains this margin."


def _seeds(d: Diagnosis) -> str:
    """Gate 0: whether the variant fails here whatever the seed."""
    rows, label = d.persistence, variant_label(d.variant.key)
    if rows is None:
        return (
            f"This holds for this seed. What {_lower(label)} does whatever the seed shows on test "
            f"images only, and with at least {seeds_needed()} seeds of each variant."
        )
    if rows.empty:
        return "No seed of any variant fails on this image."
    key = d.variant.key
    fails, seeds = _own_counts(rows, key)
    own = f"{label} fails here with {fails} of {seeds} seeds"
    found = rows[rows["persistent"]]
    if found.empty:
        return (
            f"{own}, and differs from no other variant by more than chance: a failure here cannot "
            f"be put down to {_lower(label)}."
        )
    worse, better = found[found["b"] == key], found[found["a"] == key]
    others = [f"{_label(r.b)} with {r.fails_b} of {r.seeds_b}" for r in better.itertuples()]
    others += [f"{_label(r.a)} with {r.fails_a} of {r.seeds_a}" for r in worse.itertuples()]
    p = found["p_adjusted"].max()
    return f"{own}, {_list(others)}: this difference persists over seeds (adjusted p ≤ {p:.2g})."


def _own_counts(rows: pd.DataFrame, key: str) -> tuple[int, int]:
    row = rows.iloc[0]
    side = "a" if row["a"] == key else "b"
    return int(row[f"fails_{side}"]), int(row[f"seeds_{side}"])


def _statistics(d: Diagnosis) -> list[str]:
    """D1: which layer's statistics carry the margin, and whether controls allow naming it."""
    p = d.patching
    best = int(np.argmax(p.phi))
    named = [int(layer) for layer in np.flatnonzero(p.named)]
    sentences = [_largest(d, best), *(_named(d, layer) for layer in named)]
    if not named:
        sentences.append(_none_named(d, best))
    shown = named[0] if named else best
    return [*sentences, f"{_all_layers(d)} {_fixes(d, shown)}"]


def _largest(d: Diagnosis, best: int) -> str:
    p = d.patching
    by = "the image's own"
    if d.variant.norm != "batch":
        by = f"their mean over {p.num_population:,} correctly classified training images"
    start = f"{_verb(d)} a layer means replacing its statistics by {by}."
    if p.phi[best] <= 0:
        return f"{start} Over all combinations of layers, none lowers the margin on average."
    return (
        f"{start} Layer {best + 1} matters most: over all combinations of layers it lowers the "
        f"margin of {p.margin:.2f} by {p.phi[best]:.2f} on average (φ)."
    )


def _named(d: Diagnosis, layer: int) -> str:
    p = d.patching
    flips = "flips" if p.flips[layer] else "alone does not flip"
    return (
        f"Layer {layer + 1} is named. {_verb(d)} it {flips} the prediction and lowers the margin "
        f"by {p.phi[layer]:.2f} (φ), more than chance gives among {p.num_controls} equally close "
        f"correct images ({p.control_high[layer]:.2f}) or by arbitrary changes of this image's own "
        f"statistics ({p.donor_high[layer]:.2f}). It flips {_percent(p.break_rate[layer])} of "
        "those images."
    )


def _none_named(d: Diagnosis, best: int) -> str:
    """Why nothing is named: of the layers that flip the prediction, the one with the largest φ."""
    p = d.patching
    flipping = np.flatnonzero(p.flips[:-1])
    if np.isinf([*p.control_high, *p.donor_high]).any():
        return f"No layer is named: {p.num_controls} controls and {p.num_donors} donors are few."
    if not len(flipping):
        return f"{_verb(d)} no single layer flips the prediction, and no layer is named."
    first = int(flipping[np.argmax(p.phi[flipping])])
    name, broken = f"layer {first + 1}", p.break_rate[first]
    also = f"but flips {_percent(broken)} of {p.num_controls} equally close correct images too, and"
    if not broken:
        also = f"and none of {p.num_controls} equally close correct images, but"
    sentence = (
        f"{_verb(d)} {name} alone flips the prediction, {also} its φ of {p.phi[first]:.2f} "
        f"{_within(d, first)}, so {name} is not named."
    )
    others = [str(layer + 1) for layer in flipping if layer != first]
    if others:
        layers = "Layer {} flips" if len(others) == 1 else "Layers {} each flip"
        sentence += f" {layers.format(_list(others))} it too, and no more than chance."
    return sentence


def _within(d: Diagnosis, layer: int) -> str:
    """Which of the two bands holds φ back; one does, where a layer is not named."""
    p = d.patching
    if p.phi[layer] <= p.control_high[layer]:
        return f"lies within what chance gives among those (up to {p.control_high[layer]:.2f})"
    return (
        "lies within what arbitrary changes of this image's own statistics give (up to "
        f"{p.donor_high[layer]:.2f})"
    )


def _all_layers(d: Diagnosis) -> str:
    p = d.patching
    start, broken = f"{_verb(d)} all {len(p.phi)} layers at once", _percent(p.break_rate[-1])
    if p.flips[-1]:
        return f"{start} flips it, and {broken} of the equally close correct images too."
    return f"{start} does not flip it; of the equally close correct images it flips {broken}."


def _fixes(d: Diagnosis, layer: int) -> str:
    p = d.patching
    if not p.num_failures:
        return "This network has no failure to repair."
    return (
        f"Of all {p.num_failures} failures of this network, repairing layer {layer + 1} alone puts "
        f"{_percent(p.fix_rate[layer])} right, and all at once {_percent(p.fix_rate[-1])}."
    )


def _verb(d: Diagnosis) -> str:
    return "Repairing" if d.correct is False else "Patching"


def _channels(d: Diagnosis) -> list[str]:
    """D2: the channels that carry the margin, and how much of it others brought about."""
    head = d.head
    largest = np.argsort(-np.abs(head.total), kind="stable")[:NUM_CHANNELS]
    named = _list([f"{c + 1} ({_signed(head.total[c])})" for c in largest])
    start = (
        f"Before the head, channels {named} contribute most: all {len(head.total)} and a constant "
        f"of {_signed(head.bias)} sum to the margin exactly."
    )
    if d.variant.norm == "batch":
        return [f"{start} With batch norm no channel rescales another."]
    return [
        f"{start} Of what sets this image apart from {head.num_references} reference images, "
        f"{_percent(1 - head.rescaling_share)} is each channel's own content and "
        f"{_percent(head.rescaling_share)} rescaling by the other channels of its group."
    ]


def _pixels(d: Diagnosis) -> str:
    if d.variant.norm == "batch":
        return "No pixel acts through the statistics: batch norm uses stored ones."
    return f"{_percent(d.gradient_share)} of the input gradient flows through the statistics."


def _percent(share: float) -> str:
    return "under 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _lower(label: str) -> str:
    return label[0].lower() + label[1:]


def _label(key: object) -> str:
    return _lower(variant_label(key))


def _list(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
