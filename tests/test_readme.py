"""What the README says must be so: its figures, its commands, its files."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.analysis import robustness_table
from core.analysis.robustness import curves_frame
from core.analysis.significance import compare_pairs
from core.config import VARIANTS
from core.published import SUMMARY
from core.training.runs import list_runs, read_predictions
from ui.failures_data import overlap

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def results() -> dict[str, list[str]]:
    """The rows of the results table by the variant's key."""
    section = README.split("## Results")[1].split("\n## ")[0]
    rows = [
        line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")
    ]
    return {row[0].strip("`"): row[1:] for row in rows}


def shipped(key: str) -> list[dict]:
    """The final figures of a variant's shipped MNIST runs, by seed."""
    paths = sorted(
        (ROOT / "checkpoints" / "mnist" / key).glob("seed-*/manifest.json"),
        key=lambda path: int(path.parent.name.removeprefix("seed-")),
    )
    return [json.loads(path.read_text())["final"] for path in paths]


@pytest.mark.parametrize("key", VARIANTS)
def test_results_are_those_of_the_shipped_runs(key):
    accuracy, errors, loss, published = results()[key]
    runs = shipped(key)
    assert errors == ", ".join(str(run["errors"]) for run in runs)
    mean_accuracy = sum(run["test_accuracy_percent"] for run in runs) / len(runs)
    mean_loss = sum(run["test_loss"] for run in runs) / len(runs)
    assert (accuracy, loss) == (f"{mean_accuracy:.2f}", f"{mean_loss:.4f}")
    assert published == f"{SUMMARY[key].last_accuracy_percent:.2f}"


def test_the_differences_that_are_named_are_those_that_are_resolved():
    found: dict[str, dict] = {key: {} for key in VARIANTS}
    for run in list_runs(ROOT / "checkpoints", "mnist"):
        found[run.path.parent.name][run.seed] = read_predictions(run.path)
    pairs = compare_pairs(found)
    resolved = pairs[pairs["resolved"]]
    row = resolved.iloc[0]  # of its two, a is the worse one
    assert len(resolved) == 1 and row["difference_percent"] < 0
    points = (f"{-row[name]:.2f}" for name in ("difference_percent", "high_percent", "low_percent"))
    least, most = (math.ceil(value) for value in pairs["resolvable_errors"].agg(["min", "max"]))
    claims = (
        "**One of the 15 differences between the six is resolved**: "
        f"`{row['b']}` is more accurate than `{row['a']}`, "
        "by {} percentage points ({} to {}). ".format(*points)
        + f"To be resolved, one must reach about {least} to {most} images."
    )
    assert claims in " ".join(README.split())


def test_the_overlap_of_failures_is_that_of_the_shipped_runs():
    failures: dict[str, dict] = {key: {} for key in VARIANTS}
    for run in list_runs(ROOT / "checkpoints", "mnist"):
        found = read_predictions(run.path)
        index = np.flatnonzero(found.predicted != found.targets)
        failures[run.path.parent.name][run.seed] = pd.DataFrame({"index": index})
    frame = overlap(failures)
    means = frame.groupby(frame["row"] == frame["column"])["jaccard"].mean()
    said = (
        f"share {means[True]:.0%} of the images that either fails on if they are of one variant, "
    )
    assert (said + f"and {means[False]:.0%} if they are of two").replace("%", " %") in " ".join(
        README.split()
    )


ROBUSTNESS = {
    "clean": robustness_table.CLEAN,
    "contrast ×0.25 about black": "contrast",
    "contrast ×0.25 about grey": "contrast_grey",
    "brightness +0.5": "brightness",
    "Gaussian noise, sd 0.3": "gaussian_noise",
    "blur, 1.5 px": "blur",
    "5 px to the right": "shift_x",
    "5 px down": "shift_y",
    "mean of the 15 of MNIST-C": robustness_table.MNIST_C_MEAN,
}
"""What a row of the README's second table is called in `robustness_table`."""


def test_the_robustness_figures_are_those_of_the_shipped_runs():
    section = README.split("### Away from clean images")[1].split("\n##")[0]
    header, _, *rows = [
        line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")
    ]
    frame = curves_frame(list_runs(ROOT / "checkpoints", "mnist"))
    found = robustness_table.robustness_table(frame).set_index(["corruption", "variant"])
    assert [row[0] for row in rows] == list(ROBUSTNESS)
    assert {key.strip("`") for key in header[1:]} == set(VARIANTS)
    columns = ["accuracy_percent", "low_percent", "high_percent"]
    for name, *shown in rows:
        cells = found.loc[ROBUSTNESS[name], columns]
        figures = [cells.loc[key.strip("`")] for key in header[1:]]
        expected = ["{:.1f} ({:.1f}–{:.1f})".format(*figure) for figure in figures]
        assert shown == [cell.replace("100.0)", "100)") for cell in expected], name


def test_the_two_commands_use_the_files_that_exist():
    commands = re.findall(r"<!-- (\w+) command -->\n```\n(.+)\n```", README)
    assert [name for name, _ in commands] == ["app", "test"]
    for _, command in commands:
        for name in re.findall(r"[\w-]+\.(?:txt|py)\b", command):
            assert (ROOT / name).is_file()


def test_the_file_tree_names_what_is_there():
    tree = README.split("## Files")[1].split("```")[1]
    names = [line.split()[0] for line in tree.strip().splitlines()]
    made_later = {"runs/"}
    missing = [name for name in names if not (ROOT / name).exists() and name not in made_later]
    assert missing == []
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    top_level = {name for name in folders if name[0] != "." and name != "__pycache__"}
    described = {name.split("/")[0] for name in names}
    assert top_level - described - {"data"} == set()


def test_every_command_of_the_table_exists():
    from core.__main__ import app

    commands = [command for command in app.registered_commands if command.callback]
    known = {command.name or command.callback.__name__ for command in commands}
    assert set(re.findall(r"^\| `python -m core (\w+)", README, re.MULTILINE)) == known
