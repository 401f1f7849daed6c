"""`variants`, `runs`, `evaluate`, `summary`: commands that report and change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from core.analysis.evaluate import evaluate_logits
from core.analysis.metrics import score, wilson_interval
from core.analysis.robustness import corrupted_logits
from core.analysis.robustness_table import describe_severity
from core.cli.output import (
    RUNS_DIR,
    DataDirOption,
    DeviceOption,
    JsonOption,
    RunsDirOption,
    one_line_errors,
    print_json,
    print_table,
    printable,
)
from core.cli.progress import say
from core.cli.words import document, reason, with_options
from core.config import VARIANTS, Variant, describe_variant, get_variant, variant_to_dict
from core.data.corruptions import Corruption, parse_corruption
from core.data.datasets import DatasetInfo, get_dataset, load_split
from core.data.datasets import data_dir as find_data_dir
from core.device import select_device
from core.errors import RunError, UsageError
from core.model.network import Network
from core.model.summary import Summary, summarize, summary_to_dict
from core.training.checkpoint import load_network
from core.training.checks import cure_of_damage
from core.training.job import living_jobs
from core.training.manage import queued_runs
from core.training.runs import SHIPPED_DIR, Run, find_run, is_in_shipped, is_shipped, list_runs

DEFAULT_DATASET = "mnist"
VARIANT_KEYS = ("key", "norm", "num_groups", "l1_weight", "weight_decay", "epochs")


@one_line_errors
def variants(as_json: JsonOption = False) -> None:
    """List the variants."""
    rows = [{key: variant_to_dict(v)[key] for key in VARIANT_KEYS} for v in VARIANTS.values()]
    if as_json:
        print_json(rows)
    else:
        print_table(VARIANT_KEYS, [(*_format_variant(row),) for row in rows])


def _format_variant(row: dict) -> list[object]:
    groups = row["num_groups"]
    return [
        ",".join(map(str, groups)) if key == "num_groups" and groups else value
        for key, value in row.items()
    ]


@one_line_errors
def runs(
    shipped: Annotated[bool, typer.Option("--shipped", help="The runs NormLab came with.")] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    as_json: JsonOption = False,
) -> None:
    """List runs and their state."""
    if not shipped:
        _check_there(runs_dir)
    found = list_runs(SHIPPED_DIR) if shipped else with_queue(runs_dir)
    if as_json:
        print_json({"runs": [document(run) for run in found]})
        return
    columns = ("run", "state", "epoch", "test accuracy %", "reason")
    own = not (shipped or is_in_shipped(runs_dir))
    title = f"Runs in {runs_dir}" if own else "Runs that came with NormLab"
    print_table(columns, [_format_run(run) for run in found], title=title)


def _check_there(runs_dir: Path) -> None:
    """Says so where no folder is; `UsageError` where something else is."""
    if not runs_dir.exists():
        say(f"{runs_dir} is not there: nothing was trained into it yet.")
    elif not runs_dir.is_dir():
        raise UsageError(f"{runs_dir} is not a folder: choose another with --runs-dir.")


def with_queue(runs_dir: Path) -> list[Run]:
    """The runs in the folder, and those that a waiting job is going to make or to go on with."""
    waiting = {run.name: run for job in living_jobs(runs_dir) for run in queued_runs(job, runs_dir)}
    found = [waiting.pop(run.name, run) for run in list_runs(runs_dir)]
    return [*found, *waiting.values()]


def _format_run(run: Run) -> tuple:
    accuracy = f"{run.final['test_accuracy_percent']:.2f}" if run.final else ""
    return run.name, run.state, f"{run.epoch}/{run.epochs}", accuracy, _reason(run)


def _reason(run: Run) -> str | None:
    """Why a run is as it is, and what to do where it is damaged."""
    if run.state != "damaged":
        return reason(run)
    return with_options(f"{run.reason}: {cure_of_damage(run)}", subject=run.name)


@one_line_errors
def evaluate(
    names: Annotated[list[str] | None, typer.Argument(help="Such as mnist/gn/seed-1.")] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Default: the one of the runs, else mnist.")
    ] = None,
    corruption: Annotated[
        str | None, typer.Option(help="NAME=SEVERITY; of MNIST-C the NAME alone will do.")
    ] = None,
    device: DeviceOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate runs on a test set; without a name, all shipped runs of the data set."""
    asked = get_dataset(dataset or DEFAULT_DATASET)
    choice = select_device(device)
    changed = None if corruption is None else parse_corruption(corruption)
    chosen = chosen_runs(names, asked.key, runs_dir)
    info = asked if dataset else get_dataset(common_dataset(chosen))
    images, targets = load_split(info.key, find_data_dir(data_dir), "test")
    rows = []
    for run in chosen:
        logits = _logits(load_network(run), images, info, choice.device, changed)
        found = {**_identify(run), **_score(logits, targets)}
        rows.append({**found, "shipped": is_shipped(run)})
    about = {} if changed is None else {"corruption": changed[0].key, "severity": changed[1]}
    if as_json:
        print_json({"dataset": info.key, **about, "runs": rows})
    else:
        title = "" if changed is None else describe_severity(*changed)
        _print_scores(rows, title, runs_dir)


def _logits(
    network: Network,
    images: np.ndarray,
    info: DatasetInfo,
    device: torch.device,
    changed: tuple[Corruption, float] | None,
) -> np.ndarray:
    if changed is None:
        return evaluate_logits(network, images, info, device)
    kind, severity = changed
    return corrupted_logits([network.to(device)], images, kind.key, severity, info, device)[0]


def chosen_runs(names: list[str] | None, dataset: str, runs_dir: Path) -> list[Run]:
    """Those runs, each once, else all shipped runs of the data set; `RunError` for none."""
    if names:
        return [find_run(name, runs_dir) for name in dict.fromkeys(names)]
    shipped = list_runs(SHIPPED_DIR, dataset)
    if not shipped:
        raise RunError(f"No shipped run of {dataset}: train some and name them, see `runs`.")
    return shipped


def common_dataset(chosen: list[Run]) -> str:
    """The data set of these runs; `UsageError` where there are several."""
    found = sorted({run.dataset for run in chosen})
    if len(found) > 1:
        raise UsageError(f"These runs are of {' and '.join(found)}: choose one with --dataset.")
    return found[0]


def _identify(run: Run) -> dict:
    return {key: run.to_dict()[key] for key in ("run", "variant", "seed")}


def _score(logits: np.ndarray, targets: np.ndarray) -> dict:
    """The figures of `score` and the 95 % interval of the accuracy."""
    found = score(logits, targets)
    low, high = wilson_interval(int(found["errors"]), int(found["num_images"]))
    return {**found, "low_percent": 100 * low, "high_percent": 100 * high}


def _print_scores(rows: list[dict], title: str, runs_dir: Path) -> None:
    columns = ("run", "from", "images", "errors", "accuracy %", "95 % interval", "cross-entropy")
    table = [
        (
            row["run"],
            "shipped" if row["shipped"] else printable(str(runs_dir)),
            row["num_images"],
            row["errors"],
            f"{row['accuracy_percent']:.2f}",
            f"{row['low_percent']:.2f} to {row['high_percent']:.2f} (Wilson)",
            f"{row['cross_entropy']:.4f}",
        )
        for row in rows
    ]
    print_table(columns, table, title=title)


@one_line_errors
def summary(
    variant: Annotated[str, typer.Argument(help="A name; see `variants`.")],
    as_json: JsonOption = False,
) -> None:
    """Show what each layer of a variant holds and computes."""
    found = summarize(get_variant(variant))
    if as_json:
        print_json(summary_to_dict(found))
    else:
        _print_summary(found.variant, found)


def _print_summary(variant: Variant, found: Summary) -> None:
    columns = (
        *("layer", "type", "output", "kernel", "groups", "parameters", "buffers"),
        *("multiply-adds", "receptive field"),
    )
    rows: list[tuple] = [
        (
            layer.name,
            layer.type,
            "×".join(map(str, layer.output_shape)),
            "×".join(map(str, layer.kernel)) if layer.kernel else None,
            layer.groups,
            layer.trainable_parameters,
            layer.buffers,
            layer.multiply_adds,
            layer.receptive_field,
        )
        for layer in found.layers
    ]
    totals = (found.trainable_parameters, found.buffers, found.multiply_adds)
    rows.append(("total", None, None, None, None, *totals, ""))
    print_table(columns, rows, title=describe_variant(variant))
