"""What every benchmark reports in the same words."""

from __future__ import annotations

import numpy as np


def against(promise: float, times: list[float], *, what: str, quantile: float = 0.5) -> dict:
    """A quantile of `times` in seconds beside what is promised; above 1 the ratio keeps it."""
    ours = float(np.quantile(times, quantile))
    return {
        "what": what,
        "ratio": round(promise / ours, 2),
        "reference": promise,
        "ours": round(ours, 3),
        "slowest": round(max(times), 3),
        "n": len(times),
    }
