"""The insights of one epoch, measured on the state at its end.

P parameters. Everything is a handful of sums over the flat parameter vector, because training waits
for it.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

from core.config import CONV_CHANNELS
from core.model.stack import parameter_shapes
from core.training.insights import AFFINE, NEAR_ZERO, NORM_LAYERS, RUNNING, WEIGHT_LAYERS
from core.training.state import ReplicaState

DIGITS = 4
AFFINE_SUFFIX = dict(zip(AFFINE, ("weight", "bias"), strict=True))
RUNNING_ROWS = dict(enumerate(RUNNING))
"""Rows of `ReplicaState.statistics`."""


def measure(state: ReplicaState, learning_rate: float) -> dict:
    """The line of `insights.jsonl` for the epoch that has just ended; `state` is not changed."""
    values = state.parameters.numpy().astype(np.float64)
    names, sizes, starts = _layout()
    square_sums = np.add.reduceat(values**2, starts)
    limits = NEAR_ZERO * np.sqrt(square_sums / sizes)
    is_near_zero = np.abs(values) <= np.repeat(limits, sizes)
    near_zero = 100 * np.add.reduceat(is_near_zero.astype(np.int64), starts) / sizes
    weights = [names.index(f"{layer}.weight") for layer in WEIGHT_LAYERS]
    record = {
        "epoch": state.epoch,
        "learning_rate": learning_rate,
        "weight_norm": _rounded(np.sqrt(square_sums[weights])),
        "near_zero_percent": _rounded(near_zero[weights]),
    }
    for quantity, suffix in AFFINE_SUFFIX.items():
        layers = [names.index(f"{layer}.{suffix}") for layer in NORM_LAYERS]
        record |= _spread(quantity, values, starts, sizes, layers)
    return record | _running(state)


def _running(state: ReplicaState) -> dict[str, list]:
    """What batch norm has stored; nothing for the others."""
    if state.variant.norm != "batch":
        return {}
    statistics = state.statistics.numpy().astype(np.float64)
    starts = _starts(CONV_CHANNELS)
    layers = list(range(len(CONV_CHANNELS)))
    found: dict[str, list] = {}
    for row, quantity in RUNNING_ROWS.items():
        found |= _spread(quantity, statistics[row], starts, np.array(CONV_CHANNELS), layers)
    return found


def _spread(
    quantity: str, values: np.ndarray, starts: np.ndarray, sizes: np.ndarray, pieces: list[int]
) -> dict[str, list]:
    """Smallest, mean and largest of those `pieces` of `values`."""
    return {
        f"{quantity}_min": _rounded(np.minimum.reduceat(values, starts)[pieces]),
        f"{quantity}_mean": _rounded((np.add.reduceat(values, starts) / sizes)[pieces]),
        f"{quantity}_max": _rounded(np.maximum.reduceat(values, starts)[pieces]),
    }


@functools.cache
def _layout() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Name, length and first index of every parameter in the flat vector (P,)."""
    sizes = [math.prod(shape) for shape in parameter_shapes().values()]
    return list(parameter_shapes()), np.array(sizes), _starts(sizes)


def _starts(sizes: tuple[int, ...] | list[int]) -> np.ndarray:
    return np.array([0, *itertools.accumulate(sizes)][:-1])


def _rounded(values: np.ndarray) -> list[float | None]:
    """To `DIGITS` significant digits; None for what is not finite, which JSON cannot hold."""
    return [float(f"{x:.{DIGITS}g}") if math.isfinite(x) else None for x in values.tolist()]
