"""Accuracy of the weights of one variant under the normalization of another, and what flips.

N image, R run. No torch: what transplanted networks say is computed by `core.analysis.transplants`
and kept beside the run as a document `{num_estimation, predicted: {norm: text}}`, the text one
digit per test image, its predicted class. `num_estimation` training images gave the statistics of
batch norm.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd

from core.analysis.metrics import mean_interval, wilson_interval
from core.config import NORMS, Variant
from core.training.runs import Predictions, Run

NAME = "transplants"
"""Under which `core.analysis.derived` keeps the document."""
TO_WRONG, TO_RIGHT, OTHER = "right → wrong", "wrong → right", "wrong → wrong"

REESTIMATED = "reestimated"
Answers: TypeAlias = Mapping[str, np.ndarray]
"""Normalization → predicted classes (N,) int64, under its own one those of the run itself. Runs
with batch norm also have `REESTIMATED`: their own weights with statistics estimated anew."""


def norms_to_compute(variant: Variant) -> list[str]:
    """The normalizations whose answers a run of `variant` does not hold itself.

    Its own one is among them for batch norm only: with statistics estimated anew, the control that
    shows what the estimation alone changes.
    """
    return [norm for norm in NORMS if norm != variant.norm or norm == "batch"]


def read_answers(run: Run, document: Mapping | None, own: Predictions) -> Answers | None:
    """What the run says under each normalization; None if the document does not hold it.

    The own normalization's answers are the run's `own`, exactly.
    """
    assert run.variant is not None
    document = document or {}
    texts = document.get("predicted")
    if not isinstance(texts, dict) or not isinstance(document.get("num_estimation"), int):
        return None
    found = {norm: decode(texts.get(norm)) for norm in norms_to_compute(run.variant)}
    if any(len(classes) != len(own.targets) for classes in found.values()):
        return None
    answers = {norm: found.get(norm, own.predicted) for norm in NORMS}
    if run.variant.norm == "batch":
        answers |= {"batch": own.predicted, REESTIMATED: found["batch"]}
    return answers


def decode(text: object) -> np.ndarray:
    """The classes (N,) int64 of a text with one digit each; empty if it is none."""
    if not isinstance(text, str) or not (text.isascii() and text.isdecimal()):
        return np.zeros(0, np.int64)
    return np.frombuffer(text.encode(), np.uint8).astype(np.int64) - ord("0")


def matrix_frame(cells: Iterable[tuple[Run, Answers, Predictions]]) -> pd.DataFrame:
    """One row per run and normalization: `variant, norm, seed, own, num_images, errors,
    accuracy_percent, to_wrong, to_right` (numbers of images that turn wrong and right).

    `norm` is a key of `Answers`; `own` marks the diagonal, where nothing is transplanted.
    """
    return pd.DataFrame(
        [
            _cell(run, norm, predicted, own)
            for run, answers, own in cells
            for norm, predicted in answers.items()
        ]
    )


def _cell(run: Run, norm: str, predicted: np.ndarray, own: Predictions) -> dict:
    assert run.variant is not None
    was_right, is_right = own.predicted == own.targets, predicted == own.targets
    errors = int((~is_right).sum())
    return {
        "variant": run.variant.key,
        "norm": norm,
        "seed": run.seed,
        "own": norm == run.variant.norm,
        "num_images": len(predicted),
        "errors": errors,
        "accuracy_percent": 100 * (1 - errors / len(predicted)),
        "to_wrong": int((was_right & ~is_right).sum()),
        "to_right": int((~was_right & is_right).sum()),
    }


def matrix_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of `matrix_frame`: one row per variant and normalization.

    Columns `variant, norm, own, num_seeds, accuracy_percent, low_percent, high_percent, to_wrong,
    to_right`. The interval is that of the mean over seeds (Student's t, 95 %, cut off at 0 and
    100 %); with one seed it is Wilson's over the test images.
    """
    rows = []
    for (variant, norm), group in frame.groupby(["variant", "norm"], sort=False):
        first = group.iloc[0]
        step = 100 / first["num_images"]
        mean, low, high = mean_interval(group["accuracy_percent"].to_list(), step)
        if math.isnan(low):
            bounds = wilson_interval(int(first["errors"]), int(first["num_images"]))
            low, high = (100 * bound for bound in bounds)
        rows.append(
            {
                "variant": variant,
                "norm": norm,
                "own": bool(group["own"].iloc[0]),
                "num_seeds": len(group),
                "accuracy_percent": mean,
                "low_percent": max(low, 0.0),
                "high_percent": min(high, 100.0),
                "to_wrong": group["to_wrong"].mean(),
                "to_right": group["to_right"].mean(),
            }
        )
    return pd.DataFrame(rows)


def flips(own: Predictions, predicted: np.ndarray) -> pd.DataFrame:
    """One row per image whose predicted class the transplant changes, ascending by index.

    `index, target, before, after, kind`: classes as numbers, kind one of `TO_WRONG`, `TO_RIGHT` and
    `OTHER` (wrong before and after).
    """
    index = np.flatnonzero(predicted != own.predicted)
    target, before, after = own.targets[index], own.predicted[index], predicted[index]
    kind = np.select([before == target, after == target], [TO_WRONG, TO_RIGHT], OTHER)
    return pd.DataFrame(
        {"index": index, "target": target, "before": before, "after": after, "kind": kind}
    )
