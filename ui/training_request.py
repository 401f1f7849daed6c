"""What the training form holds, as a `TrainingRequest`, and what it says of it in words.

Needs neither Streamlit nor torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.config import VARIANTS, Recipe, Variant, parse_seeds
from core.errors import UsageError
from core.training.estimate import Estimate
from core.training.job import Job
from core.training.request import (
    TrainingRequest,
    custom_variant,
    make_request,
    variant_key,
)
from ui.durations import duration

LABELS = {
    "seeds": "Seeds",
    "seed": "Seed",
    "epochs": "Epochs",
    "batch_size": "Batch size",
    "learning_rate": "Learning rate",
    "momentum": "Momentum",
    "gamma": "Gamma",
    "step_size": "Step size",
    "rotation_degrees": "Rotation",
    "l1_weight": "L1 penalty λ",
    "weight_decay": "Weight decay",
    "channels_per_group": "Channels per group",
    "name": "Name",
    "note": "Note",
}
"""What the form calls a field."""

RECIPE = ("batch_size", "learning_rate", "momentum", "gamma", "step_size", "rotation_degrees")
"""The fields of the recipe that can be chosen, in the order of the form."""


def published_recipe() -> dict[str, float]:
    """The published recipe as it stands in the form."""
    return {name: getattr(Recipe, name) for name in RECIPE}


@dataclass(frozen=True)
class FormValues:
    """What stands in the form; a number is None where its field is empty.

    `variants` are names of published ones, `own` those made in the form. `epochs` None leaves each
    variant its own length, `device` None the choice to the trainer.
    """

    dataset: str
    variants: tuple[str, ...] = tuple(VARIANTS)
    own: tuple[Variant, ...] = ()
    seeds: str = "1"
    epochs: int | None = None
    recipe: Mapping[str, float | None] = field(default_factory=published_recipe)
    device: str | None = None
    name: str = ""
    note: str = ""

    def request(self) -> TrainingRequest:
        """What Start would train; `UsageError` names the field that is not possible."""
        if not (self.variants or self.own):
            raise UsageError("No variant is chosen: choose at least one, or add one of your own.")
        if not self.seeds.strip():
            raise _is_empty("seeds", "write 1, 1-3 or 1,4")
        chosen = [key for key in VARIANTS if key in self.variants]
        try:
            return make_request(
                self.dataset,
                [*chosen, *self.own],
                epochs=self.epochs,
                seeds=tuple(parse_seeds(self.seeds)),
                recipe=self._recipe(),
                device=self.device,
                name=self.name.strip(),
                note=self.note.strip(),
            )
        except UsageError as error:
            raise UsageError(in_form_words(str(error))) from error

    def _recipe(self) -> Recipe:
        found: dict[str, Any] = dict(self.recipe)
        for name, number in found.items():
            if number is None:
                raise _is_empty(name, f"the published recipe has {getattr(Recipe, name):g}")
        return Recipe(**found)


def own_variant(
    norm: str, channels_per_group: int, l1_weight: float | None, weight_decay: float | None
) -> Variant:
    """A variant made in the form, which is the published one if there is one with its settings.

    `UsageError` names the field that is not possible.
    """
    if l1_weight is None or weight_decay is None:
        raise _is_empty("l1_weight" if l1_weight is None else "weight_decay", "0 takes it away")
    try:
        made = custom_variant(
            norm,
            channels_per_group=channels_per_group if norm == "group" else 2,
            l1_weight=float(l1_weight),
            weight_decay=float(weight_decay),
        )
    except UsageError as error:
        raise UsageError(in_form_words(str(error))) from error
    return VARIANTS.get(variant_key(made, Recipe()), made)


def in_form_words(message: str) -> str:
    """A message of the core with the form's names in place of the fields'."""

    def label(match: re.Match) -> str:
        return _in_sentence(match[0]) if match.start() else LABELS[match[0]]

    known = "|".join(sorted(LABELS, key=len, reverse=True))
    return re.sub(rf"(?<![-\w])({known})(?= is | must | be )", label, message)


def _is_empty(name: str, cure: str) -> UsageError:
    verb = "are" if name == "seeds" else "is"
    return UsageError(f"{LABELS[name]} {verb} empty: {cure}.")


def differences(request: TrainingRequest) -> str:
    """In what a request differs from the published recipe, in one sentence; "" if in nothing."""
    usual, recipe = Recipe(), request.recipe
    changed = [
        f"{_in_sentence(name)} {getattr(recipe, name):g} instead of {getattr(usual, name):g}"
        for name in RECIPE
        if getattr(recipe, name) != getattr(usual, name)
    ]
    changed += _length_words(request.variants)
    return f"Otherwise than published: {', '.join(changed)}." if changed else ""


def _length_words(variants: Iterable[Variant]) -> list[str]:
    """In what the length differs from that of the published variants with the same settings."""
    asked: set[int] = set()
    usual: set[int] = set()
    for variant in variants:
        published = VARIANTS.get(variant_key(variant, Recipe()), variant)
        if published.epochs != variant.epochs:
            asked.add(variant.epochs)
            usual.add(published.epochs)
    words = [" or ".join(map(str, sorted(lengths))) for lengths in (asked, usual)]
    return [f"{words[0]} epochs instead of {words[1]}"] if asked else []


def _in_sentence(name: str) -> str:
    label = LABELS[name]
    return label[0].lower() + label[1:]


def cost_words(found: Estimate | None) -> str:
    """How long a request takes, and what that is judged by."""
    if found is None:
        return "How long it takes cannot be said before something was trained on this device."
    return f"Takes about {duration(found.seconds)}, {found.source}."


def turn_words(living: Sequence[Job], seconds: float | None) -> str:
    """When a new job would begin, `seconds` being how long those before it will still take."""
    if not living:
        return "It starts at once."
    numbers = [str(job.id) for job in living]
    before = f"job {numbers[0]} has"
    if len(numbers) > 1:
        before = f"jobs {', '.join(numbers[:-1])} and {numbers[-1]} have"
    when = f", in about {duration(seconds)}" if seconds is not None else ""
    return f"It starts when {before} ended{when}."
