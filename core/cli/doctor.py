"""`doctor`: versions, device, data and shipped runs, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import torch
import typer

from core.cli.fetch import dataset_entry, read_status
from core.cli.output import (
    DataDirOption,
    DeviceOption,
    JsonOption,
    chosen_runs_dir,
    one_line_errors,
    print_json,
)
from core.cli.words import with_options
from core.config import VARIANTS, describe_seeds
from core.data.datasets import DATASETS
from core.data.datasets import data_dir as find_data_dir
from core.device import select_device
from core.errors import NormLabError
from core.published import SUMMARY
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, Run, list_runs, run_path
from core.training.trainer import versions

PACKAGES = (
    *("torchvision", "streamlit", "altair", "pandas", "pillow", "captum", "scipy", "scikit-learn"),
    *("statsmodels", "safetensors", "filelock", "torchinfo", "typer", "rich", "vl-convert-python"),
)
SHIPPED_DATASETS = ("mnist", "digits")


@one_line_errors
def doctor(
    device: DeviceOption = None, data_dir: DataDirOption = None, as_json: JsonOption = False
) -> None:
    """Say what is installed, which device computes, and whether data and runs are intact."""
    report = examine(device, data_dir)
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if report["problems"]:
        raise typer.Exit(1)


def examine(requested: str | None = None, data_dir: str | None = None) -> dict:
    """The document of `doctor`; a data set that is simply not here is no problem.

    Raises `UsageError` for a device that is `requested` and unknown or not there.
    """
    torch.set_num_threads(1)  # tiny networks only wait for a second thread
    problems: list[str] = []
    found = versions()
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            problems.append(f"{package} is not installed: pip install -r requirements.txt")
    runs = list_runs(SHIPPED_DIR)
    return {
        "versions": found,
        "device": _examine_device(requested, problems),
        "datasets": _examine_datasets(data_dir, problems),
        "runs_intact": _examine_runs(runs, problems),
        "problems": problems,
        "notes": _own_variants(runs),
    }


def _examine_device(requested: str | None, problems: list[str]) -> dict:
    if requested:
        return select_device(requested).to_dict()
    try:
        return select_device().to_dict()
    except NormLabError as error:
        problems.append(str(error))
        return {"type": None, "name": "none", "reason": str(error)}


def _examine_datasets(data_dir: str | None, problems: list[str]) -> list[dict]:
    root = find_data_dir(data_dir)
    statuses = [read_status(key, root) for key in DATASETS]
    problems += [status.reason or status.key for status in statuses if status.damaged]
    return [dataset_entry(status) for status in statuses]


def _examine_runs(runs: Sequence[Run], problems: list[str]) -> int:
    """How many shipped runs load and compute what they did when they were saved."""
    intact = 0
    for run in runs:
        try:
            load_network(run)
            intact += 1
        except NormLabError as error:
            problems.append(str(error))
    for dataset in SHIPPED_DATASETS:
        if missing := _missing_runs(dataset, runs):
            problems.append(f"no shipped {dataset} run of {missing}: fetch the checkout again")
    return intact


def _missing_runs(dataset: str, runs: Sequence[Run]) -> str:
    """Which of the six lacks a seed that another has, such as "gn, ln (seeds 2-3)"."""
    seeds = {key: _seeds(dataset, key, runs) for key in SUMMARY}
    every = set().union(*seeds.values())
    return ", ".join(
        f"{key} ({describe_seeds(every - there)})" if there else key
        for key, there in seeds.items()
        if every - there or not there
    )


def _seeds(dataset: str, key: str, runs: Sequence[Run]) -> set[int]:
    """Of the runs that are there, damaged ones too."""
    return {run.seed for run in runs if (run.dataset, run.path.parent.name) == (dataset, key)}


def _own_variants(runs: Sequence[Run]) -> list[str]:
    """Of variants added to the six: which lack the run of seed 1 that pages and commands ask."""
    made_here = chosen_runs_dir(None)
    return [
        f"{key} has no shipped {dataset} run of seed 1: train it with "
        f"`python -m core train {key} --dataset {dataset}`"
        for dataset in SHIPPED_DATASETS
        for key in VARIANTS
        if key not in SUMMARY
        and 1 not in _seeds(dataset, key, runs)
        and not run_path(made_here, dataset, key, 1).is_dir()
    ]


def _print_report(report: dict) -> None:
    device = report["device"]
    lines = [f"{name:<17} {number}" for name, number in report["versions"].items()]
    lines.append(
        f"{'device':<17} {device['type']}: {device['name']} ({with_options(device['reason'])})"
    )
    for dataset in report["datasets"]:
        state = "damaged" if dataset["damaged"] else "not here"
        state = f"in {dataset['path']}" if dataset["present"] else state
        lines.append(f"{dataset['name']:<17} {state}")
    lines.append(f"{'shipped runs':<17} {report['runs_intact']} intact")
    lines += [f"problem: {problem}" for problem in report["problems"]] or ["no problems"]
    lines += [f"note: {note}" for note in report["notes"]]
    print("\n".join(lines))
