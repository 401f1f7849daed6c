"""The smallest change of a nuisance that repairs an image, or breaks it (diagnostic D3).

N image, C change (one nuisance in one direction), K class. From its neutral value each nuisance is
scanned outwards in `STEPS` equal steps; the first one at which the prediction is right (for a right
image: another) is then halved `HALVINGS` times. An island smaller than a step can be missed, and
behind the change found the prediction may turn again: `Change.lasts` says whether it does.

A wrong image lies near a boundary, so many changes repair it. What a repair is worth shows in its
control: how many correct images with as large a margin the same change breaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from core.analysis.nuisances import NUISANCES, Nuisance
from core.analysis.threads import map_in_threads
from core.data.corruptions import corrupt, to_inputs
from core.data.datasets import DatasetInfo
from core.training.runs import Predictions

STEPS = 8
HALVINGS = 4
NUM_CONTROLS = 50
BATCH_SIZE = 250


@dataclass(frozen=True)
class Change:
    """One nuisance in one `direction`, -1 or 1, under one variant.

    `severity` is None where nothing within the range turns the prediction; `predicted` is what the
    network says there, `image` (28, 28) float32 in [0, 1] what it then sees, and `lasts` whether
    the prediction stays turned up to the end of the range. `broken` of `num_controls` equally
    close correct images change their prediction under it.
    """

    variant: str
    nuisance: Nuisance
    direction: int
    severity: float | None = None
    predicted: int | None = None
    lasts: bool | None = None
    image: np.ndarray | None = None
    broken: int = 0
    num_controls: int = 0

    @property
    def change(self) -> float | None:
        """The severity less the neutral one."""
        return None if self.severity is None else self.severity - self.nuisance.neutral

    @property
    def broken_share(self) -> float | None:
        """The share of the controls that the change breaks; None without controls."""
        return self.broken / self.num_controls if self.num_controls else None

    @property
    def steps(self) -> np.ndarray:
        """Severities (STEPS,) of the scan, outwards."""
        return np.linspace(self.nuisance.neutral, self.nuisance.ends[self.direction], STEPS + 1)[1:]

    @property
    def resolution(self) -> float:
        """How far the severity can lie above the smallest one of its step."""
        end = self.nuisance.ends[self.direction]
        return abs(end - self.nuisance.neutral) / STEPS / 2**HALVINGS


@dataclass(frozen=True, eq=False)
class Controls:
    """Correct test images (N, 28, 28) uint8 about as close to the boundary, and their classes."""

    images: np.ndarray
    predicted: np.ndarray


def nearest_controls(
    predictions: Predictions,
    images: np.ndarray,
    margin: float,
    without: int | None,
    num: int = NUM_CONTROLS,
) -> Controls:
    """The `num` correct test images whose margin, predicted less runner-up, is nearest `margin`.

    `images` (N, 28, 28) uint8 are those of `predictions`; the one at `without` is left out.
    """
    top = np.sort(predictions.logits, axis=1)
    distance = np.abs(top[:, -1] - top[:, -2] - margin)
    distance[predictions.predicted != predictions.targets] = np.inf
    if without is not None:
        distance[without] = np.inf
    nearest = np.argsort(distance, kind="stable")[:num]
    nearest = nearest[np.isfinite(distance[nearest])]
    return Controls(images[nearest], predictions.predicted[nearest])


def margin_to_turn(logits: np.ndarray, true: int | None) -> float:
    """How far logits (K,) are from turning: predicted less true where wrong, else runner-up."""
    predicted = int(logits.argmax())
    other = true if true not in (None, predicted) else int(np.argsort(logits)[-2])
    return float(logits[predicted] - logits[other])


@dataclass(frozen=True, eq=False)
class Question:
    """An image (28, 28) uint8 that is changed, its true class if known, and its test index."""

    image: np.ndarray
    true: int | None
    info: DatasetInfo
    index: int = 0

    def changed(self, sides: Sequence[Change], severities: np.ndarray) -> Tensor:
        """The image at the severity of each side: (C, 28, 28) float32."""
        pixels = torch.tensor(self.image)[None]
        parts = [
            corrupt(pixels, s.nuisance.key, v, mean=self.info.mean, indices=[self.index])
            for s, v in zip(sides, severities.tolist(), strict=True)
        ]
        return torch.cat(parts)


def find_changes(
    networks: Mapping[str, nn.Module],
    question: Question,
    controls: Mapping[str, Controls] | None = None,
    nuisances: Sequence[Nuisance] = tuple(NUISANCES.values()),
) -> list[Change]:
    """D3 of one image under every network (variant → network in evaluation mode, not changed).

    A wrong prediction is to become right; a right one, or one of unknown truth, another. One
    `Change` per variant, nuisance and direction, in this order.
    """
    sides = [Change("", nuisance, way) for nuisance in nuisances for way in nuisance.ends]
    scan = np.array([side.steps for side in sides])
    pixels = question.changed([s for s in sides for _ in range(STEPS)], scan.ravel())
    unchanged = torch.tensor(question.image)[None].float().div(255)

    def find(key: str) -> list[Change]:
        network = networks[key]
        said = _predict(network, torch.cat([unchanged, pixels]), question.info)
        goal = _Goal(int(said[0]), question.true)
        turned = goal.reached(said[1:]).reshape(scan.shape)
        found = [replace(side, variant=key) for side in sides]
        found = _smallest(network, question, goal, found, turned)
        return found if controls is None else _control(network, found, controls[key], question)

    return [change for found in map_in_threads(find, networks) for change in found]


@dataclass(frozen=True)
class _Goal:
    """What a change is to bring about."""

    before: int
    true: int | None

    def reached(self, predicted: np.ndarray) -> np.ndarray:
        if self.true in (None, self.before):
            return predicted != self.before
        return predicted == self.true


@torch.inference_mode()
def _predict(network: nn.Module, pixels: Tensor, info: DatasetInfo) -> np.ndarray:
    """Predicted classes (N,) of pixels (N, 28, 28)."""
    batches = to_inputs(pixels, info.mean, info.std).split(BATCH_SIZE)
    return torch.cat([network(batch).argmax(1) for batch in batches]).numpy()


def _smallest(
    network: nn.Module,
    question: Question,
    goal: _Goal,
    sides: list[Change],
    turned: np.ndarray,
) -> list[Change]:
    """The changes completed where the scan `turned` (C, STEPS) the prediction somewhere."""
    some = np.flatnonzero(turned.any(axis=1))
    if not len(some):
        return sides
    found, first = [sides[row] for row in some], turned[some].argmax(axis=1)
    scan = np.array([[side.nuisance.neutral, *side.steps] for side in found])
    inner, outer = (scan[range(len(some)), first + offset] for offset in (0, 1))
    for _ in range(HALVINGS):
        middle = (inner + outer) / 2
        good = goal.reached(_predict(network, question.changed(found, middle), question.info))
        inner, outer = np.where(good, inner, middle), np.where(good, middle, outer)
    images = question.changed(found, outer)
    predicted = _predict(network, images, question.info)
    completed = list(sides)
    for place, row in enumerate(some):
        completed[row] = replace(
            sides[row],
            severity=float(outer[place]),
            predicted=int(predicted[place]),
            lasts=bool(turned[row, first[place] :].all()),
            image=images[place].numpy(),
        )
    return completed


def _control(
    network: nn.Module, changes: list[Change], controls: Controls, question: Question
) -> list[Change]:
    """The changes with how many of the controls they break."""
    pixels, num = torch.tensor(controls.images), len(controls.images)
    mean = question.info.mean
    found = [c for c in changes if c.severity is not None]
    if not found or not num:
        return changes
    batch = torch.cat([corrupt(pixels, c.nuisance.key, c.severity, mean=mean) for c in found])
    said = _predict(network, batch, question.info).reshape(len(found), num)
    broken = iter((said != controls.predicted).sum(axis=1).tolist())
    return [
        c if c.severity is None else replace(c, broken=next(broken), num_controls=num)
        for c in changes
    ]
