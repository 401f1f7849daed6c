"""The published figures of the six variants, to be shown beside ours.

Source: the public repository EVA6-Group-15/dl-normalization (its README and notebooks); figures
only. One network per variant, test set MNIST. The published train loss includes the L1 penalty;
ours is logged apart from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.config import VARIANTS, Recipe
from core.training.runs import Run

SOURCE = "EVA6-Group-15/dl-normalization"
DATASET = "mnist"
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class PublishedFigures:
    """Test figures of one published network on the 10,000 MNIST test images.

    `best_accuracy_percent` is the best epoch chosen on the test set, so it flatters;
    `last_accuracy_percent` and `last_test_loss` are those of the last epoch, as ours are.
    """

    best_accuracy_percent: float
    last_accuracy_percent: float
    last_test_loss: float
    seconds_per_epoch: int
    hardware: str


SUMMARY: dict[str, PublishedFigures] = {
    "gn": PublishedFigures(99.42, 99.40, 0.0226, 23, "Tesla T4"),
    "ln": PublishedFigures(99.35, 99.33, 0.0241, 23, "Tesla T4"),
    "bn_l1": PublishedFigures(99.52, 99.51, 0.0172, 25, "Tesla T4"),
    "gn_l1": PublishedFigures(99.40, 99.40, 0.0205, 35, "Tesla K80"),
    "ln_l2": PublishedFigures(99.42, 99.40, 0.0255, 33, "Tesla K80"),
    "bn_l1_l2": PublishedFigures(99.45, 99.45, 0.0231, 34, "Tesla K80"),
}


def published_figures(run: Run) -> PublishedFigures | None:
    """What to compare a run with; None unless it was trained on MNIST as the published network."""
    if run.variant is None or (run.dataset, run.recipe) != (DATASET, Recipe()):
        return None
    same = run.variant == VARIANTS.get(run.variant.key)
    return SUMMARY.get(run.variant.key) if same else None


def history() -> pd.DataFrame:
    """All 135 published epochs: `variant, epoch, train_loss` (with the L1 penalty),
    `train_accuracy_percent, test_loss, test_accuracy_percent`.
    """
    return pd.read_csv(FOLDER / "history.csv")


def class_accuracy() -> pd.DataFrame:
    """Published test accuracy per variant and class: `variant, class, test_accuracy_percent`."""
    return pd.read_csv(FOLDER / "class_accuracy.csv")
