"""The variants and the recipe they share, as frozen, validated data.

A variant is a normalization layer plus regularization; everything else about the network and its
training is the same for all of them, so that a difference between two variants is a difference
between their normalizations or penalties.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from core.errors import UsageError

NORMS = ("batch", "group", "layer")
NORM_LABELS = {norm: f"{norm.capitalize()} norm" for norm in NORMS}
NORM_SHORT = {"batch": "bn", "group": "gn", "layer": "ln"}
CONV_CHANNELS = (8, 8, 12, 12, 12, 12, 16)
"""Output channels of the seven convolutions, each of which is followed by a normalization layer."""

NUM_CLASSES = 10
IMAGE_SIZE = 28
DEVICE_TYPES = ("cuda", "mps", "xpu", "cpu")
"""What can train, in order of preference."""

MAX_EPOCHS = 1_000
MAX_SEED = 2**31 - 1
MAX_SEEDS = 1_000


def check_epochs(epochs: int) -> None:
    """Raises `UsageError` unless 1 ≤ epochs ≤ 1,000."""
    if not 1 <= epochs <= MAX_EPOCHS:
        raise UsageError(f"epochs is {epochs}: it must lie in 1 to {MAX_EPOCHS}.")


@dataclass(frozen=True)
class Variant:
    """One cell of norm × L1 × L2 × channels per group.

    `l1_weight` is the λ of λ·Σ|p| over all parameters, `weight_decay` the optimizer's, `epochs` the
    length of the full recipe. `channels_per_group` matters for group normalization only.

    Raises `UsageError` for a key that names no folder, an unknown norm or a value out of range.
    """

    key: str
    norm: str
    l1_weight: float = 0.0
    weight_decay: float = 0.0
    epochs: int = 20
    channels_per_group: int = 2

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_]{1,40}", self.key):
            raise UsageError(f"key {self.key!r} is not possible: use a to z, 0 to 9 and _.")
        if self.norm not in NORMS:
            raise UsageError(f"Unknown norm {self.norm!r}: choose one of {', '.join(NORMS)}.")
        for name in ("l1_weight", "weight_decay"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value < 1):
                raise UsageError(f"{name} is {value}: it must lie in [0, 1).")
        check_epochs(self.epochs)
        if self.norm == "group":
            self._check_groups()

    def _check_groups(self) -> None:
        per_group = self.channels_per_group
        if per_group < 1 or any(channels % per_group for channels in CONV_CHANNELS):
            raise UsageError(
                f"channels_per_group is {per_group}: it must divide the channels of every "
                f"convolution ({', '.join(map(str, sorted(set(CONV_CHANNELS))))}), so 1, 2 or 4."
            )

    @property
    def num_groups(self) -> tuple[int, ...] | None:
        """Groups of each of the seven normalization layers; None for batch normalization."""
        if self.norm == "batch":
            return None
        return tuple(
            1 if self.norm == "layer" else channels // self.channels_per_group
            for channels in CONV_CHANNELS
        )

    @property
    def label(self) -> str:
        """Its name in words, such as "Batch norm + L1"."""
        parts = [NORM_LABELS[self.norm]]
        parts += ["L1"] if self.l1_weight else []
        parts += ["L2"] if self.weight_decay else []
        return " + ".join(parts)


@dataclass(frozen=True)
class Recipe:
    """What all variants share: SGD with StepLR on rotated, normalized images.

    `rotation_degrees` is the largest angle either way; `fill` the 8-bit value of pixels that
    rotation uncovers.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    step_size: int = 6
    gamma: float = 0.1
    batch_size: int = 64
    rotation_degrees: float = 15.0
    fill: int = 1

    def __post_init__(self) -> None:
        if not (math.isfinite(self.learning_rate) and 0 < self.learning_rate <= 10):
            raise UsageError(f"learning_rate is {self.learning_rate}: it must lie in (0, 10].")
        if not (math.isfinite(self.momentum) and 0 <= self.momentum < 1):
            raise UsageError(f"momentum is {self.momentum}: it must lie in [0, 1).")
        if not self.step_size >= 1:
            raise UsageError(f"step_size is {self.step_size}: it must be at least 1.")
        if not 0 < self.gamma <= 1:
            raise UsageError(f"gamma is {self.gamma}: it must lie in (0, 1].")
        if not 2 <= self.batch_size <= 4096:
            raise UsageError(f"batch_size is {self.batch_size}: it must lie in 2 to 4096.")
        if not 0 <= self.rotation_degrees <= 180:
            raise UsageError(
                f"rotation_degrees is {self.rotation_degrees}: it must lie in 0 to 180."
            )
        if not 0 <= self.fill <= 255:
            raise UsageError(f"fill is {self.fill}: it must lie in 0 to 255.")

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of the 1-based `epoch`."""
        return self.learning_rate * self.gamma ** ((epoch - 1) // self.step_size)


VARIANTS: dict[str, Variant] = {
    variant.key: variant
    for variant in (
        Variant("gn", "group", epochs=20),
        Variant("ln", "layer", epochs=20),
        Variant("bn_l1", "batch", l1_weight=5e-5, epochs=20),
        Variant("gn_l1", "group", l1_weight=5e-5, epochs=25),
        Variant("ln_l2", "layer", weight_decay=3e-3, epochs=25),
        Variant("bn_l1_l2", "batch", l1_weight=5e-5, weight_decay=3e-3, epochs=25),
    )
}
"""The six published variants, in the order in which they are always shown."""


def grid(epochs: int = 20) -> list[Variant]:
    """Every norm × {none, L1, L2, L1 + L2}: the twelve cells in which nothing is confounded."""
    return [
        Variant(
            "_".join([NORM_SHORT[norm], *(["l1"] if l1 else []), *(["l2"] if l2 else [])]),
            norm,
            l1_weight=5e-5 * l1,
            weight_decay=3e-3 * l2,
            epochs=epochs,
        )
        for norm, l1, l2 in itertools.product(NORMS, (0, 1), (0, 1))
    ]


def describe_variant(variant: Variant) -> str:
    """Such as "Group norm + L1 (4 channels per group, λ 0.0001)": its label and what is unusual."""
    usual = next((known for known in grid() if known.label == variant.label), None)
    unusual = []
    if variant.norm == "group" and variant.channels_per_group != 2:
        count = variant.channels_per_group
        unusual.append(f"{count} channel{'s' * (count > 1)} per group")
    if usual is None or variant.l1_weight != usual.l1_weight:
        unusual.append(f"λ {variant.l1_weight:g}")
    if usual is None or variant.weight_decay != usual.weight_decay:
        unusual.append(f"weight decay {variant.weight_decay:g}")
    return f"{variant.label} ({', '.join(unusual)})" if unusual else variant.label


def name_variants(variants: Iterable[Variant]) -> dict[str, str]:
    """What each is called, by key: in words, and with its key where that is taken already."""
    found: dict[str, str] = {}
    for variant in variants:
        if variant.key not in found:
            name = describe_variant(variant)
            found[variant.key] = f"{name}, {variant.key}" if name in found.values() else name
    return found


VARIANT_LABELS = name_variants((*VARIANTS.values(), *grid()))
"""What variants are called, by key; `ui.made_here` adds those of one's own that it finds."""


def variant_label(key: object) -> str:
    """The name of a variant in words; its key where nothing is known of it."""
    return VARIANT_LABELS.get(str(key), str(key))


def has_published_length(key: str, epochs: int) -> bool:
    """Whether `epochs` is that of the published variant `key`, or of any where `key` is not one."""
    published = [VARIANTS[key]] if key in VARIANTS else VARIANTS.values()
    return epochs in {variant.epochs for variant in published}


def get_variant(key: str) -> Variant:
    """The published variant of that name; `UsageError` lists the known ones."""
    try:
        return VARIANTS[key]
    except KeyError:
        raise UsageError(f"Unknown variant {key!r}: choose from {', '.join(VARIANTS)}.") from None


def variant_from_dict(fields: dict) -> Variant:
    """The inverse of `variant_to_dict`; `UsageError` or `TypeError` if the fields are not one."""
    return Variant(**{name: value for name, value in fields.items() if name != "num_groups"})


def variant_to_dict(variant: Variant) -> dict:
    """Its fields and `num_groups`, ready for JSON."""
    groups = variant.num_groups
    return {**asdict(variant), "num_groups": list(groups) if groups else None}


def parse_seeds(text: str) -> list[int]:
    """Seeds from "3", "1,2,5" or "1-10", sorted and unique; `UsageError` for anything else."""
    shown = repr(text if len(text) <= 40 else f"{text[:40]}…")
    seeds: set[int] = set()
    for part in text.split(","):
        # Ten digits are enough for MAX_SEED, and int() refuses thousands of them.
        match = re.fullmatch(r"\s*([0-9]{1,10})(?:-([0-9]{1,10}))?\s*", part)
        if match is None:
            raise UsageError(f"Seeds {shown} are not understood: write 3, 1,2,5 or 1-10.")
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low:
            raise UsageError(f"Seeds {shown} are not possible: write {high}-{low}.")
        possible = high <= MAX_SEED and high - low < MAX_SEEDS
        seeds.update(range(low, high + 1) if possible else ())
        if not possible or len(seeds) > MAX_SEEDS:
            raise UsageError(f"Seeds {shown} are not possible: at most {MAX_SEEDS}, to {MAX_SEED}.")
    return sorted(seeds)


def seed_ranges(seeds: Iterable[int]) -> str:
    """Such as "1-3,7", as `parse_seeds` reads it."""
    spans: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if spans and spans[-1][1] == seed - 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return ",".join(f"{low}" if low == high else f"{low}-{high}" for low, high in spans)


def describe_seeds(seeds: Iterable[int]) -> str:
    """Such as "seed 1" or "seeds 1-3, 7"."""
    found = set(seeds)
    return f"seed{'s' * (len(found) > 1)} {seed_ranges(found).replace(',', ', ')}"
