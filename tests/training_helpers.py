"""Small training data and runs, for tests of everything that trains."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.config import VARIANTS, Recipe, Variant
from core.data.datasets import get_dataset, load_split
from core.device import DeviceChoice
from core.training.shard import TrainingData
from core.training.state import ReplicaState
from core.training.trainer import Trainer, start_runs

REPOSITORY = Path(__file__).resolve().parents[1]
CPU = DeviceChoice("cpu", "Test processor", "the only one")
NUM_TRAIN, NUM_TEST = 86, 40
RECIPE = Recipe(batch_size=32, step_size=1)
"""Three steps an epoch, the last with 22 images; the learning rate falls after each epoch."""


@functools.cache
def tiny_data(num_train: int = NUM_TRAIN, num_test: int = NUM_TEST) -> TrainingData:
    """The first digits of both splits, on the CPU."""
    info = get_dataset("digits")
    parts = []
    for split, count in (("train", num_train), ("test", num_test)):
        images, targets = load_split("digits", Path(), split)
        parts += [torch.tensor(images[:count]), torch.tensor(targets[:count])]
    return TrainingData(*parts, info.mean, info.std)


def data_on(device: str, data: TrainingData) -> TrainingData:
    """The same data on that device."""
    names = ("train_images", "train_targets", "test_images", "test_targets")
    return replace(data, **{name: getattr(data, name).to(device) for name in names})


def shortened(key: str, epochs: int = 1) -> Variant:
    """A published variant with fewer epochs."""
    return replace(VARIANTS[key], epochs=epochs)


def start_tiny(
    stack: ExitStack, root: Path, *specs: tuple[str, int, int], dataset: str = "digits"
) -> Trainer:
    """A trainer for new runs of these (variant key, seed, epochs), on `tiny_data` whatever
    `dataset` says.
    """
    pairs = [(shortened(key, epochs), seed) for key, seed, epochs in specs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.training.trainer.load_training_data", lambda *args: tiny_data())
        return start_runs(stack, pairs, dataset, root, Path(), CPU, RECIPE)


def train_tiny(root: Path, *specs: tuple[str, int, int], dataset: str = "digits") -> list[Path]:
    """Trains runs to the end; their folders."""
    with ExitStack() as stack:
        trainer = start_tiny(stack, root, *specs, dataset=dataset)
        for _ in trainer.run():
            pass
        return [writer.path for writer in trainer.writers]


def assert_same_state(a: ReplicaState, b: ReplicaState) -> None:
    """Bit for bit, but for the seconds."""
    for name in ("parameters", "momentum", "statistics", "sums"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name
    assert (a.epoch, a.step, a.seed) == (b.epoch, b.step, b.seed)


def assert_close_state(a: ReplicaState, b: ReplicaState, tolerance: float) -> None:
    """Parameters and statistics within `tolerance` of each other, momentum within 20 times that.

    Rounding moves momentum, of which a step takes a hundredth, more than what it is taken from.
    TensorFloat-32 moves parameters by 1e-4 in three steps, rounding alone by 1e-6.
    """
    for name, factor in (("parameters", 1), ("momentum", 20), ("statistics", 1)):
        x, y = getattr(a, name), getattr(b, name)
        assert (x - y).abs().max() <= factor * tolerance, name
    assert (a.epoch, a.step, a.seed) == (b.epoch, b.step, b.seed)


def without_seconds(records: list[dict]) -> list[dict]:
    """Metrics without the one column that may differ from run to run."""
    return [{name: v for name, v in record.items() if name != "seconds"} for record in records]


def start_process(*arguments: str, **environment: str) -> subprocess.Popen:
    """`python -m core …` as a real process, with pipes for text."""
    return subprocess.Popen(
        [sys.executable, "-m", "core", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
