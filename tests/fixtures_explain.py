"""Images as explanations take them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from core.data.datasets import Split, get_dataset, load_split


@cache
def digits_split() -> Split:
    return load_split("digits", Path(), "test")


def normalized_digit(index: int) -> np.ndarray:
    """Test digit `index`, normalized: (1, 28, 28) float32."""
    info = get_dataset("digits")
    return ((digits_split().images[index][None] / 255 - info.mean) / info.std).astype(np.float32)
