"""How good predictions are, how sure that is, and which images fail. No torch.

N image, K class, F failure. Labels are integers from 0 to K - 1. An image fails where the predicted
class is not the true one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd

from core.config import NUM_CLASSES
from core.training.runs import Predictions

CONFIDENCE = 0.95


def wilson_interval(errors: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval of the accuracy when `errors` of `n` images fail, as fractions.

    It never leaves [0, 1] and holds its level near 100 %, where the usual ± does not. For n = 0 it
    is (0, 1). Raises `ValueError` unless 0 ≤ errors ≤ n.
    """
    if not 0 <= errors <= n:
        raise ValueError(f"errors is {errors}: it must lie in 0 to n = {n}.")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    accuracy = 1 - errors / n
    center = accuracy + z**2 / (2 * n)
    half = z * math.sqrt(accuracy * (1 - accuracy) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return max(0.0, (center - half) / scale), min(1.0, (center + half) / scale)


def mean_interval(values: Sequence[float], step: float = 0.0) -> tuple[float, float, float]:
    """Mean of one value per seed with its 95 % interval by Student's t: (mean, low, high).

    It says how well the mean over seeds is known on this test set. `step` as for `half_width`. One
    value has no interval: low and high are NaN. Raises `ValueError` for no value.
    """
    if not len(values):
        raise ValueError("There is no value to average.")
    mean, n = float(np.mean(values)), len(values)
    if n == 1:
        return mean, math.nan, math.nan
    half = float(half_width(float(np.std(values, ddof=1)), n, step))
    return mean, mean - half, mean + half


def half_width(
    std: np.ndarray | float, n: np.ndarray | int, step: np.ndarray | float = 0.0
) -> np.ndarray:
    """Half the width of Student's 95 % interval of a mean; `std` over `n` values, elementwise.

    `step` is the smallest difference that values can have, such as one image of the test set. Where
    seeds tie, their spread is not 0 but below what a count can show: at least that of rounding is
    taken, step / √12. One value leaves no degree of freedom: its half-width is NaN.
    """
    from scipy.special import stdtrit

    spread = np.maximum(std, np.divide(step, math.sqrt(12)))
    return stdtrit(np.subtract(n, 1), (1 + CONFIDENCE) / 2) * spread / np.sqrt(n)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities (…, K) float64 of logits (…, K)."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (…, K) float64 of logits (…, K); each row sums to 1."""
    return np.exp(log_softmax(logits))


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Mean of -log p(true class) in nats: the sum over logits (N, K), divided by N."""
    true = np.take_along_axis(log_softmax(logits), targets[:, None], axis=1)
    return float(-true.sum() / len(targets))


def score(logits: np.ndarray, targets: np.ndarray) -> dict[str, int | float]:
    """`num_images, errors, accuracy_percent, cross_entropy` of logits (N, K)."""
    errors = int((logits.argmax(axis=1) != targets).sum())
    return {
        "num_images": len(targets),
        "errors": errors,
        "accuracy_percent": 100 * (1 - errors / len(targets)),
        "cross_entropy": cross_entropy(logits, targets),
    }


def confusion_matrix(
    targets: np.ndarray, predicted: np.ndarray, num_classes: int = NUM_CLASSES
) -> np.ndarray:
    """Counts (K, K) int64; row: the true class, column: the predicted one."""
    cells = np.bincount(targets * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def per_class_accuracy(
    targets: np.ndarray, predicted: np.ndarray, num_classes: int = NUM_CLASSES
) -> pd.DataFrame:
    """One row per true class: `class, num_images, errors, accuracy_percent, low_percent,
    high_percent` (Wilson, 95 %). The accuracy of a class without images is NaN.
    """
    confusion = confusion_matrix(targets, predicted, num_classes)
    num_images = confusion.sum(axis=1)
    errors = num_images - confusion.diagonal()
    intervals = [wilson_interval(*counts) for counts in zip(errors, num_images, strict=True)]
    low, high = 100 * np.array(intervals).T
    frame = pd.DataFrame({"class": range(num_classes), "num_images": num_images, "errors": errors})
    accuracy = 100 * (1 - frame["errors"] / frame["num_images"].replace(0, np.nan))
    return frame.assign(accuracy_percent=accuracy, low_percent=low, high_percent=high)


def mean_class_accuracy(single: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of `per_class_accuracy` frames, one below the other with a column `seed`.

    One row per class: `class, num_images, errors, accuracy_percent, low_percent, high_percent`
    (Student's t, 95 %, cut off at 0 and 100 %).
    """
    groups = single.groupby("class")
    means = groups[["num_images", "errors", "accuracy_percent"]].mean().reset_index()
    accuracy = groups["accuracy_percent"]
    step = 100 / means["num_images"].replace(0, np.nan).to_numpy()
    half = half_width(accuracy.std().to_numpy(), accuracy.count().to_numpy(), step)
    means["low_percent"] = (means["accuracy_percent"] - half).clip(lower=0)
    means["high_percent"] = (means["accuracy_percent"] + half).clip(upper=100)
    return means


def failing_indices(predictions: Predictions) -> np.ndarray:
    """Indices (F,) int64 of the images that fail, ascending."""
    return np.flatnonzero(predictions.predicted != predictions.targets)


def failures(predictions: Predictions) -> pd.DataFrame:
    """One row per image that fails, in the order of the test set.

    `index, target, predicted, probability` (of the predicted class), `target_probability` (of the
    true one) and `margin` (logit of the predicted less logit of the true class). Logits are stored
    in half precision, so where two classes tie the margin can be 0 or slightly below.
    """
    index = failing_indices(predictions)
    rows = np.arange(len(index))
    target, predicted = predictions.targets[index], predictions.predicted[index]
    logits, probability = predictions.logits[index], probabilities(predictions, index)
    return pd.DataFrame(
        {
            "index": index,
            "target": target,
            "predicted": predicted,
            "probability": probability[rows, predicted],
            "target_probability": probability[rows, target],
            "margin": logits[rows, predicted] - logits[rows, target],
        }
    )


def probabilities(predictions: Predictions, index: np.ndarray) -> np.ndarray:
    """Class probabilities (F, K) float64 of the images at `index` (F,)."""
    return softmax(predictions.logits[index])


def failure_overlap(sets: Mapping[str, Collection[int] | np.ndarray]) -> pd.DataFrame:
    """How far sets of failing images agree: one row per ordered pair, itself included.

    `sets` maps a name to image indices. Columns `row, column, both, either` (numbers of images) and
    `jaccard` = both / either, NaN where neither fails anywhere.
    """
    unique = {name: {int(index) for index in indices} for name, indices in sets.items()}
    cells = [
        (row, column, len(a & b), len(a | b))
        for row, a in unique.items()
        for column, b in unique.items()
    ]
    frame = pd.DataFrame(cells, columns=["row", "column", "both", "either"])
    return frame.assign(jaccard=frame["both"] / frame["either"].replace(0, np.nan))
