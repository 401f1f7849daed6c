"""Which runs may stand in one mean over seeds, and which are left out and why. No streamlit.

A mean over seeds is one of networks that differ in nothing else, so runs of one variant must share
their settings, recipe and number of epochs, and no seed may count twice. Whether a run has ended
makes no difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.config import Recipe, Variant, describe_seeds, has_published_length, variant_label
from core.training.runs import Run

SAME = "the shipped runs have their variant and seed already"
MAX_NAMES = 2
OTHER_LENGTH = "trained for another number of epochs than {others} of the variant"
OTHER_RECIPE = "trained with other settings than {others} of the variant"
NO_MAJORITY = ", whose {epochs} are shown because most runs do not agree"
SHIPPED, MOST, NEWEST = "the shipped runs", "most runs", "the newest run"
NEWEST_WHOLE = "the newest whole run"
CUT_SHORT = ("stopped", "interrupted")


@dataclass(frozen=True)
class Pool:
    """The runs that may be averaged by variant, and those left out as (reason, runs)."""

    runs: tuple[Run, ...]
    left_out: tuple[tuple[str, tuple[Run, ...]], ...] = ()

    def sentences(self) -> list[str]:
        """What was left out and why, one line for each reason."""
        return [f"Left out: {name_runs(runs)}: {reason}." for reason, runs in self.left_out]


def pool(shipped: Sequence[Run], local: Sequence[Run]) -> Pool:
    """All of `shipped`, and of `local`, the runs made here, what fits to them and together.

    What fits together is what most runs of a variant share; if no settings and length are those of
    most, the newest run's.
    """
    kept, left_out = list(shipped), dict[str, list[Run]]()
    for key in dict.fromkeys(_key(run) for run in local):
        theirs = [run for run in shipped if _key(run) == key]
        own = [run for run in local if _key(run) == key]
        standard, others = (theirs[0], SHIPPED) if theirs else _standard(own)
        taken = {run.seed for run in theirs}
        for run in own:
            reason = SAME if run.seed in taken else _difference(run, standard, others)
            if reason:
                left_out.setdefault(reason, []).append(run)
            else:
                kept.append(run)
    return Pool(tuple(kept), tuple((reason, tuple(runs)) for reason, runs in left_out.items()))


def _key(run: Run) -> str:
    return run.variant.key if run.variant else ""


def _settings(run: Run) -> tuple[Variant | None, Recipe]:
    return run.variant, Recipe(**run.info["recipe"])


def _standard(runs: Sequence[Run]) -> tuple[Run, str]:
    """One with the settings and the length that are shown, and what it stands for in words."""
    common, count = Counter(map(_settings, runs)).most_common(1)[0]
    if 2 * count > len(runs):
        return next(run for run in runs if _settings(run) == common), MOST
    whole = [run for run in runs if run.state not in CUT_SHORT]
    newest = max(whole or runs, key=lambda run: (str(run.info.get("created", "")), run.epochs))
    return newest, NEWEST if len(whole) in (0, len(runs)) else NEWEST_WHOLE


def _difference(run: Run, standard: Run, others: str) -> str:
    if run.epochs == standard.epochs:
        alike = _settings(run) == _settings(standard)
        return "" if alike else OTHER_RECIPE.format(others=others)
    why = "" if others in (SHIPPED, MOST) else NO_MAJORITY.format(epochs=standard.epochs)
    return OTHER_LENGTH.format(others=others) + why


def unusual_lengths(runs: Iterable[Run]) -> str:
    """A line that names the runs which are shorter or longer than the published; "" if none is."""
    odd = [run for run in runs if not has_published_length(_key(run), run.epochs)]
    return f"Not of the published length: {name_runs(odd)}." if odd else ""


def name_runs(runs: Iterable[Run]) -> str:
    """Such as "Group norm (seeds 1-2; 5 epochs), Layer norm (seed 1; 20 epochs)".

    What several variants share is said once: "6 variants (seed 1; 12 epochs)".
    """
    groups: dict[tuple[str, int], list[int]] = {}
    for run in runs:
        groups.setdefault((_key(run), run.epochs), []).append(run.seed)
    alike: dict[str, list[str]] = {}
    for (key, epochs), seeds in groups.items():
        words = f"{describe_seeds(seeds)}; {epochs} epoch{'s' * (epochs != 1)}"
        alike.setdefault(words, []).append(variant_label(key))
    return ", ".join(f"{_names(labels)} ({words})" for words, labels in alike.items())


def _names(labels: Sequence[str]) -> str:
    return f"{len(labels)} variants" if len(labels) > MAX_NAMES else " and ".join(labels)


def say_who_is_missing(by_variant: Mapping[str, Sequence[Run]], seed: int) -> str:
    """Which variants have no run of the seed that is asked for; "" if all have one."""
    missing = [
        variant_label(key)
        for key, runs in by_variant.items()
        if all(run.seed != seed for run in runs)
    ]
    return f"Not trained with seed {seed}: {', '.join(missing)}." if missing else ""
