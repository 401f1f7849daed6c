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

    `before` is what the network says of the unchanged image; `repairs` whether that is wrong, so
    that the change is to make it right. `severity` is None where nothing within the range turns
    the prediction; `predicted` is what the network says there, `image` (28, 28) float32 in [0, 1]
    what it then sees, and `lasts` whether the prediction stays turned up to the end of the range.
    `broken` of `num_controls` equally close correct images change their prediction under it.
    """

    variant: str
    nuisance: Nuisance
    direction: int
    before: int = -1
    repairs: bool = False
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
class Pool:
    """Where controls come from: test images (N, 28, 28) uint8, what each variant says of them."""

    images: np.ndarray
    predictions: Mapping[str, Predictions]

    def nearest(self, variant: str, margin: float, without: int | None) -> np.ndarray:
        """Indices of the correct images whose margin, predicted less runner-up, is nearest."""
        found = self.predictions[variant]
        top = np.sort(found.logits, axis=1)
        distance = np.abs(top[:, -1] - top[:, -2] - margin)
        distance[found.predicted != found.targets] = np.inf
        if without is not None:
            distance[without] = np.inf
        nearest = np.argsort(distance, kind="stable")[:NUM_CONTROLS]
        return nearest[np.isfinite(distance[nearest])]


@dataclass(frozen=True, eq=False)
class ChangedImage:
    """An image (28, 28) uint8 that is changed, its true class if known, and its test index."""

    image: np.ndarray
    true: int | None
    info: DatasetInfo
    index: int | None = None

    def changed(self, sides: Sequence[Change], severities: np.ndarray) -> Tensor:
        """The image at the severity of each side: (C, 28, 28) float32."""
        pixels = torch.tensor(self.image)[None]
        parts = [
            corrupt(pixels, s.nuisance.key, v, mean=self.info.mean, indices=[self.index or 0])
            for s, v in zip(sides, severities.tolist(), strict=True)
        ]
        return torch.cat(parts)


def find_changes(
    networks: Mapping[str, nn.Module],
    image: ChangedImage,
    pool: Pool | None = None,
    nuisances: Sequence[Nuisance] = tuple(NUISANCES.values()),
) -> list[Change]:
    """D3 of one image under every network (variant → network in evaluation mode, not changed).

    A wrong prediction is to become right; a right one, or one of unknown truth, another. One
    `Change` per variant, nuisance and direction, in this order; without a `pool` no controls.
    """
    sides = [Change("", nuisance, way) for nuisance in nuisances for way in nuisance.ends]
    scan = np.array([side.steps for side in sides])
    pixels = image.changed([s for s in sides for _ in range(STEPS)], scan.ravel())
    unchanged = torch.tensor(image.image)[None].float().div(255)

    def find(key: str) -> list[Change]:
        network = networks[key]
        logits = _logits(network, torch.cat([unchanged, pixels]), image.info)
        goal = _Goal(int(logits[0].argmax()), image.true)
        turned = goal.reached(logits[1:].argmax(1)).reshape(scan.shape)
        begun = [
            replace(side, variant=key, before=goal.before, repairs=goal.repairs) for side in sides
        ]
        found = _smallest(network, image, goal, begun, turned)
        if pool is None:
            return found
        index = pool.nearest(key, goal.margin(logits[0]), image.index)
        return _control(network, found, pool.images[index], image.info)

    return [change for found in map_in_threads(find, networks) for change in found]


@dataclass(frozen=True)
class _Goal:
    """What a change is to bring about."""

    before: int
    true: int | None

    @property
    def repairs(self) -> bool:
        return self.true not in (None, self.before)

    def reached(self, predicted: np.ndarray) -> np.ndarray:
        return predicted == self.true if self.repairs else predicted != self.before

    def margin(self, logits: np.ndarray) -> float:
        """How far logits (K,) are from it: predicted less true where wrong, else runner-up."""
        other = logits[self.true] if self.repairs else np.delete(logits, self.before).max()
        return float(logits[self.before] - other)


@torch.inference_mode()
def _logits(network: nn.Module, pixels: Tensor, info: DatasetInfo) -> np.ndarray:
    """Logits (N, K) of pixels (N, 28, 28)."""
    batches = to_inputs(pixels, info.mean, info.std).split(BATCH_SIZE)
    return torch.cat([network(batch) for batch in batches]).numpy()


def _smallest(
    network: nn.Module,
    image: ChangedImage,
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
        said = _logits(network, image.changed(found, middle), image.info).argmax(1)
        good = goal.reached(said)
        inner, outer = np.where(good, inner, middle), np.where(good, middle, outer)
    images = image.changed(found, outer)
    predicted = _logits(network, images, image.info).argmax(1)
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
    network: nn.Module, changes: list[Change], controls: np.ndarray, info: DatasetInfo
) -> list[Change]:
    """The changes with how many of the controls (n, 28, 28) uint8 they break."""
    pixels, num = torch.tensor(controls).float().div(255), len(controls)
    found = [(c.nuisance.key, c.severity) for c in changes if c.severity is not None]
    if not found or not num:
        return changes
    batch = [corrupt(pixels, key, severity, mean=info.mean) for key, severity in found]
    said = _logits(network, torch.cat([pixels, *batch]), info).argmax(1).reshape(-1, num)
    broken = iter((said[1:] != said[0]).sum(axis=1).tolist())
    return [
        c if c.severity is None else replace(c, broken=next(broken), num_controls=num)
        for c in changes
    ]
