"""`jobs`, `stop`, `queue`: what is trained now, what waits, and ending or moving it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli.output import (
    RUNS_DIR,
    JsonOption,
    RunsDirOption,
    minutes,
    one_line_errors,
    print_json,
    print_table,
)
from core.cli.words import document, reason
from core.errors import RunError, UsageError
from core.training import jobs as control
from core.training.job import Job, find_job, is_job_number, list_jobs, living_jobs
from core.training.job_runs import with_true_advice

STOP_SECONDS = 30.0
COLUMNS = ("job", "state", "place", "epoch", "progress", "time left", "what", "reason")


@one_line_errors
def jobs(
    limit: Annotated[int, typer.Option(help="At most so many that have ended.")] = 10,
    runs_dir: RunsDirOption = RUNS_DIR,
    as_json: JsonOption = False,
) -> None:
    """List what is being trained, what waits for its turn and what has ended."""
    if limit < 0:
        raise UsageError(f"--limit is {limit}: it must be 0 or more.")
    found = list_jobs(runs_dir, limit)
    _report([with_true_advice(job, runs_dir) for job in found], as_json)


@one_line_errors
def stop(
    names: Annotated[
        list[str] | None, typer.Argument(help="Numbers of jobs, or runs such as mnist/gn/seed-1.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All jobs, the waiting too.")] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    as_json: JsonOption = False,
) -> None:
    """Save and end jobs; `resume` goes on with them. Runs that train together stop together."""
    if everything == bool(names):
        raise UsageError("Name jobs or runs, or give --all, one of the two.")
    living = living_jobs(runs_dir)
    # The waiting first, so that none of them begins meanwhile.
    numbers = [job.id for job in reversed(living)]
    if names:
        numbers = list(dict.fromkeys(_job_of(name, living, runs_dir) for name in names))
    for number in numbers:
        control.stop(runs_dir, number)
    ended = [control.wait_until_ended(runs_dir, number, STOP_SECONDS) for number in numbers]
    _report(ended, as_json)
    if busy := [str(job.id) for job in ended if job.is_living]:
        raise RunError(
            f"Job {', '.join(busy)} was told to stop and has not ended after {STOP_SECONDS:.0f} s."
        )


def _job_of(name: str, living: list[Job], runs_dir: Path) -> int:
    """The job with that number, or the one that trains the run of that name."""
    if is_job_number(name):
        job = find_job(runs_dir, int(name))
        if not job.is_living:
            raise UsageError(f"Job {name} is {job.state}: there is nothing to stop.")
        return job.id
    for job in living:
        if name in job.runs:
            return job.id
    raise UsageError(f"No job trains {name!r} or has that number: see `python -m core jobs`.")


@one_line_errors
def queue(
    job: Annotated[int, typer.Argument(help="Number of a waiting job.")],
    position: Annotated[int, typer.Argument(help="Its new place, from 1.")],
    runs_dir: RunsDirOption = RUNS_DIR,
    as_json: JsonOption = False,
) -> None:
    """Put a waiting job at another place of the queue."""
    _report(control.move(runs_dir, job, position), as_json)


def _report(found: list[Job], as_json: bool) -> None:
    if as_json:
        print_json({"jobs": [document(job) for job in found]})
    else:
        print_table(COLUMNS, [_row(job) for job in found])


def _row(job: Job) -> tuple:
    left = job.seconds_left
    return (
        job.id,
        job.state,
        job.position,
        f"{job.epoch}/{job.epochs}" if job.epochs else "",
        f"{100 * job.steps_done / job.total_steps:.0f} %" if job.total_steps else "",
        minutes(left) if left is not None else "",
        job.summary,
        reason(job),
    )
