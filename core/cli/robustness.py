"""`robustness`: how well networks classify corrupted test images, each outcome computed once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.analysis.robustness import curve_cells, curves_frame, evaluate_corruptions, missing
from core.analysis.robustness_table import robustness_table, row_label
from core.cli.output import (
    RUNS_DIR,
    DataDirOption,
    JsonOption,
    RunsDirOption,
    error_stream,
    one_line_errors,
    print_json,
    print_table,
)
from core.cli.progress import say
from core.cli.reports import DEFAULT_DATASET, chosen_runs, common_dataset
from core.config import parse_seeds
from core.data.corruptions import CORRUPTIONS, get_corruption
from core.data.datasets import data_dir as find_data_dir
from core.data.datasets import get_dataset, load_split
from core.device import check_choice
from core.errors import RunError, UsageError
from core.training.checks import describe_unfinished
from core.training.runs import Run

CorruptionOption = Annotated[
    list[str] | None, typer.Option(help="A name; may be repeated. Default: all of them.")
]
SeedOption = Annotated[str | None, typer.Option(help="Such as 1, 1,2,5 or 1-10. Default: all.")]


@one_line_errors
def robustness(
    names: Annotated[list[str] | None, typer.Argument(help="Such as mnist/gn/seed-1.")] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Default: the one of the runs, else mnist.")
    ] = None,
    corruption: CorruptionOption = None,
    seed: SeedOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accuracy under corruptions; without a name, of all shipped runs of the data set.

    Always on the CPU, whatever NORMLAB_DEVICE says.
    """
    check_choice()
    torch.set_num_threads(1)  # several networks are computed beside each other instead
    asked = get_dataset(dataset or DEFAULT_DATASET)
    keys = list(dict.fromkeys(get_corruption(name).key for name in corruption or CORRUPTIONS))
    runs = _with_seed(chosen_runs(names, asked.key, runs_dir), seed)
    info = asked if dataset else get_dataset(common_dataset(runs))
    for run in runs:
        _check(run, info.key)
    _compute(runs, keys, info.key, find_data_dir(data_dir))
    frame = curves_frame(runs, keys)
    table = robustness_table(frame)
    if as_json:
        results, rows = _records(frame), _records(table)
        print_json({"dataset": info.key, "results": results, "table": rows})
    else:
        _print(table)


def _with_seed(runs: list[Run], seed: str | None) -> list[Run]:
    if seed is None:
        return runs
    seeds = parse_seeds(seed)
    found = [run for run in runs if run.seed in seeds]
    if not found:
        there = ", ".join(map(str, sorted({run.seed for run in runs})))
        raise UsageError(f"None of these runs has seed {seed}: choose from {there}.")
    return found


def _check(run: Run, dataset: str) -> None:
    if run.dataset != dataset:
        raise UsageError(f"{run.name} is of {run.dataset}, not {dataset}: leave out --dataset.")
    if run.state != "done":
        raise RunError(describe_unfinished(run, "can be evaluated"))


def _compute(runs: Sequence[Run], keys: Sequence[str], dataset: str, root: Path) -> None:
    """Computes what is not stored yet, with progress and time left on standard error."""
    todo = missing(runs, curve_cells(keys))
    if not todo:
        return
    images, targets = load_split(dataset, root, "test")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(file=error_stream())
    with Progress(*columns, TimeRemainingColumn(), TextColumn("left"), console=console) as bar:
        task = bar.add_task("evaluating corrupted images", total=None)
        written = evaluate_corruptions(
            *(todo, images, targets, get_dataset(dataset)),
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    if not written:
        say("The results were not stored: the run folders cannot be written.")


def _records(frame: pd.DataFrame) -> list[dict]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _print(table: pd.DataFrame) -> None:
    """One line per corruption, one column per variant: mean, interval and rank."""
    num_seeds = table.groupby("variant", sort=False)["num_seeds"].max()
    seeds = {str(key): int(count) for key, count in num_seeds.items()}
    mixed = len({count == 1 for count in seeds.values()}) == 2
    names = [f"{key} *" if mixed and count == 1 else key for key, count in seeds.items()]
    rows = []
    for corruption, group in table.groupby("corruption", sort=False):
        cells = {record["variant"]: _cell(record) for record in group.to_dict("records")}
        rows.append((row_label(str(corruption)), *(cells.get(key, "") for key in seeds)))
    title = (
        f"Accuracy in % (95 % interval, {_interval_kind(sorted(set(seeds.values())))}, "
        f"{table['num_images'].max()} test images"
    )
    print_table(("corruption", *names), rows, title=title)


def _interval_kind(counts: Sequence[int]) -> str:
    """How the intervals are made, for columns of so many seeds, smallest first."""
    if counts == [1]:
        return "Wilson over images) and rank; one seed"
    single = "; *: one seed, Wilson over images" if counts[0] == 1 else ""
    several = " or ".join(map(str, counts))
    return f"Student's t over seeds{single}) and rank; {several} seeds"


def _cell(record: dict) -> str:
    low, high = record["low_percent"], record["high_percent"]
    interval = f"{low:.1f} – {high:.1f}" if low == low else "no interval"
    return f"{record['accuracy_percent']:.2f}  #{record['rank']}\n{interval}"
