"""`doctor`: versions, device, data and shipped runs, and what is wrong with them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import torch
import typer

from core.cli.output import DataDirOption, DeviceOption, JsonOption, one_line_errors, print_json
from core.cli.words import with_options
from core.config import VARIANTS
from core.data.datasets import DATASETS, check_dataset
from core.data.datasets import data_dir as find_data_dir
from core.device import select_device
from core.errors import NormLabError
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, list_runs
from core.training.trainer import versions

PACKAGES = ("torchvision", "streamlit", "pandas", "altair", "safetensors", "scikit-learn", "scipy")


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
    """The document of `doctor`; a data set that is simply not here is no problem."""
    torch.set_num_threads(1)  # tiny networks only wait for a second thread
    problems: list[str] = []
    found = versions()
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            problems.append(f"{package} is not installed: pip install -r requirements.txt")
    return {
        "versions": found,
        "device": _examine_device(requested, problems),
        "datasets": _examine_datasets(data_dir, problems),
        "runs_intact": _examine_runs(problems),
        "problems": problems,
    }


def _examine_device(requested: str | None, problems: list[str]) -> dict:
    try:
        return select_device(requested).to_dict()
    except NormLabError as error:
        problems.append(str(error))
        return {"type": None, "name": "none", "reason": str(error)}


def _examine_datasets(data_dir: str | None, problems: list[str]) -> list[dict]:
    root = find_data_dir(data_dir)
    statuses = [check_dataset(key, root) for key in DATASETS]
    problems += [status.reason or status.key for status in statuses if status.damaged]
    return [{"name": s.key, "present": s.present, "path": str(s.path)} for s in statuses]


def _examine_runs(problems: list[str]) -> int:
    """How many shipped runs load and compute what they did when they were saved."""
    runs = list_runs(SHIPPED_DIR)
    intact = 0
    for run in runs:
        try:
            load_network(run)
            intact += 1
        except NormLabError as error:
            problems.append(str(error))
    for dataset in ("mnist", "digits"):
        keys = {run.variant.key for run in runs if run.variant and run.dataset == dataset}
        if missing := [key for key in VARIANTS if key not in keys]:
            problems.append(
                f"no shipped {dataset} run of {', '.join(missing)}: fetch the checkout again"
            )
    return intact


def _print_report(report: dict) -> None:
    device = report["device"]
    lines = [f"{name:<14} {number}" for name, number in report["versions"].items()]
    lines.append(
        f"{'device':<14} {device['type']}: {device['name']} ({with_options(device['reason'])})"
    )
    for dataset in report["datasets"]:
        state = f"in {dataset['path']}" if dataset["present"] else "not here"
        lines.append(f"{dataset['name']:<14} {state}")
    lines.append(f"{'shipped runs':<14} {report['runs_intact']} intact")
    lines += [f"problem: {problem}" for problem in report["problems"]] or ["no problems"]
    print("\n".join(lines))
