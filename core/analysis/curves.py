"""Deletion and insertion curves: does the network depend on the pixels that a map calls important?

Deletion takes the pixels away, most positive attribution first, by setting them to the baseline;
insertion starts at the baseline and brings them back in the same order (Petsiuk, Das and Saenko
2018, RISE, arXiv 1806.07421). Only pixels in which image and baseline differ are ordered: the
others change nothing, and a map would beat a random order merely by knowing where the ink is.

N image, O order, P point of a curve.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn

from core.errors import UsageError

NUM_ORDERS = 39
"""A further random order lies between the lowest and the highest of 39 with probability 95 %."""

MAX_STEPS = 28
BATCH_SIZE = 256
SAME = 1e-4
"""Pixels closer than this are equal up to rounding; one grey level is about 0.013."""

KINDS = ("deletion", "insertion")


@dataclass(frozen=True)
class Curve:
    """One curve of a map, with the same curve of random orders of the same pixels.

    `shares` (P,) from 0 to 1 are the shares of the pixels taken away (or brought back), `values`
    the scalar explained, in logits. `low` and `high` are the lowest and the highest of the random
    orders, point by point. `auc` is the area under the curve, the mean value along it;
    `p_value` the one-sided Monte Carlo p that a random order is as good: a small area is good for
    deletion, a large one for insertion. It cannot fall below 1 / (num_orders + 1).
    """

    kind: str
    shares: tuple[float, ...]
    values: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    auc: float
    random_auc: float
    random_auc_low: float
    random_auc_high: float
    p_value: float
    num_pixels: int
    num_orders: int

    def to_dict(self) -> dict:
        """Ready for JSON."""
        return asdict(self)

    def frame(self) -> pd.DataFrame:
        """One row per point: `kind, share, value, mean, low, high`."""
        columns = {"share": self.shares, "value": self.values, "mean": self.mean}
        frame = pd.DataFrame({**columns, "low": self.low, "high": self.high})
        frame.insert(0, "kind", self.kind)
        return frame


def deletion_insertion(
    network: nn.Module,
    image: np.ndarray,
    attributions: np.ndarray,
    weights: Sequence[float],
    baseline: np.ndarray,
    *,
    seed: int = 0,
    num_orders: int = NUM_ORDERS,
) -> tuple[Curve, Curve]:
    """The deletion and the insertion curve of a map, each beside `num_orders` random ones.

    `image` and `baseline` (1, 28, 28) float32, normalized; `attributions` (28, 28); the scalar
    explained is `weights` (10,) · logits. Ties are broken at random, from `seed`. `UsageError` if
    the image is the baseline.
    """
    pixels = np.flatnonzero(np.abs(image - baseline) > SAME)
    if not len(pixels):
        raise UsageError("The image equals the baseline: there is no pixel to delete or insert.")
    random = np.random.default_rng(seed)
    shuffled = np.array([random.permutation(pixels) for _ in range(num_orders + 1)])
    by_value = np.argsort(-attributions.reshape(-1)[shuffled[0]], kind="stable")
    orders = np.concatenate([shuffled[:1, by_value], shuffled[1:]])
    counts = np.unique(np.linspace(0, len(pixels), MAX_STEPS + 1).round().astype(int))
    taken = _replaced_up_to(orders, counts, image.size).reshape(-1, *image.shape)
    found = {
        "deletion": score(network, np.where(taken, baseline, image), weights),
        "insertion": score(network, np.where(taken, image, baseline), weights),
    }
    shape, shares = (len(orders), len(counts)), counts / len(pixels)
    deletion, insertion = (
        _make_curve(kind, shares, found[kind].reshape(shape), len(pixels)) for kind in KINDS
    )
    return deletion, insertion


def score(network: nn.Module, images: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """`weights` (10,) · logits of normalized images (N, 1, 28, 28): (N,) float64.

    A copy of the network does the work, in evaluation mode.
    """
    worker = copy.deepcopy(network).eval()
    inputs = torch.as_tensor(images, dtype=torch.float32)
    with torch.inference_mode():
        logits = torch.cat([worker(batch) for batch in inputs.split(BATCH_SIZE)])
    return logits.double().numpy() @ np.asarray(weights, float)


def _replaced_up_to(orders: np.ndarray, counts: np.ndarray, num_pixels: int) -> np.ndarray:
    """(O, P, pixels) bool: whether a pixel is among the first counts[p] of an order (O, n)."""
    rank = np.full((len(orders), num_pixels), num_pixels)
    np.put_along_axis(rank, orders, np.arange(orders.shape[1])[None], axis=1)
    return rank[:, None] < counts[:, None]


def _make_curve(kind: str, shares: np.ndarray, values: np.ndarray, num_pixels: int) -> Curve:
    """From the values (O, P) of all orders, the map's own first."""
    auc, *random_auc = np.trapezoid(values, shares, axis=1)
    better = np.less_equal if kind == "deletion" else np.greater_equal
    num_orders = len(random_auc)
    return Curve(
        kind=kind,
        shares=tuple(shares.tolist()),
        values=tuple(values[0].tolist()),
        mean=tuple(values[1:].mean(axis=0).tolist()),
        low=tuple(values[1:].min(axis=0).tolist()),
        high=tuple(values[1:].max(axis=0).tolist()),
        auc=float(auc),
        random_auc=float(np.mean(random_auc)),
        random_auc_low=float(min(random_auc)),
        random_auc_high=float(max(random_auc)),
        p_value=float((1 + better(random_auc, auc).sum()) / (num_orders + 1)),
        num_pixels=num_pixels,
        num_orders=num_orders,
    )
