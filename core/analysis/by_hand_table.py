"""The table of values that is normalized by hand: drawn by lot, edited, and written as one text."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np

from core.errors import UsageError

LIMITS = {"images": 8, "channels": 8, "height": 4, "width": 4}
MAX_CELLS = 256
MAX_ABS = 1e6
"""Larger numbers fit no cell, and their squares leave float32 in which the networks work."""

Shape = tuple[int, int, int, int]
SHEET: Shape = (4, 4, 2, 2)
"""The shape of the coursework's spreadsheet."""


@dataclass(frozen=True, eq=False)
class Table:
    """Values (N, C, H, W) with γ and β (C,), all float64 of six digits."""

    values: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray

    @property
    def shape(self) -> Shape:
        """N, C, H, W."""
        images, channels, height, width = self.values.shape
        return images, channels, height, width

    def to_text(self) -> str:
        """Shape, values, γ and β, the last two where they do something: `2x1x1x2~3_1_4_1.5~2~0`."""
        parts = ["x".join(map(str, self.shape)), _join(self.values)]
        if (self.gamma != 1).any() or (self.beta != 0).any():
            parts += [_join(self.gamma), _join(self.beta)]
        return "~".join(parts)


def from_text(text: str) -> Table | None:
    """The table that `to_text` wrote; None for anything else, or beyond the limits."""
    shape_text, *parts = text.split("~")
    if not re.fullmatch(r"[1-8](x[1-8]){3}", shape_text) or len(parts) not in (1, 3):
        return None
    shape = tuple(map(int, shape_text.split("x")))
    if not fits(shape):
        return None
    channels = shape[1]
    expected = (math.prod(shape), channels, channels)
    try:
        rows = [_split(part, count) for part, count in zip(parts, expected, strict=False)]
    except UsageError:
        return None
    gamma, beta = rows[1:] or (np.ones(channels), np.zeros(channels))
    return Table(rows[0].reshape(shape), gamma, beta)


def fits(shape: tuple[int, ...]) -> bool:
    """Whether a table of that shape can be shown: within `LIMITS` and `MAX_CELLS`."""
    inside = all(1 <= size <= limit for size, limit in zip(shape, LIMITS.values(), strict=True))
    return inside and math.prod(shape) <= MAX_CELLS


def random_table(shape: Shape, seed: int) -> Table:
    """Whole numbers from 0 to 9, equally likely; γ = 1 and β = 0."""
    values = np.random.default_rng(seed).integers(0, 10, shape).astype(float)
    return Table(values, np.ones(shape[1]), np.zeros(shape[1]))


def resized(table: Table, shape: Shape, seed: int) -> Table:
    """`table` cut or grown to `shape`; what is new comes from `random_table`."""
    grown = random_table(shape, seed)
    kept = tuple(slice(min(old, new)) for old, new in zip(table.shape, shape, strict=True))
    grown.values[kept] = table.values[kept]
    grown.gamma[kept[1]], grown.beta[kept[1]] = table.gamma[kept[1]], table.beta[kept[1]]
    return grown


def with_cell(table: Table, name: str, text: str) -> Table:
    """`table` with one cell as a user wrote it; `name` is "v" (value), "g" (γ) or "b" (β) and its
    place in the flattened array, as "v0".

    `UsageError` says what is wrong with the text; `KeyError` where there is no such cell.
    """
    part = {"v": "values", "g": "gamma", "b": "beta"}[name[:1]]
    changed = getattr(table, part).copy()
    place = int(name[1:]) if name[1:].isdecimal() and len(name) < 6 else -1
    if not 0 <= place < changed.size:
        raise KeyError(name)
    changed.flat[place] = parse_number(text)
    return replace(table, **{part: changed})


def parse_number(text: str) -> float:
    """A cell's text as a number, rounded to six digits; `UsageError` says what it should be."""
    written = text.strip().replace("\N{MINUS SIGN}", "-")
    if not written:
        raise UsageError("The cell is empty: write a number, such as 0 or -1.5.")
    shown = f"“{text.strip()[:20]}”"
    if re.fullmatch(r"[+-]?\d+,\d+", written):
        raise UsageError(f"{shown} has a comma: write the decimals after a point, as in 1.5.")
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", written, re.ASCII | re.IGNORECASE):
        raise UsageError(f"{shown} is not a number: write one such as 0, -1.5 or 2e-3.")
    value = float(written[:400])
    if not abs(value) <= MAX_ABS:
        raise UsageError(f"{shown} is too large: write a number from -1,000,000 to 1,000,000.")
    return float(f"{value:.6g}") + 0.0  # which makes -0 into 0


def _join(array: np.ndarray) -> str:
    return "_".join(f"{value:.6g}" for value in array.flat)


def _split(text: str, count: int) -> np.ndarray:
    parts = text.split("_", count)
    if len(parts) != count:
        raise UsageError(f"{count} numbers are needed.")
    return np.array([parse_number(part) for part in parts])
