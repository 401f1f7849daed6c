"""`train` and `resume`: training with progress on standard error."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from core.cli.output import (
    RUNS_DIR,
    DataDirOption,
    DatasetOption,
    DeviceOption,
    JsonOption,
    RunsDirOption,
    one_line_errors,
    print_json,
    print_table,
)
from core.config import VARIANTS, Recipe, Variant, check_epochs, get_variant, parse_seeds
from core.data.datasets import check_dataset
from core.data.datasets import data_dir as find_data_dir
from core.data.download import download_dataset
from core.device import select_device
from core.errors import UsageError
from core.published import SUMMARY
from core.training.runs import Run, find_run, list_runs, read_run
from core.training.trainer import (
    RESUMABLE_STATES,
    Trainer,
    check_resumable,
    check_startable,
    resume_runs,
    start_runs,
)
from core.training.trainer import Progress as EpochProgress

REFRESH_SECONDS = 0.5
BAR = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn())


@one_line_errors
def train(
    variants: Annotated[list[str] | None, typer.Argument(help="Names; see `variants`.")] = None,
    all_variants: Annotated[bool, typer.Option("--all", help="All six variants.")] = False,
    seeds: Annotated[str, typer.Option(help="3, 1,2,5 or 1-10.")] = "1",
    epochs: Annotated[int | None, typer.Option(help="Default: the recipe's 20 or 25.")] = None,
    dataset: DatasetOption = "mnist",
    device: DeviceOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train one, several or all variants, side by side."""
    chosen = _choose_variants(variants or [], all_variants, epochs)
    specs = list(itertools.product(chosen, parse_seeds(seeds)))
    choice = select_device(device)
    root = find_data_dir(data_dir)
    with ExitStack() as stack:
        check_startable(specs, dataset, runs_dir)
        _fetch_if_missing(dataset, root)
        trainer = start_runs(stack, specs, dataset, runs_dir, root, choice, Recipe())
        _say(f"{len(specs)} runs on {choice.type} ({choice.name}: {choice.reason})")
        _watch(trainer)
    _report([read_run(writer.path, runs_dir) for writer in trainer.writers], as_json)


@one_line_errors
def resume(
    names: Annotated[list[str] | None, typer.Argument(help="Such as mnist/gn/seed-1.")] = None,
    device: DeviceOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with unfinished runs; without a name, with all in the folder."""
    choice = select_device(device)
    if names:
        runs = [find_run(name, runs_dir) for name in dict.fromkeys(names)]
    else:
        runs = [run for run in list_runs(runs_dir) if run.state in RESUMABLE_STATES]
    if not runs:
        _say(f"Nothing in {runs_dir} is unfinished.")
    for run in runs:
        check_resumable(run)
    for group in _same_setting(runs):
        with ExitStack() as stack:
            _watch(resume_runs(stack, group, runs_dir, find_data_dir(data_dir), choice))
    _report([read_run(run.path, runs_dir) for run in runs], as_json)


def _fetch_if_missing(dataset: str, root: Path) -> None:
    """Downloads the data set on first use, saying so."""
    if check_dataset(dataset, root).present:
        return
    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), *BAR, DownloadColumn(), console=console) as bar:
        task = bar.add_task(f"downloading {dataset} into {root}", total=None)
        download_dataset(
            dataset, root, lambda done, total: bar.update(task, completed=done, total=total)
        )


def _choose_variants(names: list[str], everything: bool, epochs: int | None) -> list[Variant]:
    if everything == bool(names):
        raise UsageError(f"Name variants ({', '.join(VARIANTS)}) or give --all, one of the two.")
    chosen = [get_variant(name) for name in (VARIANTS if everything else dict.fromkeys(names))]
    if epochs is None:
        return chosen
    check_epochs(epochs)
    return [replace(variant, epochs=epochs) for variant in chosen]


def _same_setting(runs: list[Run]) -> list[list[Run]]:
    """Runs that can be trained together: of one data set and recipe."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = json.dumps([run.dataset, run.info.get("recipe")], sort_keys=True)
        groups.setdefault(key, []).append(run)
    return list(groups.values())


def _watch(trainer: Trainer) -> None:
    """Runs the trainer with a progress bar, or a line an epoch where nobody watches a terminal."""
    console = Console(stderr=True)
    with (
        _stop_on_signals(trainer),
        Progress(TextColumn("{task.description}"), *BAR, console=console) as bar,
    ):
        task = bar.add_task("training", total=trainer.total_steps, completed=trainer.steps_done)
        done = threading.Event()

        def refresh() -> None:
            while not done.wait(REFRESH_SECONDS):
                bar.update(task, completed=trainer.steps_done)

        threading.Thread(target=refresh, daemon=True).start()
        try:
            for progress in trainer.run():
                bar.update(task, completed=trainer.steps_done)
                left = bar.tasks[0].time_remaining
                bar.console.print(_epoch_line(progress, left), highlight=False, soft_wrap=True)
        finally:
            done.set()
    if trainer.engine.fallback_reason:
        _say(trainer.engine.fallback_reason)


def _epoch_line(progress: EpochProgress, left: float | None) -> str:
    m = progress.metrics
    line = (
        f"{progress.name:<26} epoch {m['epoch']:>3}/{progress.variant.epochs}  "
        f"train {m['train_cross_entropy']:.4f}  test {m['test_loss']:.4f}  "
        f"{m['test_accuracy_percent']:.2f} %  {m['seconds']:.1f} s"
    )
    return line if left is None else f"{line}  {int(left) // 60}:{int(left) % 60:02d} left"


@contextlib.contextmanager
def _stop_on_signals(trainer: Trainer) -> Iterator[None]:
    """SIGINT and SIGTERM end training after the step under way, with everything saved."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: trainer.stop()) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _report(runs: list[Run], as_json: bool) -> None:
    if as_json:
        print_json({"runs": [run.to_dict() for run in runs]})
    else:
        columns = ("run", "state", "epoch", "test accuracy %", "published %", "errors", "seconds")
        print_table(columns, [_report_row(run) for run in runs])
    if any(run.state in ("failed", "damaged") for run in runs):
        raise typer.Exit(1)


def _report_row(run: Run) -> tuple:
    final = run.final
    published = SUMMARY.get(run.variant.key) if run.variant and run.dataset == "mnist" else None
    return (
        run.name,
        run.state if run.reason is None else f"{run.state}: {run.reason}",
        f"{run.epoch}/{run.epochs}",
        f"{final['test_accuracy_percent']:.2f}" if final else "",
        f"{published.last_accuracy_percent:.2f}" if published else "",
        str(final["errors"]) if final else "",
        f"{final['train_seconds']:.0f}" if final else "",
    )


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
