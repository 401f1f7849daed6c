"""What the sidebar says of jobs: which are shown, in what words, with which figures. No streamlit.

Everything is read from the run folder each time it is asked for, so that every tab, browser and
server shows the same; only what files hold is remembered, until they change.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from core.config import VARIANT_LABELS, describe_variant
from core.data.datasets import DATASETS
from core.training.checks import RESUMABLE_STATES
from core.training.job import Job, read_quietly
from core.training.runs import is_run_name
from core.training.storage import write_atomic
from ui.durations import duration

RECENT_SECONDS = 600.0
"""An end is news for so long, also to those who come later."""

LOG_BYTES, LOG_LINES = 32 * 1024, 12
"""What is shown of a log at the most; in the sidebar so many lines."""

DISMISSED = "dismissed"


def run_names(job: Job) -> list[str]:
    """The names of its runs; what a damaged entry holds instead is left out."""
    return [name for name in job.runs if "\0" not in name and is_run_name(name)]


def subject(job: Job) -> str:
    """What it trains, in a few words: "6 variants × 3 seeds on Digits"."""
    parts = [name.split("/") for name in run_names(job)]
    if not parts:
        return "No runs"
    keys = list(dict.fromkeys(key for _, key, _ in parts))
    seeds = sorted({seed.removeprefix("seed-") for *_, seed in parts}, key=_number)
    data = parts[0][0]
    what = variant_label(job, keys[0]) if len(keys) == 1 else f"{len(keys)} variants"
    if len(seeds) > 1:
        what += f" × {len(seeds)} seeds"
    elif seeds != ["1"]:
        what += f", seed {seeds[0]}"
    return f"{what} on {DATASETS[data].label if data in DATASETS else data}"


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 12 else -1


def variant_keys(job: Job) -> list[str]:
    """The variants among its runs, in their order."""
    return list(dict.fromkeys(name.split("/")[1] for name in run_names(job)))


def variant_label(job: Job, key: str) -> str:
    """The variant in words, for one that is not published with what is unusual about it."""
    if key in VARIANT_LABELS:
        return VARIANT_LABELS[key]
    asked = job.request.variants if job.request else ()
    return next((describe_variant(one) for one in asked if one.key == key), key)


def last_epoch(job: Job) -> int:
    """The epochs of its longest run; 0 if it has not said yet."""
    asked = max((one.epochs for one in job.request.variants), default=0) if job.request else 0
    return job.epochs or asked


def share_done(job: Job) -> float:
    """How much of its training is done, in [0, 1]."""
    return min(job.steps_done / job.total_steps, 1.0) if job.total_steps else 0.0


def progress_words(job: Job) -> str:
    """Percentage, epoch and time left; what it waits for before it trains."""
    if not job.total_steps:
        return "Loading the images and the networks…"
    epoch = min(job.epoch + 1, job.epochs)
    words = f"{100 * share_done(job):.0f} % · epoch {epoch} of {job.epochs}"
    if job.steps_done >= job.total_steps:
        return f"{words} · testing and saving…"
    left = "" if job.seconds_left is None else f" · about {duration(job.seconds_left)} left"
    return f"{words}{left}"


def is_stopping(job: Job) -> bool:
    """Whether somebody has asked it to end and it has not yet."""
    return job.is_living and (job.path / "stop").exists()


def device(job: Job, runs_dir: Path) -> str:
    """What it computes on, as its runs have noted it; "" before they have."""
    for name in run_names(job)[:1]:
        found = read_quietly(runs_dir / name / "run.json").get("device")
        if isinstance(found, dict) and isinstance(found.get("name"), str):
            return found["name"]
    return ""


def finished_runs(runs_dir: Path) -> frozenset[str]:
    """The names of all runs that are finished; looks only whether they are there."""
    return frozenset(
        f"{dataset.name}/{variant.name}/{run.name}"
        for dataset in _folders(runs_dir)
        for variant in _folders(Path(dataset.path))
        for run in _folders(Path(variant.path))
        if run.name.startswith("seed-") and os.path.exists(f"{run.path}/manifest.json")
    )


def _folders(folder: Path) -> list[os.DirEntry[str]]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return [one for one in entries if not one.name.startswith(".") and one.is_dir()]
    return []


def ended_at(job: Job) -> float:
    """The time at which it ended, as files have it; 0 if even that is unknown."""
    for name in ("end.json", "progress.json", "job.json", ""):
        with contextlib.suppress(OSError):
            return (job.path / name).stat().st_mtime
    return 0.0


def is_dismissed(job: Job) -> bool:
    """Whether somebody has put the news of its end away, for all tabs and browsers."""
    return (job.path / DISMISSED).exists()


def dismiss(job: Job) -> None:
    """Puts the news of its end away; `RunError` where nothing can be written."""
    write_atomic(job.path / DISMISSED, b"", durable=False)


def news(
    listed: Sequence[Job], runs_dir: Path, seen: Collection[int], put_away: Collection[int]
) -> list[Job]:
    """The ended jobs worth a line, newest first.

    Those that ended lately or since the session began, whose `seen` had ended before, and the
    newest of all if it has not reached its end; none that was dismissed, here by `put_away`, and
    none whose unfinished runs a newer job has taken over.
    """
    newest = max((job.id for job in listed), default=0)
    found: list[Job] = []
    taken: set[str] = set()
    for job in sorted(listed, key=lambda job: -job.id):
        is_new = job.id not in seen or time.time() - ended_at(job) < RECENT_SECONDS
        is_open = job.id == newest and job.state != "done"
        is_taken = job.state in RESUMABLE_STATES and taken.issuperset(unfinished(job, runs_dir))
        is_told = is_taken or job.id in put_away or is_dismissed(job)
        if not job.is_living and (is_new or is_open) and not is_told:
            found.append(job)
        taken.update(job.runs)
    return found


def unfinished(job: Job, runs_dir: Path) -> list[str]:
    """The names of its runs that are not finished."""
    return [name for name in run_names(job) if not (runs_dir / name / "manifest.json").exists()]


def finished_names(job: Job, runs_dir: Path) -> list[str]:
    """The names of its runs that are finished and still there."""
    return [name for name in run_names(job) if (runs_dir / name / "manifest.json").exists()]


def ending_words(job: Job, runs_dir: Path) -> str:
    """How it ended, in one or two sentences."""
    if job.state == "damaged":
        return f"Job {job.id} is not shown: {_sentence(job.reason)}"
    if job.state == "done":
        return f"{subject(job)}: {_results(finished_names(job, runs_dir), runs_dir)}"
    if job.state == "stopped" and job.epochs:
        return f"{subject(job)}: stopped in epoch {min(job.epoch + 1, job.epochs)} of {job.epochs}."
    return f"{subject(job)}: {_sentence(job.reason or job.state)}"


def _sentence(text: str | None) -> str:
    text = text or "no reason given"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _results(names: Sequence[str], runs_dir: Path) -> str:
    finals = [read_quietly(runs_dir / name / "manifest.json").get("final") for name in names]
    found = [final.get("test_accuracy_percent") for final in finals if isinstance(final, dict)]
    accuracies = [value for value in found if isinstance(value, (int, float))]
    count = f"{len(names)} run{'s' * (len(names) != 1)} finished"
    if not accuracies:
        return f"{count}."
    low, high = f"{min(accuracies):.2f}", f"{max(accuracies):.2f}"
    return f"{count}, test accuracy {low if low == high else f'{low}–{high}'} %."


def log_tail(job: Job, max_lines: int | None = None) -> str:
    """The last lines of what it said; "" if it said nothing or that cannot be read."""
    try:
        with job.log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    said = [line for line in lines if line.strip()]
    return "\n".join(said if max_lines is None else said[-max_lines:])
