"""Times in words, one way on every page. No streamlit."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Such as "40 s", "9 min" or "3.5 h"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
