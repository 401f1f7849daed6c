"""Shipped networks and tiny ones with known answers, for tests of everything that explains."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from core.analysis.baselines import Baseline, make_baseline
from core.analysis.target import Target, resolve_target
from core.data.augmentation import normalize
from core.data.datasets import data_dir, get_dataset, load_split
from core.model.network import Network
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, Predictions, read_predictions, read_run, run_path

TINY_TARGET = Target("0", (1.0,), 0, None, "the only output")
ZEROS = Baseline("zero", "Zero", np.zeros((1, 28, 28), np.float32))


@functools.cache
def shipped(variant: str, dataset: str = "digits", seed: int = 1) -> Network:
    """A network that comes with NormLab. Tests share it, so none may change it."""
    run = read_run(run_path(SHIPPED_DIR, dataset, variant, seed), SHIPPED_DIR)
    return load_network(run)


@functools.cache
def predictions(variant: str, dataset: str = "digits", seed: int = 1) -> Predictions:
    return read_predictions(run_path(SHIPPED_DIR, dataset, variant, seed))


@functools.cache
def _pixels(dataset: str) -> np.ndarray:
    return load_split(dataset, data_dir(), "test").images


def image(index: int, dataset: str = "digits") -> Tensor:
    """The test image (1, 28, 28), normalized."""
    info = get_dataset(dataset)
    return normalize(torch.tensor(_pixels(dataset)[index]), info.mean, info.std)


def baseline(key: str = "black", dataset: str = "digits") -> Baseline:
    return make_baseline(key, get_dataset(dataset), Path(data_dir()))


def target(
    variant: str, index: int, spec: str = "pred_minus_true", dataset: str = "digits"
) -> Target:
    found = predictions(variant, dataset)
    names = get_dataset(dataset).class_names
    return resolve_target(spec, found.logits[index], int(found.targets[index]), names)


def cases(variant: str, dataset: str = "digits", each: int = 8) -> list[int]:
    """Indices of the first images that are right and of the first that fail."""
    found = predictions(variant, dataset)
    wrong = found.predicted != found.targets
    return [*np.flatnonzero(~wrong)[:each].tolist(), *np.flatnonzero(wrong)[:each].tolist()]


class TwoPixels(nn.Sequential):
    """f = 3·ReLU(p + 2q − 1) − ReLU(p − 1) of pixels p at (0, 0) and q at (0, 4); f(0) = 0.

    The pixels lie in neighbouring 4×4 squares. All other pixels are ignored.
    """

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(784, 2), nn.ReLU(), nn.Linear(2, 1, bias=False))
        with torch.no_grad():
            self[1].weight.zero_()
            self[1].weight[:, [0, 4]] = torch.tensor([[1.0, 2.0], [1.0, 0.0]])
            self[1].bias.fill_(-1)
            self[3].weight.copy_(torch.tensor([[3.0, -1.0]]))

    @staticmethod
    def image(p: float, q: float) -> Tensor:
        pixels = torch.zeros(1, 28, 28)
        pixels[0, 0, 0], pixels[0, 0, 4] = p, q
        return pixels
