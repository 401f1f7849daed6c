"""Runs and jobs as rows of a table, and which of them are looked for. No streamlit."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.config import Recipe, describe_variant
from core.data.datasets import DATASETS
from core.errors import NormLabError
from core.training.checks import RESUMABLE_STATES
from core.training.job import Job
from core.training.runs import Run, read_metrics
from ui.made_here import unusual_recipe

STATES = {
    "done": "finished",
    "running": "training",
    "queued": "waiting",
    "stopped": "stopped",
    "interrupted": "interrupted",
    "failed": "failed",
    "damaged": "damaged",
}
"""State of a run or a job → the word that stands on the page."""

IN_HAND = ("running", "queued")


@dataclass(frozen=True)
class Entry:
    """A run as the page lists it; `own` says that it was made here, else it came with NormLab."""

    run: Run
    own: bool = True

    @property
    def id(self) -> str:
        """Names it among all entries: a run made here may be called like a shipped one."""
        return f"{'own' if self.own else 'shipped'}/{self.run.name}"

    @property
    def file_name(self) -> str:
        """What its exported file is called, without the ending."""
        return f"{'' if self.own else 'shipped-'}{self.run.name.replace('/', '-')}"

    @property
    def is_deletable(self) -> bool:
        """Whether it may be removed: it was made here, and no job has it in hand."""
        return self.own and self.run.state not in IN_HAND

    @property
    def is_resumable(self) -> bool:
        """Whether its training can be gone on with."""
        return self.own and self.run.state in RESUMABLE_STATES and self.run.variant is not None


def variant_words(run: Run) -> str:
    """What was trained, in words; the folder's name where the run is too damaged to say."""
    return describe_variant(run.variant) if run.variant else run.path.parent.name


def dataset_words(run: Run) -> str:
    """The data set's name."""
    return DATASETS[run.dataset].label if run.dataset in DATASETS else run.dataset


def describe(run: Run) -> str:
    """The run in a few words, such as "Group norm, seed 1, Digits: 20 epochs, 97.22 %"."""
    found = f" ({run.title})" if run.title else ""
    words = f"{variant_words(run)}, seed {run.seed}, {dataset_words(run)}{found}"
    if run.final:
        accuracy = f"{run.final['test_accuracy_percent']:.2f} %"
        return f"{words}: {_epochs(run)} epoch{'s' * (run.epochs != 1)}, {accuracy}"
    return f"{words}: {STATES[run.state]}{f', epoch {_epochs(run)}' if run.epochs else ''}"


def _epochs(run: Run) -> str:
    return str(run.epochs) if run.epoch == run.epochs else f"{run.epoch} of {run.epochs}"


def count(runs: Sized) -> str:
    """Such as "1 run" or "3 runs"."""
    return f"{len(runs):,} run{'s' * (len(runs) != 1)}"


def run_rows(entries: Sequence[Entry]) -> pd.DataFrame:
    """One row per run. Figures of a run that is not finished are those of its last epoch so far."""
    frame = pd.DataFrame([_row(entry) for entry in entries])
    if entries:
        frame["created"] = pd.to_datetime(frame["created"], errors="coerce", utc=True)
    return frame


def _row(entry: Entry) -> dict:
    run = entry.run
    figures = run.final or _figures_so_far(run)
    return {
        "variant": variant_words(run),
        "seed": run.seed,
        "dataset": dataset_words(run),
        "title": run.title,
        "state": STATES[run.state],
        "reason": run.reason or "",
        "epochs": _epochs(run) if run.epochs else "",
        "accuracy_percent": figures.get("test_accuracy_percent"),
        "errors": figures.get("errors"),
        "seconds": figures.get("train_seconds"),
        "recipe": recipe_words(run),
        "device": _device(run),
        "created": str(run.info.get("created", "")),
        "kilobytes": size_of(run.path) / 1e3,
        "note": run.note,
        "source": "made here" if entry.own else "shipped",
        "folder": run.name,
    }


def _figures_so_far(run: Run) -> dict:
    with contextlib.suppress(NormLabError):
        if records := read_metrics(run.path):
            return {
                "test_accuracy_percent": records[-1]["test_accuracy_percent"],
                "train_seconds": sum(record["seconds"] for record in records),
            }
    return {}


def recipe_words(run: Run) -> str:
    """How its recipe differs from the published one; "" if it does not or is not known yet."""
    recipe = run.info.get("recipe")
    return ", ".join(unusual_recipe(Recipe(**recipe))) if recipe else ""


def _device(run: Run) -> str:
    device = run.info.get("device")
    return str(device.get("name", "")) if isinstance(device, dict) else ""


def size_of(folder: Path) -> int:
    """Bytes of all files in `folder`, those computed later included; a link takes none."""
    total = 0
    if folder.is_symlink():
        return total
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # gone meanwhile
            total += path.lstat().st_size if path.is_file() else 0
    return total


def filtered(
    entries: Iterable[Entry], *, text: str, states: Collection[str], datasets: Collection[str]
) -> list[Entry]:
    """Those that hold every word of `text` somewhere, in one of `states` and `datasets` if any."""
    return [
        entry
        for entry in entries
        if (not states or STATES[entry.run.state] in states)
        and (not datasets or dataset_words(entry.run) in datasets)
        and _holds(entry.run, text)
    ]


def _holds(run: Run, text: str) -> bool:
    parts = (run.name, describe(run), run.note, run.reason or "", recipe_words(run), _device(run))
    return all(word in " ".join(parts).casefold() for word in text.casefold().split())


def job_rows(jobs: Sequence[Job]) -> pd.DataFrame:
    """One row per job."""
    return pd.DataFrame(
        [
            {
                "job": job.id,
                "state": STATES[job.state],
                "reason": job.reason or "",
                "place": job.position,
                "what": job_words(job),
                "epochs": f"{job.epoch} of {job.epochs}" if job.epochs else "",
                "seconds": job.seconds or None,
                "created": pd.to_datetime(job.created, errors="coerce", utc=True),
            }
            for job in jobs
        ]
    )


def job_words(job: Job) -> str:
    """What the job does; nothing for one that is too damaged to say."""
    return job.summary if job.request or job.runs else ""
