"""The runs of a job, whether or not they have a folder yet. Needs no torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core.training.checks import RESUMABLE_STATES
from core.training.job import Job, living_jobs
from core.training.names import run_name, run_path
from core.training.runs import Run, is_run_name, read_run

ADVICE = ": resume it"


def runs_of(job: Job, runs_dir: Path) -> list[Run]:
    """The runs of a job as they are now, in its order; one that was deleted is left out.

    One that has not begun has no `info`; its state is "queued" while the job lives, then the job's.
    """
    planned = {run.name: run for run in _not_begun(job, runs_dir)}
    names = [name for name in job.runs if is_run_name(name)]
    return [
        planned.get(name) or read_run(runs_dir / name, runs_dir)
        for name in names
        if name in planned or (runs_dir / name).exists()
    ]


def with_true_advice(job: Job, runs_dir: Path) -> Job:
    """The job without the advice to resume it where nothing of it is left to go on with."""
    if job.is_living or not (job.reason or "").endswith(ADVICE):
        return job
    in_hand = {name for other in living_jobs(runs_dir) for name in other.runs}
    left = [run for run in runs_of(job, runs_dir) if run.state in RESUMABLE_STATES]
    if any(run.name not in in_hand for run in left):
        return job
    told = str(job.reason).removesuffix(ADVICE)
    return replace(job, reason=f"{told}; its runs are done, deleted or in another job")


def _not_begun(job: Job, runs_dir: Path) -> list[Run]:
    """Runs that the job was asked for and never began; once it trained, all had begun."""
    trained = job.kind == "train" and job.total_steps > 0
    if job.request is None or trained or job.state == "done":
        return []
    found = [
        Run(
            path=run_path(runs_dir, job.request.dataset, variant.key, seed),
            name=run_name(job.request.dataset, variant.key, seed),
            dataset=job.request.dataset,
            seed=seed,
            state="queued" if job.is_living else job.state,
            variant=variant,
            reason=None if job.is_living else job.reason,
        )
        for variant, seed in job.request.specs
    ]
    return [run for run in found if run.name in job.runs and not (run.path / "run.json").exists()]
