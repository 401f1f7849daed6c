"""How an image compares with those a network was trained on, by what can be measured of it.

Descriptive: an image may be unusual and read rightly, or usual in all of this and misread. The
distributions of the training images are stored, so that the images need not be at hand;

    python -m core.analysis.typicality

computes them again, of the data sets that are on this machine. No torch.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from core.analysis.image_properties import PROPERTIES, image_properties

PATH = Path(__file__).with_name("typicality.json")
"""Data set → property → quantiles of its training images at `PERCENTILES`, ascending."""
STORED = ("mnist", "digits")
PERCENTILES = np.r_[0, 0.1, 0.5, 1:100, 99.5, 99.9, 100]
LOW, HIGH = 1, 99
DECIMALS = 4
CHUNK = 1000
"""Images measured at once; more fall out of the processor's cache."""
COLUMNS = [
    *("image", "property", "label", "unit", "value"),
    *("percentile", "low", "high", "is_unusual"),
]


def typicality(images: np.ndarray, dataset: str) -> pd.DataFrame:
    """One row per image (N, 28, 28) uint8 and property of `image_properties`, image by image.

    Columns `image` (from 0), `property, label, unit, value`, `percentile` of the value among the
    data set's training images (0 to 100; values equal to it count half), `low` and `high`, their
    1st and 99th percentile, and `is_unusual`: outside of these two, as at most 2 % of the training
    images are in each property. What a black image does not have is NaN, and not unusual. Empty for
    a data set whose distributions are not stored.
    """
    if dataset not in stored_quantiles():
        return pd.DataFrame(columns=COLUMNS)
    values = image_properties(images).round(DECIMALS)
    parts = [_compare(key, values[key], stored_quantiles()[dataset][key]) for key in PROPERTIES]
    return pd.concat(parts).sort_values("image", kind="stable", ignore_index=True)


def _compare(key: str, values: pd.Series, quantiles: np.ndarray) -> pd.DataFrame:
    found, (low, high) = PROPERTIES[key], np.interp([LOW, HIGH], PERCENTILES, quantiles)
    return pd.DataFrame(
        {
            "image": range(len(values)),
            "property": key,
            "label": found.label,
            "unit": found.unit,
            "value": values,
            "percentile": rank(values.to_numpy(), quantiles),
            "low": low,
            "high": high,
            "is_unusual": (values < low) | (values > high),
        }
    )


def rank(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """The percentile (N,) of `values` (N,) in a distribution known at `PERCENTILES`.

    Linear between quantiles; where several are equal, the middle of theirs.
    """
    sides = [np.nextafter(values, side) for side in (-np.inf, np.inf)]
    return np.mean([np.interp(side, quantiles, PERCENTILES, 0, 100) for side in sides], axis=0)


@cache
def stored_quantiles() -> dict[str, dict[str, np.ndarray]]:
    """What is in `PATH`; shared, so read it only."""
    document = json.loads(PATH.read_text())
    return {
        dataset: {key: np.array(quantiles) for key, quantiles in of_dataset.items()}
        for dataset, of_dataset in document.items()
    }


def compute_quantiles(images: np.ndarray) -> dict[str, list[float]]:
    """Property → quantiles at `PERCENTILES`, of images (N, 28, 28) uint8 that all have ink."""
    chunks = (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))
    values = pd.concat(map(image_properties, chunks))
    quantiles = np.percentile(values, PERCENTILES, axis=0).round(DECIMALS).T
    return dict(zip(values.columns, quantiles.tolist(), strict=True))


def main() -> None:
    """Writes `PATH`."""
    from core.data.datasets import data_dir, load_split

    found = {key: compute_quantiles(load_split(key, data_dir(), "train").images) for key in STORED}
    PATH.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
