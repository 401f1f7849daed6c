"""Variants for tests that are costly: one of each normalization always, all where CI=true."""

from __future__ import annotations

import pytest

ONE_PER_NORM = ("gn", "ln", "bn_l1")
VARIANTS_OR_ONE_PER_NORM = [
    *ONE_PER_NORM,
    *(pytest.param(key, marks=pytest.mark.thorough) for key in ("gn_l1", "ln_l2", "bn_l1_l2")),
]
