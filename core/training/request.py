"""What a job is to train, validated before anything starts, and the names that its runs get.

A run's folder is named by its variant's key. The twelve cells of `core.config.grid` under the
published recipe have plain keys such as `gn` or `bn_l2`. Everything else (another λ, another number
of channels per group, another recipe) gets the plain part and eight digits of a checksum of all
settings, such as `gn_l1_3f2a90c1`: equal settings share a key, different ones never lie in one
folder. The number of epochs is no part of the key; `run.json` has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from core.config import (
    DEVICE_TYPES,
    MAX_SEED,
    MAX_SEEDS,
    NORM_SHORT,
    VARIANTS,
    Recipe,
    Variant,
    describe_seeds,
    describe_variant,
    get_variant,
    grid,
    variant_from_dict,
    variant_to_dict,
)
from core.data.datasets import DATASETS, get_dataset
from core.errors import UsageError
from core.training.names import run_name
from core.training.storage import sha256

MAX_RUNS = 1_000
MAX_NAME, MAX_NOTE = 60, 1_000
HASH_DIGITS = 8


@dataclass(frozen=True)
class TrainingRequest:
    """One stacked training: every variant with every seed, all with one recipe on one data set.

    Variants get the key that fits them and `recipe`; variants and seeds are made unique, seeds
    sorted. `device` None leaves the choice to the trainer. Raises `UsageError` for anything that
    cannot be trained.
    """

    dataset: str
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...] = (1,)
    recipe: Recipe = Recipe()  # noqa: RUF009 - frozen
    device: str | None = None
    name: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        get_dataset(self.dataset)
        check_types(self.recipe)
        check_label(self.name, self.note)
        if self.device not in (None, "auto", *DEVICE_TYPES):
            known = ", ".join(("auto", *DEVICE_TYPES))
            raise UsageError(f"Unknown device {self.device!r}: choose one of {known}.")
        object.__setattr__(self, "variants", _named(self.variants, self.recipe))
        object.__setattr__(self, "seeds", _checked_seeds(self.seeds))
        if not 1 <= len(self.specs) <= MAX_RUNS:
            raise UsageError(
                f"{len(self.variants)} variants × {len(self.seeds)} seeds are {len(self.specs)} "
                f"runs: choose 1 to {MAX_RUNS}."
            )

    @property
    def specs(self) -> list[tuple[Variant, int]]:
        """The runs as (variant, seed), a variant's seeds side by side."""
        return [(variant, seed) for variant in self.variants for seed in self.seeds]

    @property
    def runs(self) -> tuple[str, ...]:
        """The names of its runs, such as "mnist/gn/seed-1"."""
        return tuple(run_name(self.dataset, variant.key, seed) for variant, seed in self.specs)

    def to_dict(self) -> dict:
        """Ready for JSON."""
        variants = [variant_to_dict(variant) for variant in self.variants]
        return {**asdict(self), "variants": variants, "seeds": list(self.seeds)}

    def summary(self) -> str:
        """What will be trained, in one plain sentence."""
        count = len(self.specs)
        what = ", ".join(describe_variant(variant) for variant in self.variants)
        lengths = sorted({variant.epochs for variant in self.variants})
        epochs = f"{' or '.join(map(str, lengths))} epoch{'s' * (lengths != [1])}"
        return (
            f"{count} run{'s' * (count > 1)} on {DATASETS[self.dataset].label}: {what}; "
            f"{describe_seeds(self.seeds)}; {epochs}; {describe_recipe(self.recipe)}."
        )


def request_from_dict(found: dict) -> TrainingRequest:
    """The inverse of `TrainingRequest.to_dict`; `UsageError` names the field that does not fit."""
    known = [field.name for field in fields(TrainingRequest)]
    if odd := sorted(set(found) - set(known)):
        raise UsageError(f"A request has no {odd[0]!r}: its fields are {', '.join(known)}.")
    try:
        return TrainingRequest(
            **{
                **found,
                "variants": tuple(variant_from_dict(one) for one in found["variants"]),
                "seeds": tuple(found["seeds"]),
                "recipe": Recipe(**found["recipe"]),
            }
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"The request lacks or misspells a field: {error}.") from error


def make_request(
    dataset: str,
    variants: Sequence[str | Variant],
    *,
    epochs: int | None = None,
    **others: Any,
) -> TrainingRequest:
    """A request from names of published variants and custom ones; `epochs` holds for all of them.

    `others` are fields of `TrainingRequest`.
    """
    chosen = [get_variant(one) if isinstance(one, str) else one for one in variants]
    if epochs is not None:
        chosen = [replace(variant, epochs=epochs) for variant in chosen]
    return TrainingRequest(dataset, tuple(chosen), **others)


def custom_variant(
    norm: str,
    *,
    channels_per_group: int = 2,
    l1_weight: float = 0.0,
    weight_decay: float = 0.0,
    epochs: int = 20,
) -> Variant:
    """A variant of one's own; `TrainingRequest` gives it its key."""
    return Variant("custom", norm, l1_weight, weight_decay, epochs, channels_per_group)


def variant_key(variant: Variant, recipe: Recipe) -> str:
    """The key under which a variant trained with `recipe` is kept; see the top of this file."""
    settings = _settings(variant)
    if recipe == Recipe():
        for known in (*VARIANTS.values(), *grid()):
            if _settings(known) == settings:
                return known.key
    plain = "_".join(
        [NORM_SHORT[variant.norm]]
        + ["l1"] * (variant.l1_weight > 0)
        + ["l2"] * (variant.weight_decay > 0)
    )
    numbers = {name: float(value) for name, value in asdict(recipe).items()}
    content = json.dumps([settings, numbers], sort_keys=True)
    return f"{plain}_{sha256(content.encode())[:HASH_DIGITS]}"


def _settings(variant: Variant) -> list:
    """What makes a network of this variant; channels per group matter for group norm only."""
    per_group = variant.channels_per_group if variant.norm == "group" else None
    return [variant.norm, per_group, float(variant.l1_weight), float(variant.weight_decay)]


def _named(variants: tuple[Variant, ...], recipe: Recipe) -> tuple[Variant, ...]:
    named: dict[str, Variant] = {}
    for variant in variants:
        check_types(variant)
        key = variant_key(variant, recipe)
        if named.setdefault(key, replace(variant, key=key)).epochs != variant.epochs:
            raise UsageError(f"{describe_variant(variant)} is asked for with two lengths.")
    return tuple(named.values())


def _checked_seeds(seeds: tuple[int, ...]) -> tuple[int, ...]:
    for seed in seeds:
        if type(seed) is not int or not 0 <= seed <= MAX_SEED:
            raise UsageError(f"seed is {seed!r}: it must be a whole number in 0 to {MAX_SEED}.")
    unique = tuple(sorted(set(seeds)))
    if not 1 <= len(unique) <= MAX_SEEDS:
        raise UsageError(f"{len(unique)} seeds are not possible: choose 1 to {MAX_SEEDS}.")
    return unique


def check_types(setting: Variant | Recipe) -> None:
    """`UsageError` unless each field has its type; the ranges are checked by the class itself."""
    for field in fields(setting):
        value = getattr(setting, field.name)
        wanted = {"int": (int,), "float": (int, float), "str": (str,)}[str(field.type)]
        if type(value) not in wanted:
            raise UsageError(f"{field.name} is {value!r}: it must be of type {field.type}.")


def check_label(name: str, note: str) -> None:
    """`UsageError` unless `name` is "" or a short, plain name, and `note` short, printable text."""
    if name and not re.fullmatch(rf"\w[\w .,+=()-]{{0,{MAX_NAME - 1}}}", name):
        shown = name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…"
        raise UsageError(
            f"name is {shown!r}: use at most {MAX_NAME} letters, digits, blanks and . , + = ( ) - "
            "_, a letter or digit first."
        )
    if len(note) > MAX_NOTE or not note.replace("\n", "").isprintable():
        raise UsageError(f"note must be printable and have at most {MAX_NOTE} characters.")


def describe_recipe(recipe: Recipe) -> str:
    """The recipe in words, with a mark if it is not the published one."""
    words = (
        f"batches of {recipe.batch_size}, learning rate {recipe.learning_rate:g}, "
        f"× {recipe.gamma:g} every {recipe.step_size} epochs, momentum {recipe.momentum:g}, "
        f"rotation up to ±{recipe.rotation_degrees:g}°"
    )
    return f"{words} ({'the published' if recipe == Recipe() else 'not the published'} recipe)"
