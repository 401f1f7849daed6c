"""How long a request will take, judged by what was trained here before. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from core.data.datasets import DATASETS
from core.training.job import Job, list_jobs
from core.training.request import TrainingRequest

MIN_SECONDS = 2.0
"""A job that trained for less says little about the pace."""


def estimate_seconds(request: TrainingRequest, runs_dir: Path) -> float | None:
    """Seconds of training, at the pace of the newest job that asked for the same device.

    The pace is training images per second of all runs together, so it takes in how many trained
    side by side then; a job on the same data set goes before one on another. None if there is none.
    """
    paces = [
        (job.request.dataset != request.dataset, -job.id, pace)
        for job in list_jobs(runs_dir)
        if job.request and job.request.device == request.device and (pace := _pace(job))
    ]
    return _num_images(request) / min(paces)[2] if paces else None


def _pace(job: Job) -> float | None:
    """Training images per second; None for a job that has hardly begun."""
    if job.request is None or job.seconds < MIN_SECONDS or not job.steps_done:
        return None
    return _num_images(job.request) * job.steps_done / job.total_steps / job.seconds


def _num_images(request: TrainingRequest) -> int:
    epochs = sum(variant.epochs for variant, _ in request.specs)
    return epochs * DATASETS[request.dataset].num_train
