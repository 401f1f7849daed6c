"""Renaming and deleting runs that were made here. Needs no torch."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import UsageError
from core.training.checks import check_writable
from core.training.job import JOBS_FOLDER, Job, living_jobs
from core.training.job_runs import runs_of
from core.training.label import write_label
from core.training.runs import Run, is_in_shipped, is_run_name, read_run
from core.training.storage import cannot_write, sync_folder


def own_run(name: str, runs_dir: Path) -> Run:
    """The run called `name` below `runs_dir`, whatever its state; never a shipped one.

    `UsageError` if there is none.
    """
    path = runs_dir / name
    if not is_run_name(name) or "\0" in name or not (path.is_dir() or path.is_symlink()):
        raise UsageError(f"No run {name!r} in {runs_dir}.")
    # Its parent, because a link to a shipped run is not one and may go.
    if is_in_shipped(path.parent):
        raise UsageError(f"{name} came with NormLab: only runs made here can be changed.")
    return read_run(path, runs_dir)


def label_run(run: Run, runs_dir: Path, title: str, note: str) -> None:
    """Gives a run a name and a note; both "" take them away. `UsageError` if they are not possible.

    Its folder keeps its name, which other runs and results refer to.
    """
    check_writable(runs_dir)
    if run.path.is_symlink():
        raise UsageError(f"{run.name} is a link: only a run can be named.")
    write_label(run.path, title, note)


def delete_run(run: Run, runs_dir: Path) -> None:
    """Removes a run for good; `UsageError` while it is being trained or waits for that.

    It disappears in one step, so that no kill leaves half of it.
    """
    for job in living_jobs(runs_dir):
        if run.name in job.runs:
            raise UsageError(f"{run.name} belongs to job {job.id}: stop that first.")
    try:
        if run.path.is_symlink():
            run.path.unlink()
            return
        folder = runs_dir / JOBS_FOLDER
        folder.mkdir(exist_ok=True)
        with _locked(run), tempfile.TemporaryDirectory(dir=folder, prefix=".deleted-") as bin_:
            os.rename(run.path, Path(bin_) / "run")
            sync_folder(run.path.parent)
    except OSError as error:
        raise cannot_write(run.path, error) from error
    for parent in run.path.parents[:2]:
        with contextlib.suppress(OSError):
            parent.rmdir()


@contextlib.contextmanager
def _locked(run: Run) -> Iterator[None]:
    """Nobody trains the run meanwhile; a lock file that cannot be one is no obstacle."""
    path = run.path / "lock"
    if path.exists() and not path.is_file():
        yield
        return
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"{run.name} is being trained: stop that first.") from None
    try:
        yield
    finally:
        lock.release()


def queued_runs(job: Job, runs_dir: Path) -> list[Run]:
    """The runs of a job that waits for its turn, as a listing shows them; [] if it does not."""
    if job.state != "queued":
        return []
    reason = f"job {job.id} waits at place {job.position} of the queue"
    return [replace(run, state="queued", reason=reason) for run in runs_of(job, runs_dir)]
