"""Which output of the network is explained: one logit, or the difference of two. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.config import NUM_CLASSES
from core.errors import UsageError

DEFAULT_TARGET = "pred_minus_true"


@dataclass(frozen=True)
class Target:
    """The scalar f that is explained: weights · logits.

    `weights` has one value per class: 1 at `positive`, −1 at `negative` (if there is one), else 0.
    `text` says in words what is explained; `spec` is what was asked for.
    """

    spec: str
    weights: tuple[float, ...]
    positive: int
    negative: int | None
    text: str


def resolve_target(
    spec: str, logits: np.ndarray, true: int | None, class_names: Sequence[str]
) -> Target:
    """The target that `spec` means for an image with these logits (K,) and that true class.

    "pred_minus_true" (where the network is right or `true` is None: predicted minus runner-up),
    "pred", "true", a class such as "5", or two such as "5-3". Raises `UsageError` for anything
    else, and for "true" where it is unknown.
    """
    predicted, runner_up = (int(k) for k in np.argsort(-logits, kind="stable")[:2])
    if spec == DEFAULT_TARGET:
        if true is None:
            why = "predicted minus runner-up, as the true class is unknown"
            return _target(spec, predicted, runner_up, class_names, why)
        if true == predicted:
            why = "predicted minus runner-up, as the prediction is right"
            return _target(spec, predicted, runner_up, class_names, why)
        return _target(spec, predicted, true, class_names, "predicted minus true")
    if spec == "pred":
        return _target(spec, predicted, None, class_names, "predicted")
    if spec == "true":
        if true is None:
            raise UsageError("The true class of this image is unknown: choose another target.")
        return _target(spec, true, None, class_names, "true")
    return _given_classes(spec, class_names)


def _given_classes(spec: str, class_names: Sequence[str]) -> Target:
    match = re.fullmatch(r"([0-9])(?:-([0-9]))?", spec)
    if match is None or match[1] == match[2]:
        raise UsageError(
            f"Unknown target {spec!r}: choose pred_minus_true, pred, true, a class from 0 to "
            f"{NUM_CLASSES - 1}, or two different ones such as 5-3."
        )
    negative = None if match[2] is None else int(match[2])
    return _target(spec, int(match[1]), negative, class_names, "as chosen")


def _target(
    spec: str, positive: int, negative: int | None, class_names: Sequence[str], why: str
) -> Target:
    weights = [0.0] * NUM_CLASSES
    weights[positive] = 1.0
    text = f"logit {class_names[positive]}"
    if negative is not None:
        weights[negative] = -1.0
        text += f" − logit {class_names[negative]}"
    return Target(spec, tuple(weights), positive, negative, f"{text} ({why})")
