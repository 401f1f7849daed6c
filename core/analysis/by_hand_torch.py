"""What torch's own layers make of the table, beside what was worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import nn

from core.analysis import by_hand
from core.analysis.by_hand_table import Table

Layer: TypeAlias = nn.BatchNorm2d | nn.GroupNorm | nn.InstanceNorm2d
DTYPES = {"float64": torch.float64, "float32": torch.float32}


@dataclass(frozen=True)
class Check:
    """The layer's name and the largest |difference| of y per number type; None if torch refuses.

    NaN on one side alone counts as an infinite difference. `refusal` is what torch says.
    """

    kind: str
    layer: str
    differences: Mapping[str, float | None]
    refusal: str = ""


def make_layer(kind: str, channels: int, per_group: int, eps: float) -> tuple[str, Layer]:
    """A new layer in training mode, and how it is written in a program."""
    if kind == by_hand.BATCH:
        return f"nn.BatchNorm2d({channels})", nn.BatchNorm2d(channels, eps=eps)
    if kind == by_hand.INSTANCE:
        layer = nn.InstanceNorm2d(channels, eps=eps, affine=True)
        return f"nn.InstanceNorm2d({channels}, affine=True)", layer
    groups = channels // by_hand.channels_per_mean(kind, channels, per_group)
    return f"nn.GroupNorm({groups}, {channels})", nn.GroupNorm(groups, channels, eps=eps)


@torch.no_grad()
def torch_output(layer: Layer, table: Table, dtype: torch.dtype) -> np.ndarray:
    """The layer's y (N, C, H, W) with the table's γ and β; `ValueError` where it refuses."""
    layer = layer.to(dtype)
    layer.weight.copy_(torch.from_numpy(table.gamma))
    layer.bias.copy_(torch.from_numpy(table.beta))
    return layer(torch.from_numpy(table.values).to(dtype)).double().numpy()


def check(table: Table, kind: str, per_group: int, eps: float) -> Check:
    """The output worked out by hand against torch's layer, in training mode."""
    found = by_hand.statistics(table.values, kind, per_group)
    ours = by_hand.normalize(table.values, found, table.gamma, table.beta, eps).y
    name, layer = make_layer(kind, table.shape[1], per_group, eps)
    try:
        differences = {
            dtype_name: difference(ours, torch_output(layer, table, dtype))
            for dtype_name, dtype in DTYPES.items()
        }
    except ValueError as error:
        return Check(kind, name, dict.fromkeys(DTYPES), str(error).splitlines()[0])
    return Check(kind, name, differences)


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest |difference|; where both are NaN they agree."""
    both, either = np.isnan(ours) & np.isnan(theirs), np.isnan(ours) | np.isnan(theirs)
    if (either & ~both).any():
        return float("inf")
    return float(np.abs(np.where(both, 0, ours - theirs)).max())
