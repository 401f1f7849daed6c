"""Whose turn it is: one job at a time trains, the others wait. Needs no torch."""

from __future__ import annotations

import contextlib
from pathlib import Path

from filelock import FileLock, Timeout

from core.training.job import JOBS_FOLDER, living_jobs
from core.training.storage import is_locked

POLL_SECONDS = 0.5
LOCK_NAME = "turn"


def is_next(runs_dir: Path, number: int) -> bool:
    """Whether nobody trains and job `number` is the first of those that wait."""
    if is_locked(runs_dir / JOBS_FOLDER / LOCK_NAME):
        return False
    return next((job.id for job in living_jobs(runs_dir) if job.position == 1), None) == number


def take_turn(runs_dir: Path, number: int) -> FileLock | None:
    """The lock of the one that trains, which dies with its process; None if it is not our turn."""
    if not is_next(runs_dir, number):
        return None
    lock = FileLock(runs_dir / JOBS_FOLDER / LOCK_NAME)
    with contextlib.suppress(Timeout):
        lock.acquire(timeout=0)
        return lock
    return None
