"""What variants beyond the six are called and how they look: trained here, so known only then.

The run folder belongs to the process, and so do these names: every page and session finds them in
`core.config.VARIANT_LABELS` and `ui.palette`. No streamlit.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from core.config import VARIANT_LABELS, VARIANTS, Recipe, describe_variant
from core.training.runs import Run
from ui.palette import VARIANT_COLORS, give_look

_ONE_AT_A_TIME = threading.Lock()
"""Of the pages that are drawn at once, so that none gives a colour another has just given."""
KNOWN_NAMES = {VARIANT_LABELS[key] for key in VARIANTS}


def register(runs: Iterable[Run]) -> None:
    """Gives each variant in `runs` beyond the six a name, a colour and a shape.

    Colours go by when a variant was first trained; a variant keeps its own as long as the app runs.
    """
    groups: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: (str(run.info.get("created", "")), run.name)):
        if run.variant and run.variant.key not in VARIANTS:
            groups.setdefault(run.variant.key, []).append(run)
    VARIANT_LABELS.update(names(groups))
    with _ONE_AT_A_TIME:
        for key in groups:
            if key not in VARIANT_COLORS:
                give_look(key)


def names(groups: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    """A name for each variant's runs that no other has: the title they share, or their settings."""
    titles = {key: _title(runs) for key, runs in groups.items()}
    counts = Counter(titles.values())
    found: dict[str, str] = {}
    for key, runs in groups.items():
        title = titles[key]
        own = title and counts[title] == 1 and title not in KNOWN_NAMES
        name = title if own else describe(runs[0])
        taken = {*KNOWN_NAMES, *found.values()}
        found[key] = f"{name}, {key}" if name in taken else name
    return found


def _title(runs: Sequence[Run]) -> str:
    titles = {run.title for run in runs}
    return titles.pop() if len(titles) == 1 else ""


def describe(run: Run) -> str:
    """Its variant in words, with all in which it and its recipe are unusual."""
    if run.variant is None:
        return run.name
    name, _, unusual = describe_variant(run.variant).removesuffix(")").partition(" (")
    parts = [*filter(None, [unusual]), *unusual_recipe(Recipe(**run.info["recipe"]))]
    return f"{name} ({', '.join(parts)})" if parts else name


def unusual_recipe(recipe: Recipe) -> list[str]:
    """In which settings a recipe differs from the published one."""
    usual = Recipe()
    words = {
        "batch_size": f"batches of {recipe.batch_size}",
        "learning_rate": f"learning rate {recipe.learning_rate:g}",
        "momentum": f"momentum {recipe.momentum:g}",
        "gamma": f"× {recipe.gamma:g} every {recipe.step_size} epochs",
        "rotation_degrees": f"rotation up to ±{recipe.rotation_degrees:g}°",
        "fill": f"fill {recipe.fill}",
    }
    changed = {name for name in vars(usual) if getattr(recipe, name) != getattr(usual, name)}
    changed |= {"gamma"} if "step_size" in changed else set()
    return [text for name, text in words.items() if name in changed]
