"""The sidebar's training form: what to train, how long it will take, and Start."""

from __future__ import annotations


def render(dataset: str) -> None:
    """Draws the form for `dataset`, closed until somebody wants to train."""
