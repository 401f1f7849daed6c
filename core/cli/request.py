"""The options of `train` that make a `TrainingRequest`."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from core.config import NORMS, VARIANTS, Recipe, Variant, get_variant, parse_seeds
from core.errors import UsageError
from core.training.request import TrainingRequest, custom_variant, make_request

NormOption = Annotated[
    str | None, typer.Option(help=f"A variant of one's own: {', '.join(NORMS)}.")
]
GroupOption = Annotated[int | None, typer.Option(help="With --norm group: 1, 2 or 4. Default 2.")]
L1Option = Annotated[float | None, typer.Option(help="With --norm: the λ of the L1 penalty.")]
WeightDecayOption = Annotated[float | None, typer.Option(help="With --norm: the weight decay.")]
BatchSizeOption = Annotated[int | None, typer.Option(help="Default: 64.")]
LearningRateOption = Annotated[float | None, typer.Option(help="In epoch 1. Default: 0.01.")]
MomentumOption = Annotated[float | None, typer.Option(help="Default: 0.9.")]
StepSizeOption = Annotated[int | None, typer.Option(help="Epochs of one rate. Default: 6.")]
GammaOption = Annotated[float | None, typer.Option(help="Factor to the next. Default: 0.1.")]
RotationOption = Annotated[float | None, typer.Option(help="Degrees either way. Default: 15.")]
NameOption = Annotated[str, typer.Option(help="A name for these runs.")]
NoteOption = Annotated[str, typer.Option(help="A note on them.")]

RECIPE_OPTIONS = {
    "batch_size": "batch_size",
    "learning_rate": "learning_rate",
    "momentum": "momentum",
    "step_size": "step_size",
    "gamma": "gamma",
    "rotation": "rotation_degrees",
}
CUSTOM_OPTIONS = {
    "channels_per_group": "channels_per_group",
    "l1": "l1_weight",
    "weight_decay": "weight_decay",
}


def request_from_options(options: dict[str, Any]) -> TrainingRequest:
    """The request that `train` was given, by the names of its parameters.

    `UsageError` names the option that is not possible.
    """
    try:
        return make_request(
            options["dataset"],
            _choose_variants(options),
            epochs=options["epochs"],
            seeds=tuple(parse_seeds(options["seeds"])),
            recipe=Recipe(**_given(options, RECIPE_OPTIONS)),
            device=options["device"],
            name=options["name"],
            note=options["note"],
        )
    except UsageError as error:
        raise UsageError(_with_options(str(error))) from error


def _choose_variants(options: dict[str, Any]) -> list[str | Variant]:
    names, norm = options["variants"] or [], options["norm"]
    custom = _given(options, CUSTOM_OPTIONS)
    if norm is None and custom:
        raise UsageError(f"{next(iter(custom))} is given without --norm: name the norm too.")
    if (options["all_variants"] and names) or not (options["all_variants"] or names or norm):
        raise UsageError(
            f"Name variants ({', '.join(VARIANTS)}) or give --all, one of the two; --norm makes "
            "one of your own."
        )
    if norm in NORMS and norm != "group" and "channels_per_group" in custom:
        raise UsageError(f"--channels-per-group means nothing to --norm {norm}: leave it out.")
    chosen: list[str | Variant] = [get_variant(name).key for name in names]
    chosen += VARIANTS if options["all_variants"] else []
    return [*chosen, *([custom_variant(norm, **custom)] if norm else [])]


def _given(options: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {field: options[name] for name, field in names.items() if options[name] is not None}


def _with_options(message: str) -> str:
    """The message with the option in place of the field that it begins with or speaks of."""
    for option, field in {**RECIPE_OPTIONS, **CUSTOM_OPTIONS, "name": "name"}.items():
        written = "--" + option.replace("_", "-")
        message = re.sub(rf"(?<![-\w]){field}(?= is | must | lie)", written, message)
    return message
