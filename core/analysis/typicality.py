"""How an image compares with those a network was trained on, by what can be measured of it.

Descriptive: an image may be unusual and read rightly, or usual in all of this and misread. The
distributions of the training images are stored, so that the images themselves are not needed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

COLUMNS = [
    *("image", "property", "label", "unit", "value"),
    *("percentile", "low", "high", "is_unusual"),
]


def typicality(images: np.ndarray, dataset: str) -> pd.DataFrame:
    """One row per image (N, 28, 28) uint8 and property of `image_properties`, image by image.

    Columns `image` (from 0), `property, label, unit, value`, `percentile` of the value among the
    data set's training images (0 to 100; values equal to it count half), `low` and `high`, their
    1st and 99th percentile, and `is_unusual`: outside of these two. What a black image does not
    have is NaN, and not unusual. Empty for a data set whose distributions are not stored.
    """
    raise NotImplementedError
