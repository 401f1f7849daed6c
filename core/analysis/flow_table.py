"""Sizes of weights and gradients per layer as tables over variants and seeds. No torch.

They are computed by `core.analysis.gradient_flow` and kept beside each run as a document
`{num_images, rows: {before: [record, …], after: […]}}`, a record per layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from core.analysis.metrics import half_width
from core.config import Recipe
from core.training.insights import CONV_LAYERS as CONV_LAYERS
from core.training.insights import WEIGHT_LAYERS
from core.training.runs import Run

NAME = "gradient_flow"
"""Under which `core.analysis.derived` keeps the document."""
BEFORE, AFTER = "before", "after"
LAYERS = WEIGHT_LAYERS
FIGURES = ("weight_norm", "gradient_norm", "activation_gradient_norm", "cosine")
"""What a record holds beside its layer."""
MEASURES = ("weight_norm", "effective_learning_rate", "gradient_norm", "activation_gradient_norm")
"""What is averaged over seeds: all above 0."""


def is_complete(document: Mapping | None) -> bool:
    """Whether the document holds all figures of every layer, before and after."""
    found = document or {}
    try:
        rows = [row for when in (BEFORE, AFTER) for row in found["rows"][when]]
        figures = [found["num_images"], *(row[name] for row in rows for name in FIGURES)]
        known = all(isinstance(figure, int | float) for figure in figures)
        return known and [row["layer"] for row in rows] == 2 * [*LAYERS]
    except (KeyError, TypeError):
        return False


def flow_frame(found: Iterable[tuple[Run, Mapping]]) -> pd.DataFrame:
    """One row per run, moment and layer: `variant, seed, when, layer, weight_norm, gradient_norm,
    activation_gradient_norm, cosine, learning_rate, effective_learning_rate`.

    The learning rate is that of the first epoch, at both moments, because variants are trained for
    different numbers of epochs. The effective one is learning rate / ‖W‖²: where the loss does not
    depend on ‖W‖, a step of SGD turns the weights as it would turn weights of norm 1 (van Laarhoven
    2017, arXiv 1706.05350). It is NaN in the head, which no normalization follows.
    """
    frame = pd.DataFrame(
        [
            {
                "variant": run.variant.key if run.variant else "",
                "seed": run.seed,
                "when": when,
                "learning_rate": Recipe(**run.info["recipe"]).learning_rate,
                **record,
            }
            for run, document in found
            for when in (BEFORE, AFTER)
            for record in document["rows"][when]
        ]
    )
    rates = frame["learning_rate"] / frame["weight_norm"] ** 2
    return frame.assign(effective_learning_rate=rates.where(frame["layer"].isin(CONV_LAYERS)))


def flow_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Geometric means over seeds of each of `MEASURES`, with their 95 % interval.

    One row per `variant, when, layer, measure`: `value, low, high, num_seeds`. Sizes differ by
    factors, so the mean and Student's t are those of the logarithms; low and high are NaN for one
    seed. What is NaN or 0 has no row.
    """
    keys = ["variant", "when", "layer"]
    long = frame.melt([*keys, "seed"], list(MEASURES), var_name="measure")
    long = long[long["value"] > 0]
    logs = np.log(long["value"]).groupby([long[key] for key in (*keys, "measure")], sort=False)
    table = logs.agg(["mean", "std", "count"]).reset_index()
    half = half_width(table["std"].to_numpy(), table["count"].to_numpy())
    return table[[*keys, "measure"]].assign(
        value=np.exp(table["mean"]),
        low=np.exp(table["mean"] - half),
        high=np.exp(table["mean"] + half),
        num_seeds=table["count"],
    )
