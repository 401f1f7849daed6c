"""What every benchmark reports in the same words."""

from __future__ import annotations

import statistics


def against(promise: float, times: list[float], *, what: str) -> dict:
    """The median of `times` in seconds beside what is promised; above 1 the ratio keeps it."""
    ours = statistics.median(times)
    return {
        "what": what,
        "ratio": round(promise / ours, 2),
        "reference": promise,
        "ours": round(ours, 3),
        "slowest": round(max(times), 3),
        "n": len(times),
    }
