"""Cases of tests that are costly: some always, all of them where CI=true."""

from __future__ import annotations

from typing import Any

import pytest


def thorough(*values: object) -> Any:
    """A case that runs where CI=true."""
    return pytest.param(*values, marks=pytest.mark.thorough)


ONE_PER_NORM = ("gn", "ln", "bn_l1")
VARIANTS_OR_ONE_PER_NORM = [*ONE_PER_NORM, *map(thorough, ("gn_l1", "ln_l2", "bn_l1_l2"))]
