"""Runs that are being trained or were cut short, as they are now. No streamlit, no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from core.training.runs import INSIGHTS_FILE, Run, read_run

FOLLOWED = {
    "running": "In training",
    "stopped": "Stopped",
    "interrupted": "Interrupted",
}
"""The states in which a run has curves but no end, and how a sentence about it begins."""
Signature = tuple[tuple[str, str], ...]


def unfinished(root: Path, dataset: str, seeds: Collection[int] = ()) -> list[Run]:
    """The runs of `dataset` below `root`, and of `seeds` if any are given, that have not ended.

    Of finished ones only a file's presence is asked, so this can be done every second.
    """
    patterns = [f"*/seed-{seed}" for seed in seeds] or ["*/seed-*"]
    folders = sorted(path for one in patterns for path in (root / dataset).glob(one))
    found = [read_run(path, root) for path in folders if not is_finished(path)]
    return [run for run in found if run.variant and run.state in FOLLOWED]


def is_finished(path: Path) -> bool:
    """Whether the run in folder `path` has been committed."""
    return (path / "manifest.json").exists()


def signature(runs: Iterable[Run]) -> Signature:
    """Changes when a run begins, ends, is stopped or vanishes, but not with each epoch."""
    return tuple((str(run.path), _state(run)) for run in runs)


def _state(run: Run) -> str:
    return "gone" if run.state == "done" and not is_finished(run.path) else run.state


def epochs_done(runs: Sequence[Run]) -> str:
    """How far they are, such as "3 to 5 of 20 epochs"."""
    done, planned = sorted({run.epoch for run in runs}), sorted({run.epochs for run in runs})
    far = f"{done[0]}" if len(done) == 1 else f"{done[0]} to {done[-1]}"
    return f"{far} of {' or '.join(map(str, planned))} epochs"


def written(runs: Iterable[Run]) -> tuple[tuple, ...]:
    """Changes with every epoch that one of them writes, and with its title."""
    return tuple((str(run.path), run.digest, run.title, *_times(run)) for run in runs)


def _times(run: Run) -> list[tuple[int, int] | None]:
    return [file_time(run.path / name) for name in ("metrics.jsonl", INSIGHTS_FILE)]


def file_time(path: Path) -> tuple[int, int] | None:
    """When it was changed and its size; None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
