"""What is in the way of a request: jobs that have its runs in hand, or that the runs exist.

Needs neither Streamlit nor torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from core.config import Variant, describe_variant
from core.errors import UsageError
from core.training.checks import RESUMABLE_STATES, check_writable
from core.training.job import Job
from core.training.names import run_name, run_path
from core.training.request import TrainingRequest
from core.training.runs import Run, read_run
from ui.training_data import finished_runs, share_done

SHOWN_RUNS = 2
INFO_FILE = "run.json"

Spec = tuple[Variant, int]


@dataclass(frozen=True)
class Obstacle:
    """Why a request cannot be started although it is possible in itself.

    `job` is the living job that does just this already; `seeds` would be free, as the form's text.
    `on_runs_page` if something can be done about it on that page, `trained` if all of it has been.
    """

    text: str
    job: int | None = None
    seeds: str | None = None
    on_runs_page: bool = False
    trained: bool = False


def find_obstacle(
    request: TrainingRequest, runs_dir: Path, living: Sequence[Job], shipped_dir: Path
) -> Obstacle | None:
    """What is in the way of the request's runs: jobs that have them in hand, or that they exist."""
    for job in living:
        if set(request.runs) <= set(job.runs):
            return Obstacle(_whereabouts(job, living), job.id)
    seeds = partial(free_seeds, request, living, runs_dir, shipped_dir)
    for job in living:
        if taken := [spec for spec in request.specs if _name(request, spec) in job.runs]:
            does = "is training" if job.state == "running" else "waits to train"
            return Obstacle(f"Job {job.id} {does} {_these(taken)} already.", seeds=seeds())
    existing = [
        spec for spec in request.specs if os.path.exists(_path(request, spec, runs_dir) / INFO_FILE)
    ]
    if existing:
        text = _existing(request, existing, runs_dir)
        trained = finished_runs(runs_dir).issuperset(request.runs)
        return Obstacle(text, seeds=seeds(), on_runs_page=True, trained=trained)
    try:
        check_writable(runs_dir)
    except UsageError as error:
        return Obstacle(str(error))
    return None


def _whereabouts(job: Job, living: Sequence[Job]) -> str:
    """How far the job is that does just what is asked for; the sidebar shows it above the form."""
    if job.state == "running":
        done = f", {100 * share_done(job):.0f} % done" if job.total_steps else ""
        return f"Being trained now{done}: see above."
    before = list(living).index(job)
    if not before:
        return "Starting: see above."
    return f"Waits for {before} job{'s' * (before > 1)} before it: see above."


def _existing(request: TrainingRequest, specs: Sequence[Spec], runs_dir: Path) -> str:
    shown = specs[:SHOWN_RUNS]
    runs = [read_run(_path(request, spec, runs_dir), runs_dir) for spec in shown]
    labels = _these(specs, [f" ({_state_words(run)})" for run in runs])
    resume = "resume or " * any(run.state in RESUMABLE_STATES for run in runs)
    what = "these" if len(specs) > 1 else "this one"
    return f"Already here: {labels}. Take other seeds, or {resume}delete {what} on the page Runs."


def _state_words(run: Run) -> str:
    if run.state == "done":
        return f"finished, {run.epochs} epochs"
    return run.state if run.state in ("running", "damaged") else f"{run.state}, epoch {run.epoch}"


def _these(specs: Sequence[Spec], more: Sequence[str] = ("",) * SHOWN_RUNS) -> str:
    """The first runs, each with what `more` says of it, and how many there are besides."""
    shown = zip(specs, more, strict=False)
    words = [f"{describe_variant(variant)}, seed {seed}{said}" for (variant, seed), said in shown]
    besides = len(specs) - SHOWN_RUNS
    return "; ".join(words) + (f" and {besides} more" if besides > 0 else "")


def _name(request: TrainingRequest, spec: Spec) -> str:
    return run_name(request.dataset, spec[0].key, spec[1])


def _path(request: TrainingRequest, spec: Spec, runs_dir: Path) -> Path:
    return run_path(runs_dir, request.dataset, spec[0].key, spec[1])


def free_seeds(request: TrainingRequest, living: Iterable[Job], *roots: Path) -> str:
    """As many seeds as the request has, in a row, none of which any of its variants has.

    Neither below `roots` nor in a living job.
    """
    taken = {
        int(path.name.removeprefix("seed-"))
        for root in roots
        for variant in request.variants
        for path in (root / request.dataset / variant.key).glob("seed-*")
        if path.name.removeprefix("seed-").isdecimal()
    }
    in_hand = (name.rpartition("seed-")[2] for job in living for name in job.runs)
    taken |= {int(seed) for seed in in_hand if seed.isdecimal()}
    first, count = 1, len(request.seeds)
    for seed in sorted(taken):
        if first <= seed < first + count:
            first = seed + 1
    return str(first) if count == 1 else f"{first}-{first + count - 1}"


def repeats_shipped(request: TrainingRequest, shipped_dir: Path) -> bool:
    """Whether a shipped run has one of its variants and seeds."""
    return any((shipped_dir / name).is_dir() for name in request.runs)
