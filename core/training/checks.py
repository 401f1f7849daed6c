"""What must hold before a run is started or gone on with. Needs no torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.config import Variant
from core.data.datasets import get_dataset
from core.errors import UsageError
from core.training.names import run_path
from core.training.runs import Run, is_in_shipped, is_shipped, read_run
from core.training.storage import cannot_write, chosen_by

RESUMABLE_STATES = ("stopped", "interrupted", "failed")


def check_not_shipped(runs_dir: Path, names: Iterable[str] = ()) -> None:
    """`UsageError` if runs with these `names` below `runs_dir` would be shipped ones.

    Those are evidence for what is published: whoever makes them trains elsewhere and copies.
    """
    for path in (runs_dir, *(runs_dir / name for name in names)):
        if is_in_shipped(path):
            raise UsageError(
                f"{path} is kept for the runs that came with NormLab, which stay as they are: "
                f"choose another folder {chosen_by('')}."
            )


def check_startable(specs: Sequence[tuple[Variant, int]], dataset: str, runs_dir: Path) -> None:
    """`UsageError` for an unknown data set, a read-only folder, or a run that exists."""
    get_dataset(dataset)
    check_writable(runs_dir)
    for variant, seed in specs:
        path = run_path(runs_dir, dataset, variant.key, seed)
        if (path / "run.json").exists():
            raise UsageError(describe_existing(path, runs_dir))


def check_resumable(run: Run) -> Variant:
    """The run's variant; `UsageError` unless it was interrupted, stopped or failed."""
    if run.state not in RESUMABLE_STATES or run.variant is None:
        why = f" ({run.reason})" if run.reason else ""
        raise UsageError(f"{run.name} is {run.state}{why}: only an unfinished run can be resumed.")
    return run.variant


def describe_existing(
    path: Path, root: Path, instead: str = "choose other seeds, or delete it"
) -> str:
    """Why no run can be made in `path`, and what to do; `instead` is for one that is done."""
    run = read_run(path, root)
    if run.state == "running":
        return f"{run.name} is being trained right now: wait until it has ended."
    if run.state == "done":
        length = f"{run.epochs} epoch{'s' * (run.epochs != 1)}"
        return f"{run.name} is already trained ({length}): {instead}."
    if run.state == "damaged":
        return f"{run.name} exists and is damaged ({run.reason}): delete it."
    state = f"{run.state} after epoch {run.epoch}"
    return f"{run.name} exists and is {state}: resume it, or delete it."


def describe_unfinished(run: Run, what: str = "has weights") -> str:
    """Why a run that is not done lacks `what` a finished one has, and what to do."""
    if run.state == "damaged":
        return f"{run.name} is damaged: {run.reason}: {cure_of_damage(run)}."
    if run.reason and run.state in ("interrupted", "failed"):
        return f"{run.name} is {run.state}: {run.reason.rstrip('.')}."
    cure = "wait until it has ended" if run.state in ("running", "queued") else "resume it"
    state = run.reason if run.reason and run.reason.startswith(run.state) else run.state
    return f"{run.name} is {state}: only a finished run {what}, so {cure}."


def cure_of_damage(run: Run) -> str:
    """What to do with a damaged run."""
    return "get NormLab's own copy again" if is_shipped(run) else "delete it and train it again"


def check_writable(root: Path, option: str = "") -> None:
    """`UsageError` unless folders can be made in `root`, or in its nearest existing parent.

    The message names the `option` that chooses the folder; without one it is that of the runs.
    """
    folder = root
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
    except OSError as error:
        raise UsageError(str(cannot_write(root, error, option))) from error
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: choose another {chosen_by(option)}.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{folder} cannot be written: choose another folder {chosen_by(option)}.")
