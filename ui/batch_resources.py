"""What the Batch mates page computes with networks, computed once. Torch is imported late."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core.analysis.threads import map_in_threads
from core.data.datasets import data_dir, get_dataset, load_split
from core.training.runs import Run
from ui import explain_resources, resources
from ui.batch_data import ALONE, BATCH_NORM, STORED, Company

if TYPE_CHECKING:
    from torch import Tensor

    from core.analysis.flip_search import Flip

POOL_SIZE = 256
"""Test images among which a search looks for mates."""
NUM_TEST, NUM_SOURCE = 500, 2_048
"""Evenly spaced test images on which estimated statistics are tried, and training images among
which those to estimate on are drawn."""
MAX_RESULTS = 128


def batch(company: Company, mates: np.ndarray) -> Tensor:
    """The image and then the test images `mates`, normalized: (1 + mates, 1, 28, 28) float32."""
    import torch

    from core.data.augmentation import normalize

    assert company.image is not None
    images = np.concatenate([company.image[None], company.images[mates]])
    return normalize(torch.tensor(images), company.info.mean, company.info.std)


def answers(company: Company) -> dict[tuple[str, str], np.ndarray]:
    """(variant, condition) → logits (10,) of the image in that company."""
    digests = tuple((key, run.digest) for key, run in company.runs.items())
    about = (*company.identity, company.mates_class, company.own)
    return _answers(digests, about, company)


@st.cache_resource(show_spinner=False, max_entries=MAX_RESULTS)
def _answers(digests: tuple, about: tuple, _company: Company) -> dict[tuple[str, str], np.ndarray]:
    from core.analysis.batch_mates import logits_alone, logits_together

    batches = {condition: batch(_company, mates) for condition, mates in _company.mates().items()}

    def ask(item: tuple[str, Run]) -> dict[tuple[str, str], np.ndarray]:
        key, run = item
        network = explain_resources.network(run)
        stored = logits_alone(network, batches[ALONE])[0].numpy()
        together = {
            (key, condition): logits_together(network, images[None])[0, 0].numpy()
            for condition, images in batches.items()
        }
        return {(key, STORED): stored, **together}

    explain_resources.use_one_thread()
    found = map_in_threads(ask, _company.runs.items())
    return {key: logits for one in found for key, logits in one.items()}


def accuracies(
    dataset: str, runs: Sequence[Run], on_progress: Callable[[int, int], None]
) -> dict[str, dict]:
    """Run name → what is stored beside it: accuracy by batch size, for `ui/stored_results.py`."""
    import torch

    from core.analysis.batch_mates import ONE_CLASS, RANDOM, accuracy_by_size
    from core.data.augmentation import normalize

    info, targets = get_dataset(dataset), resources.predictions(runs[0]).targets
    images = normalize(torch.tensor(resources.test_images(dataset)), info.mean, info.std)
    # Of a batch of one class only batch norm hears.
    tasks = [(run, RANDOM) for run in runs]
    tasks += [(r, ONE_CLASS) for r in runs if r.variant and r.variant.norm == BATCH_NORM]

    def measure(task: tuple[Run, str]) -> list[dict]:
        return accuracy_by_size(explain_resources.network(task[0]), images, targets, task[1])

    explain_resources.use_one_thread()
    found = map_in_threads(measure, tasks, lambda done: on_progress(done, len(tasks)))
    documents: dict[str, dict] = {run.name: {"sizes": []} for run in runs}
    for (run, _), rows in zip(tasks, found, strict=True):
        documents[run.name]["sizes"] += rows
    return documents


def search(
    company: Company, key: str, size: int, on_progress: Callable[[int], None]
) -> tuple[Flip, list[int], Mapping[str, float]]:
    """The exchange that flips the variant's answer in a batch of `size`; the numbers of the test
    images behind row 0, which is the image itself.

    Last, per variant that is not batch norm, the largest |Δ logit| between first and last batch.
    """
    import torch

    from core.analysis.batch_mates import logits_together
    from core.analysis.flip_search import search_flip

    num_mates = size - 1
    others = company.drawn(num_mates + POOL_SIZE)
    images = batch(company, others)
    network = explain_resources.network(company.runs[key])
    flip = search_flip(network, images, num_mates, on_progress=on_progress)
    first = list(range(num_mates + 1))
    swaps = dict(zip(flip.removed, flip.added, strict=True))
    two = images[torch.tensor([first, [swaps.get(row, row) for row in first]])]
    moved = {}
    for other, run in company.runs.items():
        if other not in company.batch_norm:
            both = logits_together(explain_resources.network(run), two)[:, 0]
            moved[other] = float((both[0] - both[1]).abs().max())
    return flip, others.tolist(), moved


def reestimation(
    company: Company, corruption: str, severity: float, on_progress: Callable[[int, int], None]
) -> list[dict]:
    """Accuracy per variant on shifted images, after estimating statistics on more and more of them.

    Rows of `core.analysis.reestimation.reestimated_accuracy` with their `variant`.
    """
    from core.analysis.reestimation import COUNTS, reestimated_accuracy

    chosen = _evenly_spaced(len(company.images), NUM_TEST)
    images = _shifted(company.images[chosen], company, corruption, severity, seed=0)
    train = load_split(company.info.key, data_dir(), "train").images
    drawn_from = train[_evenly_spaced(len(train), NUM_SOURCE)]
    source = _shifted(drawn_from, company, corruption, severity, seed=1)
    targets = company.targets[chosen]
    tasks = [(key, 0) for key in company.runs]
    tasks += [(key, count) for key in company.batch_norm for count in COUNTS]

    def measure(task: tuple[str, int]) -> dict:
        key, count = task
        network = explain_resources.network(company.runs[key])
        return {"variant": key} | reestimated_accuracy(network, source, images, targets, count)

    explain_resources.use_one_thread()
    return map_in_threads(measure, tasks, lambda done: on_progress(done, len(tasks)))


def _evenly_spaced(total: int, count: int) -> np.ndarray:
    return np.linspace(0, total - 1, min(total, count)).astype(int)


def _shifted(
    images: np.ndarray, company: Company, corruption: str, severity: float, seed: int
) -> Tensor:
    import torch

    from core.data.corruptions import corrupt, to_inputs

    mean = company.info.mean
    shifted = corrupt(torch.tensor(images), corruption, severity, mean=mean, seed=seed)
    return to_inputs(shifted, mean, company.info.std)
