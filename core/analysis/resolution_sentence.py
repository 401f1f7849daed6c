"""Which differences `compare_pairs` resolved, and how large one must be, in sentences. No torch.

What was trained for another length than the recipe's is not judged: that alone may differ so much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from core.analysis.significance import FEW_SEEDS
from core.config import Recipe, Variant, has_published_length

Made = tuple[Variant, Recipe]
"""How the runs of a variant were made, all of them alike."""

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
SEVERAL_THINGS_NOTE = "Where several things differ, this is no finding on one of them alone."
RESOLVED_IS = "that is, larger than chance"
NUM_NAMED = 3


def judged(pairs: pd.DataFrame, made: Mapping[str, Made]) -> pd.DataFrame:
    """`pairs` with the column `unequal_lengths`; what is so is never `resolved`.

    It is where the two were `made` with different numbers of epochs that are not both published.
    """
    unequal = [_is_unequal(row["a"], row["b"], made) for row in pairs.to_dict("records")]
    frame = pairs.assign(unequal_lengths=pd.Series(unequal, pairs.index, dtype=bool))
    return frame.assign(resolved=frame["resolved"] & ~frame["unequal_lengths"])


def _is_unequal(a: str, b: str, made: Mapping[str, Made]) -> bool:
    if a not in made or b not in made or made[a][0].epochs == made[b][0].epochs:
        return False
    return not (_has_published_length(a, made) and _has_published_length(b, made))


def _has_published_length(key: str, made: Mapping[str, Made]) -> bool:
    return has_published_length(key, made[key][0].epochs)


def resolution_sentence(
    pairs: pd.DataFrame, labels: Mapping[str, str], made: Mapping[str, Made] | None = None
) -> str:
    """Plain sentences: how many differences are resolved and which, and how large one must be.

    `pairs` comes from `compare_pairs`; `labels` maps each variant to its name in words, `made` to
    how it was trained: what else differs between two than their normalization is said with it.
    """
    if pairs.empty:
        return "A comparison needs at least two variants."
    made = made or {}
    pairs = judged(pairs, made)
    lengths = _unequal_lengths(pairs, labels, made)
    pairs, others = pairs[~pairs["unequal_lengths"]], int(pairs["unequal_lengths"].sum())
    if pairs.empty:
        what = "difference" if others == 1 else f"{others} differences"
        return f"The {what} in accuracy may come from the length of training alone. {lengths}"
    resolved = pairs[pairs["resolved"]]
    chance = len(pairs) - len(resolved)
    sentences = [
        _count_resolved(len(resolved), len(pairs), "comparable " * bool(others)),
        _name_resolved(resolved, labels, made),
        f"As far as these numbers tell, the other {chance} may be chance."
        if chance and len(resolved)
        else "",
        lengths,
        _smallest_resolvable(pairs),
        *_scope(pairs),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _unequal_lengths(
    pairs: pd.DataFrame, labels: Mapping[str, str], made: Mapping[str, Made]
) -> str:
    """Names the lengths that are not those published; "" if these make no pair unequal."""
    unequal = pairs[pairs["unequal_lengths"]]
    if unequal.empty:
        return ""
    shown = dict.fromkeys([*unequal["a"], *unequal["b"]])
    odd: dict[int, list[str]] = {}
    usual: set[int] = set()
    for key in shown:
        if _has_published_length(key, made):
            usual.add(made[key][0].epochs)
        else:
            odd.setdefault(made[key][0].epochs, []).append(labels[key])
    parts = [f"{_listed(odd[epochs])} for {epochs}" for epochs in sorted(odd)]
    if usual:
        names = [labels[key] for key in shown if _has_published_length(key, made)]
        who = names[0] if len(names) == 1 else "the others"
        parts.append(f"{who} for {' or '.join(map(str, sorted(usual)))}")
    what = "the difference, which says"
    if len(pairs) > 1:
        what = f"{len(unequal)} of the differences, which say{'s' * (len(unequal) == 1)}"
    return (
        f"Trained for different numbers of epochs ({', '.join(parts)}): "
        f"this alone may make {what} nothing on methods."
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _count_resolved(num_resolved: int, num_pairs: int, which: str) -> str:
    if num_pairs == 1:
        one = f"The {'one ' * bool(which)}{which}difference in accuracy is"
        if num_resolved:
            return f"{one} resolved, {RESOLVED_IS}."
        return f"{one} not resolved: as far as these numbers tell, it may be chance."
    if num_resolved == 0:
        return (
            f"None of the {num_pairs} {which}differences in accuracy is resolved: "
            "as far as these numbers tell, they may be chance."
        )
    verb = "is" if num_resolved == 1 else "are"
    of = f"{num_resolved} of the {num_pairs} {which}differences in accuracy"
    return f"{of} {verb} resolved, {RESOLVED_IS}."


def _name_resolved(
    resolved: pd.DataFrame, labels: Mapping[str, str], made: Mapping[str, Made]
) -> str:
    """The largest resolved differences by name, better variant first; "" if there is none."""
    if resolved.empty:
        return ""
    largest_first = resolved["difference_percent"].abs().sort_values(ascending=False).index
    rows = resolved.loc[largest_first].to_dict("records")
    parts = [_name_difference(row, labels) + _as_well(row, made) for row in rows[:NUM_NAMED]]
    if len(rows) > NUM_NAMED:
        parts.append(f"and {len(rows) - NUM_NAMED} more")
    note = f" {SEVERAL_THINGS_NOTE}" if any(_as_well(row, made) for row in rows) else ""
    return f"More accurate: {'; '.join(parts)}.{note}"


def _as_well(row: dict, made: Mapping[str, Made]) -> str:
    """In what two variants differ if it is more than one thing."""
    if row["a"] not in made or row["b"] not in made:
        return ""
    first, *others = _differing(made[row["a"]], made[row["b"]]) or [""]
    return f", which differ in {_listed(others)} as well as in {first}" if others else ""


def _differing(one: Made, other: Made) -> list[str]:
    (a, recipe_of_a), (b, recipe_of_b) = one, other
    found = {
        "normalization": (a.norm, a.num_groups) != (b.norm, b.num_groups),
        "L1": a.l1_weight != b.l1_weight,
        "weight decay (L2)": a.weight_decay != b.weight_decay,
        "epochs": a.epochs != b.epochs,
        "recipe": recipe_of_a != recipe_of_b,
    }
    return [name for name, differs in found.items() if differs]


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
