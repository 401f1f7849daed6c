"""What training costs, as the runs that come with NormLab tell it. Needs no torch.

They say what one image costs one thread under each normalization, all threads being busy.
"""

from __future__ import annotations

import functools
import os
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config import Recipe, Variant, variant_from_dict
from core.data.datasets import DATASETS
from core.errors import NormLabError
from core.training import runs as run_folders
from core.training.storage import read_json

STEP_IMAGES = 18
"""What a step costs beside its images, in images: measured with batches of 2 to 256."""

FALLBACK_DATASET = "mnist"
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Part:
    """`epochs` that one run still has to train."""

    dataset: str
    variant: Variant
    recipe: Recipe
    epochs: int


def wall_seconds(parts: Sequence[Part]) -> float:
    """Time of all runs together: each has one thread, and as many train at once as there are."""
    alone = [_thread_seconds(part) for part in parts]
    return max(max(alone), sum(alone) / num_threads())


def _thread_seconds(part: Part) -> float:
    costs, _ = shipped_costs(part.dataset)
    cost = costs.get(part.variant.norm) or statistics.mean(costs.values() or [1.0])
    small_batches = (1 + STEP_IMAGES / part.recipe.batch_size) / (
        1 + STEP_IMAGES / Recipe().batch_size
    )
    return part.epochs * DATASETS[part.dataset].num_train * cost * small_batches


def num_threads() -> int:
    """How many runs a CPU trains at once: the threads torch takes, found without importing it."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(usable or 1, _num_cores() or usable or 1))


@functools.cache
def _num_cores() -> int:
    """Cores of the machine, hyper-threads not counted; 0 where the system does not say."""
    try:
        text = CPU_INFO.read_text()
    except OSError:
        return 0
    return len(set(re.findall(r"^physical id\s*: (\d+)(?:\n.+)*?\ncore id\s*: (\d+)", text, re.M)))


def shipped_costs(dataset: str) -> tuple[dict[str, float], str]:
    """(seconds per image and thread by normalization, the machine) of the shipped runs."""
    root = run_folders.SHIPPED_DIR
    return _costs(root, dataset) if any(root.glob(dataset)) else _costs(root, FALLBACK_DATASET)


@functools.cache
def _costs(root: Path, dataset: str) -> tuple[dict[str, float], str]:
    found, machine = defaultdict(list), ""
    for norm, cost, name in _read_costs(root.glob(f"{dataset}/*/seed-*")):
        found[norm].append(cost)
        machine = name
    return {norm: statistics.mean(costs) for norm, costs in found.items()}, machine


def _read_costs(folders: Iterable[Path]) -> Iterator[tuple[str, float, str]]:
    """(normalization, seconds per image, machine) of each run that a CPU trained."""
    for path in folders:
        try:
            info = read_json(path / "run.json")
            variant, device = variant_from_dict(info["variant"]), info["device"]
            seconds = read_json(path / "manifest.json")["final"]["train_seconds"]
            num_images = variant.epochs * DATASETS[info["dataset"]].num_train
            if device["type"] == "cpu" and seconds > 0:
                yield variant.norm, seconds / num_images, device["name"]
        except (NormLabError, KeyError, TypeError):
            continue
