"""What moves when the table is scaled, shifted or partly replaced: the invariances of each norm."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from core.analysis import by_hand
from core.analysis.by_hand_table import Table, random_table

BATCH_EVALUATION = "batch_evaluation"
MODES = (by_hand.BATCH, BATCH_EVALUATION, by_hand.LAYER, by_hand.GROUP, by_hand.INSTANCE)
"""What is compared: the four norms as they train, and batch norm with stored statistics."""
EVERYTHING, IMAGE, CHANNEL = PARTS = ("everything", "image", "channel")
STILL = 1e-9
"""A value that moves less has not moved, but for float64 rounding (numbers here reach 1e6)."""


@dataclass(frozen=True)
class Change:
    """x → factor · x + constant in one part of the table; `replaced` draws it anew first.

    `number` (from 0) says which image or channel.
    """

    part: str
    number: int
    factor: float = 1.0
    constant: float = 0.0
    replaced: bool = False

    def apply(self, table: Table, seed: int) -> Table:
        """The changed table; `seed` is of the new numbers."""
        values = table.values.copy()
        images = slice(self.number, self.number + 1) if self.part == IMAGE else slice(None)
        channels = slice(self.number, self.number + 1) if self.part == CHANNEL else slice(None)
        drawn = random_table(table.shape, seed).values if self.replaced else values
        values[images, channels] = self.factor * drawn[images, channels] + self.constant
        return replace(table, values=values)


@dataclass(frozen=True)
class Moved:
    """How far y moves per block in one of `MODES`: the largest |Δy| (N, C); NaN where y is 0 / 0.

    `exact` is the same with ε = 0: where it is 0, all that moves y is ε.
    """

    mode: str
    blocks: np.ndarray
    exact: np.ndarray

    @property
    def still(self) -> np.ndarray:
        """Which blocks do not move, or by ε alone: (N, C) bool."""
        return (self.blocks <= STILL) | (self.exact <= STILL)


def movement(
    before: Table, after: Table, stored: by_hand.Statistics | None, per_group: int, eps: float
) -> list[Moved]:
    """How far each mode's y moves between two tables of one shape.

    Evaluation mode uses the `stored` statistics on both; without any it is left out.
    """
    found = []
    for mode in MODES:
        if mode == BATCH_EVALUATION and stored is None:
            continue
        blocks, exact = (
            _block_change(*(_output(one, mode, stored, per_group, e) for one in (before, after)))
            for e in (eps, 0.0)
        )
        found.append(Moved(mode, blocks, exact))
    return found


def _output(
    table: Table, mode: str, stored: by_hand.Statistics | None, per_group: int, eps: float
) -> np.ndarray:
    own = mode in by_hand.KINDS
    used = by_hand.statistics(table.values, mode, per_group) if own else stored
    assert used is not None
    return by_hand.normalize(table.values, used, table.gamma, table.beta, eps).y


def _block_change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.abs(after - before).max(axis=(2, 3))
