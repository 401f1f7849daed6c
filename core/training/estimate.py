"""How long training will take, judged by what was trained before. Needs no torch.

`core.training.cost` says what is to be expected; jobs that were done here say by how much this
machine is faster or slower.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from core.config import Recipe
from core.training.cost import Part, shipped_costs, wall_seconds
from core.training.job import SILENT_SECONDS, Job, list_jobs, living_jobs
from core.training.job_runs import runs_of
from core.training.request import TrainingRequest
from core.training.runs import Run

MIN_SECONDS = 2.0
"""A job that trained for less says little about the pace."""


@dataclass(frozen=True)
class Estimate:
    """`seconds` of training; `source` says at whose pace: "at the pace of job 3"."""

    seconds: float
    source: str


def estimate(
    request: TrainingRequest, runs_dir: Path, device: str | None = None
) -> Estimate | None:
    """The time that `request` will take, or None where nothing tells.

    At the pace of the newest job that asked for the same device, where one on the same data set
    goes before one on another; where nothing was trained here, of the runs that come with NormLab.
    Those were trained on a CPU and say nothing of another `device`, which is the type that an open
    choice will come to, where that is known.
    """
    return _estimate(_parts(request), request.device, runs_dir, device)


def time_until(runs_dir: Path, number: int | None = None) -> float | None:
    """Seconds until a new job's turn, or that of waiting job `number`; None where nothing tells."""
    before = itertools.takewhile(lambda job: job.id != number, living_jobs(runs_dir))
    running, waiting = [0.0], [0.0]
    for job in before:
        left = seconds_left(job, runs_dir)
        if left is None:
            return None
        (running if job.state == "running" else waiting).append(left)
    return max(running) + sum(waiting)


def seconds_left(job: Job, runs_dir: Path) -> float | None:
    """How long a living job will go on training, without its wait; None where nothing tells."""
    if job.silent is not None and job.silent > SILENT_SECONDS:
        return None
    if job.seconds_left is not None:
        return job.seconds_left
    rests = [_rest(run, job.request) for run in runs_of(job, runs_dir)]
    asked = job.request.device if job.request else job.device
    found = _estimate([part for part in rests if part], asked, runs_dir)
    return max(found.seconds - job.seconds, 0.0) if found else None


def _estimate(
    parts: list[Part], asked: str | None, runs_dir: Path, device: str | None = None
) -> Estimate | None:
    if not parts:
        return None
    asked, dataset = _plain(asked), parts[0].dataset
    paces = [
        (job.request.dataset != dataset, -job.id, pace)
        for job in list_jobs(runs_dir)
        if job.request and _plain(job.request.device) == asked and (pace := _pace(job))
    ]
    if paces:
        _, number, pace = min(paces)
        return Estimate(pace * wall_seconds(parts), f"at the pace of job {-number}")
    costs, machine = shipped_costs(dataset)
    if not costs or (asked or device or "cpu") != "cpu":
        return None
    source = f"at the pace of the runs that come with NormLab ({machine})"
    return Estimate(wall_seconds(parts), source)


def _plain(device: str | None) -> str | None:
    return None if device == "auto" else device


def _pace(job: Job) -> float | None:
    """How many times as long as expected a job takes; None for one that has hardly begun."""
    if job.kind != "train" or job.request is None or job.seconds < MIN_SECONDS:
        return None
    if not job.steps_done or not job.total_steps:
        return None
    expected = wall_seconds(_parts(job.request))
    return job.seconds * job.total_steps / job.steps_done / expected


def _parts(request: TrainingRequest) -> list[Part]:
    return [Part(request.dataset, v, request.recipe, v.epochs) for v, _ in request.specs]


def _rest(run: Run, request: TrainingRequest | None) -> Part | None:
    """What a run still has to train; None where it cannot be read."""
    if run.variant is None:
        return None
    recipe = request.recipe if request and not run.info else Recipe(**run.info["recipe"])
    return Part(run.dataset, run.variant, recipe, run.epochs - run.epoch)
