"""Seconds per epoch and variant: the engine against the classic training loop.

    python -m benchmarks.training [--dataset mnist] [--images 6400] [--repeats 3] [--json]

The classic loop is what most notebooks do: a Dataset of PIL images with torchvision's transforms,
a DataLoader, one network at a time, `.item()` in every step, as many threads as torch takes. Both
sides train and evaluate on the same images; the figures are scaled to one epoch of 60,000 training
and 10,000 test images. The two take turns and the median counts, because machines are noisy.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

from core.config import VARIANTS, Recipe, Variant
from core.data.datasets import DatasetInfo, data_dir, get_dataset
from core.data.download import import_torchvision
from core.device import select_device
from core.errors import NormLabError
from core.model.network import build_network
from core.training.engine import Engine
from core.training.shard import TrainingData
from core.training.state import new_state
from core.training.trainer import load_training_data

EPOCH_IMAGES = 60_000
TEST_SHARE = 6
"""Training images per test image, as in MNIST."""


class PilImages(Dataset):
    """The images as PIL images, transformed one at a time."""

    def __init__(self, images: torch.Tensor, targets: torch.Tensor, transform: object) -> None:
        self.images = [Image.fromarray(image.numpy()) for image in images.cpu()]
        self.targets = targets.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.images[index]), self.targets[index]  # type: ignore[operator]


def make_loaders(data: TrainingData, info: DatasetInfo, recipe: Recipe) -> list[DataLoader]:
    """A loader of the training and one of the test images."""
    t = import_torchvision().transforms
    tail = [t.ToTensor(), t.Normalize((info.mean,), (info.std,))]
    rotated = t.Compose([t.RandomRotation(recipe.rotation_degrees, fill=recipe.fill), *tail])
    train = PilImages(data.train_images, data.train_targets, rotated)
    test = PilImages(data.test_images, data.test_targets, t.Compose(tail))
    return [
        DataLoader(train, batch_size=recipe.batch_size, shuffle=True),
        DataLoader(test, batch_size=recipe.batch_size),
    ]


def classic_epoch(variant: Variant, loaders: list[DataLoader], recipe: Recipe, device: str) -> None:
    """One epoch of training and one evaluation of a single network."""
    network = build_network(variant, seed=1).to(device)
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=variant.weight_decay,
    )
    train_loader, test_loader = loaders
    total = 0.0
    for images, targets in train_loader:
        loss = F.cross_entropy(network(images.to(device)), targets.to(device))
        if variant.l1_weight:
            loss = loss + variant.l1_weight * sum(p.abs().sum() for p in network.parameters())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    total += evaluate(network.eval(), test_loader, device)


@torch.no_grad()
def evaluate(network: nn.Module, loader: DataLoader, device: str) -> float:
    """Summed test loss."""
    losses = (F.cross_entropy(network(x.to(device)), y.to(device)).item() for x, y in loader)
    return sum(losses)


def time_classic(data: TrainingData, info: DatasetInfo, device: str) -> float:
    """Seconds per epoch and variant of the classic loop, mean over the six."""
    recipe = Recipe()
    loaders = make_loaders(data, info, recipe)
    started = time.monotonic()
    for variant in VARIANTS.values():
        classic_epoch(variant, loaders, recipe, device)
    return _per_epoch(time.monotonic() - started, data)


def time_engine(data: TrainingData) -> float:
    """Seconds per epoch and variant of the engine that trains all six side by side."""
    variants = [dataclasses.replace(variant, epochs=1) for variant in VARIANTS.values()]
    engine = Engine([new_state(variant, 1) for variant in variants], data, Recipe())
    started = time.monotonic()
    records = list(engine.fit())
    seconds = time.monotonic() - started
    if len(records) != len(variants):
        raise NormLabError(f"{len(records)} of {len(variants)} epochs were trained.")
    return _per_epoch(seconds, data)


def _per_epoch(seconds: float, data: TrainingData) -> float:
    return seconds / len(VARIANTS) * EPOCH_IMAGES / len(data.train_images)


def run(dataset: str, num_images: int, repeats: int, requested: str | None) -> dict:
    """Both sides in turns; the document that `--json` prints."""
    choice, info = select_device(requested), get_dataset(dataset)
    data = load_training_data(dataset, data_dir(), choice)
    data = dataclasses.replace(
        data,
        train_images=data.train_images[:num_images],
        train_targets=data.train_targets[:num_images],
        test_images=data.test_images[: num_images // TEST_SHARE],
        test_targets=data.test_targets[: num_images // TEST_SHARE],
    )
    pairs = [(time_classic(data, info, choice.type), time_engine(data)) for _ in range(repeats)]
    reference, ours = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {
        "ratio": reference / ours,
        "reference": reference,
        "ours": ours,
        "unit": "seconds per epoch and variant",
        "machine": f"{choice.name}, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "ratios": [classic / engine for classic, engine in pairs],
        "images": len(data.train_images),
        "dataset": dataset,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--images", type=int, default=6400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        result = run(options.dataset, options.images, options.repeats, options.device)
    except NormLabError as error:
        sys.exit(f"normlab: {error}")
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(
        f"classic loop {result['reference']:.1f}, engine {result['ours']:.1f} {result['unit']}: "
        f"{result['ratio']:.2f} times as fast ({result['machine']}, n = {options.repeats}, "
        f"ratios {', '.join(f'{r:.2f}' for r in result['ratios'])})"
    )


if __name__ == "__main__":
    main()
