"""Which differences `compare_pairs` resolved, and how large one must be, in sentences. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from core.analysis.significance import FEW_SEEDS

ONE_SEED_NOTE = (
    "With one seed each this compares trained networks (checkpoints), not methods: "
    "another seed can give another order."
)
SEVERAL_SEEDS_NOTE = "With several seeds each this compares methods, over seeds and images."
SOME_ONE_SEED_NOTE = (
    "Pairs in which a variant has one seed compare trained networks (checkpoints), of the same "
    "seed if both have it, where another seed can give another order; the others compare methods, "
    "over seeds and images."
)
FEW_SEEDS_NOTE = (
    f"With fewer than {FEW_SEEDS} seeds it is hardly known how much seeds differ: only large "
    "differences can be resolved, and if a variant varies much between seeds even these may be "
    "chance."
)
NUM_NAMED = 3


def resolution_sentence(pairs: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """Plain sentences: how many differences are resolved and which, and how large one must be.

    `pairs` comes from `compare_pairs`; `labels` maps each variant to its name in words.
    """
    if pairs.empty:
        return "A comparison needs at least two variants."
    resolved = pairs[pairs["resolved"]]
    sentences = [_count_resolved(len(resolved), len(pairs)), _name_resolved(resolved, labels)]
    others = len(pairs) - len(resolved)
    if others and len(resolved):
        sentences.append(f"As far as these numbers tell, the other {others} may be chance.")
    sentences += [_smallest_resolvable(pairs), *_scope(pairs)]
    return " ".join(sentence for sentence in sentences if sentence)


def _count_resolved(num_resolved: int, num_pairs: int) -> str:
    if num_pairs == 1:
        return f"The difference in accuracy is {'resolved' if num_resolved else 'not resolved'}."
    if num_resolved == 0:
        return (
            f"None of the {num_pairs} differences in accuracy is resolved: "
            "as far as these numbers tell, they may be chance."
        )
    verb = "is" if num_resolved == 1 else "are"
    return f"{num_resolved} of the {num_pairs} differences in accuracy {verb} resolved."


def _name_resolved(resolved: pd.DataFrame, labels: Mapping[str, str]) -> str:
    """The largest resolved differences by name, better variant first; "" if there is none."""
    if resolved.empty:
        return ""
    largest_first = resolved["difference_percent"].abs().sort_values(ascending=False).index
    rows = resolved.loc[largest_first].head(NUM_NAMED).to_dict("records")
    parts = [_name_difference(row, labels) for row in rows]
    if len(resolved) > NUM_NAMED:
        parts.append(f"and {len(resolved) - NUM_NAMED} more")
    return "More accurate: " + "; ".join(parts) + "."


def _name_difference(row: dict, labels: Mapping[str, str]) -> str:
    better, worse = (row["a"], row["b"]) if row["difference_percent"] > 0 else (row["b"], row["a"])
    points = abs(row["difference_percent"])
    low, high = sorted((abs(row["low_percent"]), abs(row["high_percent"])))
    return (
        f"{labels[better]} than {labels[worse]} by {points:.2f} percentage points "
        f"({low:.2f} to {high:.2f})"
    )


def _smallest_resolvable(pairs: pd.DataFrame) -> str:
    num_images = int(pairs["num_images"].iloc[0])
    low, high = (math.ceil(x) for x in (pairs["resolvable_errors"].agg(["min", "max"])))
    images = f"{low}" if low == high else f"{low} to {high}"
    percent = " to ".join(f"{100 * x / num_images:.2f}" for x in sorted({low, high}))
    return (
        f"To be resolved, a difference must reach about {images} of the {num_images:,} test images "
        f"({percent} percentage points)."
    )


def _scope(pairs: pd.DataFrame) -> list[str]:
    num_seeds = pairs["num_seeds"][pairs["num_seeds"] > 1]
    if num_seeds.empty:
        return [ONE_SEED_NOTE]
    note = SEVERAL_SEEDS_NOTE if len(num_seeds) == len(pairs) else SOME_ONE_SEED_NOTE
    return [note, *([FEW_SEEDS_NOTE] if num_seeds.min() < FEW_SEEDS else [])]
