"""Starting, stopping and ordering jobs, from any process; `core.training.job` reads them.

A job that this module starts is `python -m core train …` in a session of its own: nothing that
happens to whoever started it touches it. Waiting jobs are processes too, so the queue goes on
without a server, and one that was killed is passed over. Needs no torch.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import NormLabError, RunError, UsageError
from core.training.checks import (
    RESUMABLE_STATES,
    check_not_shipped,
    check_resumable,
    check_startable,
    check_writable,
)
from core.training.job import (
    JOBS_FOLDER,
    Job,
    find_job,
    job_numbers,
    job_path,
    list_jobs,
    living_jobs,
    read_job,
)
from core.training.job_runs import runs_of
from core.training.launch import Owner, launcher
from core.training.process import ProcessIdentity, identify, identity_from_dict
from core.training.request import TrainingRequest
from core.training.runs import Run
from core.training.storage import cannot_write, make_folder, read_json, to_json, write_atomic

__all__ = [
    "Job",
    "find_job",
    "list_jobs",
    "living_jobs",
    "move",
    "register",
    "register_resume",
    "register_resume_job",
    "resume_job",
    "start",
    "start_resume",
    "stop",
    "wait_until_ended",
]

KEPT = 200
"""Ended jobs that are remembered; their runs stay, whatever becomes of the job."""

LEFTOVER_SECONDS = 3600.0
REGISTER_SECONDS = 10.0
POLL_SECONDS = 0.1


def start(
    request: TrainingRequest, runs_dir: Path, data_dir: Path | None = None, *, now: bool = False
) -> Job:
    """Starts a job in the background, or puts it into the queue; returns at once.

    With `now` it does not wait for the job that is running. Raises `UsageError` if a run exists, is
    trained or waits already, or the folder cannot be written; then nothing has changed.
    """
    return register(request, runs_dir, launcher(data_dir, runs_dir, now))


def start_resume(
    runs: Sequence[Run],
    runs_dir: Path,
    data_dir: Path | None = None,
    *,
    device: str | None = None,
    now: bool = False,
) -> Job:
    """Goes on with unfinished runs in the background, otherwise like `start`."""
    return register_resume(runs, runs_dir, device, launcher(data_dir, runs_dir, now))


def resume_job(
    runs_dir: Path,
    number: int,
    data_dir: Path | None = None,
    *,
    device: str | None = None,
    now: bool = False,
) -> Job:
    """Goes on with what an ended job left, in the background: like `register_resume_job`."""
    owner = launcher(data_dir, runs_dir, now)
    return register_resume_job(runs_dir, number, device, owner)


def register(request: TrainingRequest, runs_dir: Path, owner: Owner | None = None) -> Job:
    """Makes a job that this process will do, or the one that `owner` starts for its folder."""
    check_not_shipped(runs_dir, request.runs)
    check_startable(request.specs, request.dataset, runs_dir)
    info = {"kind": "train", "runs": list(request.runs), "request": request.to_dict()}
    return _register(info, runs_dir, owner)


def register_resume(
    runs: Sequence[Run],
    runs_dir: Path,
    device: str | None = None,
    owner: Owner | None = None,
    request: TrainingRequest | None = None,
) -> Job:
    """Like `register`, for runs that are unfinished; `UsageError` for any that is not.

    `request` says what those of them are to be that have not begun.
    """
    check_not_shipped(runs_dir, [run.name for run in runs])
    check_writable(runs_dir)
    for run in runs:
        check_resumable(run)
    info = {"kind": "resume", "runs": [run.name for run in runs], "device": device}
    asked = {"request": request.to_dict()} if request else {}
    return _register({**info, **asked}, runs_dir, owner)


def register_resume_job(
    runs_dir: Path, number: int, device: str | None = None, owner: Owner | None = None
) -> Job:
    """A job that goes on with the unfinished runs of an ended one, and starts what had not begun.

    One that never began is started anew. `UsageError` if nothing of it is unfinished.
    """
    job = find_job(runs_dir, number)
    if job.is_living:
        raise UsageError(f"Job {number} is {job.state}: only one that has ended can be resumed.")
    runs = [run for run in runs_of(job, runs_dir) if run.state in RESUMABLE_STATES]
    if not runs:
        raise UsageError(f"Job {number} left nothing to go on with: its runs are done or deleted.")
    pending = [run.name for run in runs if not run.info]
    if job.request and set(pending) == set(job.request.runs):
        return register(replace(job.request, device=device or job.request.device), runs_dir, owner)
    asked = job.request if pending else None
    return register_resume(runs, runs_dir, device or job.device, owner, asked)


def _register(info: dict, runs_dir: Path, owner: Owner | None) -> Job:
    with _registry(runs_dir):
        _refuse_what_is_in_hand(info["runs"], runs_dir)
        _forget_old(runs_dir)
        number = max(job_numbers(runs_dir), default=0) + 1
        path = job_path(runs_dir, number)
        created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        try:
            # The folder appears with all that makes it a living job, so nobody sees half of one.
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as folder:
                made = Path(folder) / "job"
                made.mkdir()
                write_atomic(made / "job.json", to_json({**info, "created": created}))
                write_owner(made, identify())
                os.rename(made, path)
            if owner is not None:
                write_owner(path, owner(path))
        except OSError as error:
            shutil.rmtree(path, ignore_errors=True)
            raise cannot_write(path, error) from error
        except RunError:
            shutil.rmtree(path, ignore_errors=True)
            raise
    return find_job(runs_dir, number)


@contextlib.contextmanager
def _registry(runs_dir: Path) -> Iterator[None]:
    """Only one process at a time makes or orders jobs."""
    folder = runs_dir / JOBS_FOLDER
    try:
        make_folder(folder)
        lock = FileLock(folder / "lock")
        lock.acquire(timeout=REGISTER_SECONDS)
    except Timeout:
        raise RunError(f"{folder} is in use by another process. Try again.") from None
    except OSError as error:
        raise UsageError(str(cannot_write(folder, error))) from error
    try:
        yield
    finally:
        lock.release()


def _refuse_what_is_in_hand(names: Sequence[str], runs_dir: Path) -> None:
    for job in living_jobs(runs_dir):
        if taken := sorted(set(names) & set(job.runs)):
            does = "is training" if job.state == "running" else "waits to train"
            raise UsageError(
                f"Job {job.id} {does} {taken[0]} already: wait for it, choose other seeds, or "
                "stop it."
            )


def _forget_old(runs_dir: Path) -> None:
    """Removes all but the newest jobs, and what a kill left half made, deleted or imported."""
    for leftover in (runs_dir / JOBS_FOLDER).glob(".*-*"):
        # Whoever made it may be removing it right now.
        with contextlib.suppress(OSError):
            if time.time() - leftover.lstat().st_mtime > LEFTOVER_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)
    living = {job.id for job in living_jobs(runs_dir)}
    ended = sorted(set(job_numbers(runs_dir)) - living)
    # The newest number stays in any case, so that none is given twice.
    for number in ended[: -KEPT or None]:
        shutil.rmtree(job_path(runs_dir, number), ignore_errors=True)


def write_owner(path: Path, identity: ProcessIdentity) -> None:
    """Says which process does the job."""
    write_atomic(path / "process.json", to_json(identity.to_dict()), durable=False)


def stop(runs_dir: Path, number: int) -> Job:
    """Asks a job to save and end, or takes it out of the queue; returns without waiting.

    The signal goes only to the very process that does the job. `UsageError` if it has ended.
    """
    job = find_job(runs_dir, number)
    if not job.is_living:
        raise UsageError(f"Job {number} is {job.state}: there is nothing to stop.")
    # Also as a file: a process that cannot be signalled from here looks for it every second.
    with contextlib.suppress(RunError):
        write_atomic(job.path / "stop", b"", durable=False)
    try:
        identity = identity_from_dict(read_json(job.path / "process.json"))
    except NormLabError:
        identity = None
    # A process that did not start this job alone, such as a test, must not end with it.
    if identity is not None and identity != identify():
        identity.send(signal.SIGTERM)
    return job


def wait_until_ended(runs_dir: Path, number: int, seconds: float) -> Job:
    """The job once it has ended, or as it is after so many seconds."""
    deadline = time.monotonic() + seconds
    while (job := read_job(runs_dir, number)).is_living and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return job


def move(runs_dir: Path, number: int, position: int) -> list[Job]:
    """Puts a waiting job at `position` of the queue, from 1; the waiting jobs as they are then."""
    check_not_shipped(runs_dir)
    with _registry(runs_dir):
        waiting = [job for job in living_jobs(runs_dir) if job.state == "queued"]
        order = [job.id for job in waiting]
        if number not in order:
            state = find_job(runs_dir, number).state
            raise UsageError(f"Job {number} is {state}: only a waiting job has a place to change.")
        if not 1 <= position <= len(order):
            raise UsageError(f"position is {position}: {len(order)} jobs wait, so 1 to that.")
        order.remove(number)
        order.insert(position - 1, number)
        write_atomic(runs_dir / JOBS_FOLDER / "order.json", to_json({"order": order}))
    return [job for job in living_jobs(runs_dir) if job.state == "queued"]
