"""What is being trained, beside every page: progress, Stop, Resume and the queue."""

from __future__ import annotations


def render() -> None:
    """Draws the jobs that run, wait or have just ended, and keeps them current."""
