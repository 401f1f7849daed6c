"""The figures of the overview as tables: one row per variant, one row per run. No streamlit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from core.analysis.metrics import mean_interval, wilson_interval
from core.config import Recipe, Variant, variant_label
from core.published import published_figures
from core.training.runs import Run


def run_table(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run: `variant, label, seed, accuracy_percent, low_percent, high_percent` (Wilson,
    95 %), `errors, num_images, test_loss, train_seconds, epochs, device, run`.
    """
    return pd.DataFrame([_run_row(run) for run in runs])


def _run_row(run: Run) -> dict:
    variant, final = _variant(run), run.final
    low, high = wilson_interval(final["errors"], final["num_images"])
    return {
        "variant": variant.key,
        "label": variant_label(variant.key),
        "seed": run.seed,
        "accuracy_percent": final["test_accuracy_percent"],
        "low_percent": 100 * low,
        "high_percent": 100 * high,
        "errors": final["errors"],
        "num_images": final["num_images"],
        "test_loss": final["test_loss"],
        "train_seconds": final["train_seconds"],
        "epochs": run.epochs,
        "device": run.info.get("device", {}).get("name", "unknown"),
        "run": run.name,
    }


def variant_table(by_variant: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """One row per variant, figures of the last epoch, averaged over its seeds.

    `variant, label, norm, l1_weight, weight_decay, epochs, parameters, num_seeds,
    accuracy_percent, low_percent, high_percent, errors, num_images, test_loss, published_percent,
    train_seconds, device`. The interval is Wilson's for one seed and Student's t over the seeds for
    several, cut off at 0 and 100 %. Published figures exist for MNIST and the published settings
    only and are NaN elsewhere.
    """
    return pd.DataFrame([_variant_row(runs) for runs in by_variant.values()])


def _variant_row(runs: Sequence[Run]) -> dict:
    variant, single = _variant(runs[0]), run_table(runs)
    published = published_figures(runs[0])
    step = 100 / single["num_images"].iloc[0]
    mean, low, high = mean_interval(single["accuracy_percent"].to_list(), step)
    if len(runs) == 1:
        low, high = single["low_percent"].iloc[0], single["high_percent"].iloc[0]
    return {
        "variant": variant.key,
        "label": variant_label(variant.key),
        "norm": variant.norm,
        "l1_weight": variant.l1_weight,
        "weight_decay": variant.weight_decay,
        "epochs": variant.epochs,
        "parameters": runs[0].info.get("trainable_parameters"),
        "num_seeds": len(runs),
        "accuracy_percent": mean,
        "low_percent": max(low, 0.0),
        "high_percent": min(high, 100.0),
        "errors": single["errors"].mean(),
        "num_images": int(single["num_images"].iloc[0]),
        "test_loss": single["test_loss"].mean(),
        "published_percent": published.last_accuracy_percent if published else math.nan,
        "train_seconds": single["train_seconds"].mean(),
        "device": ", ".join(dict.fromkeys(single["device"])),
    }


def how_made(by_variant: Mapping[str, Sequence[Run]]) -> dict[str, tuple[Variant, Recipe]]:
    """The settings, the length and the recipe that the runs of each variant share."""
    return {
        key: (_variant(runs[0]), Recipe(**runs[0].info["recipe"]))
        for key, runs in by_variant.items()
    }


def _variant(run: Run) -> Variant:
    if run.variant is None:
        raise ValueError(f"{run.name} is damaged and has no figures.")
    return run.variant
