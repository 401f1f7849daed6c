"""Networks, maps, diagnoses and trust figures of the Explain page: computed once, then shared.

Everything is keyed by the digests of the runs, `Subject.identity` and the settings. What these
functions return is shared between sessions and threads: read it, never change it. Torch is imported
only inside the functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.analysis.baselines import Baseline, make_baseline
from core.analysis.persistence import persistence
from core.analysis.predict import predict
from core.analysis.target import DEFAULT_TARGET, Target, resolve_target
from core.data.datasets import DatasetInfo, data_dir, get_dataset, load_split
from core.training.runs import Run
from ui import resources, state
from ui.explain_data import Subject

if TYPE_CHECKING:
    from torch import Tensor

    from core.analysis.attribution import AttributionMap
    from core.analysis.diagnosis import Diagnosis
    from core.analysis.reference import Reference
    from core.analysis.trust import Trust
    from core.data.datasets import Split
    from core.model.network import Network

MAX_NETWORKS = 120
MAX_RESULTS = 256
MAX_REFERENCES = 60


@st.cache_resource(show_spinner=False)
def use_one_thread() -> None:
    """Small convolutions wait for more threads than they gain from them."""
    import torch

    torch.set_num_threads(1)


def all_seeds(subject: Subject) -> dict[str, list[Run]]:
    """Every finished run of the data set by variant, whichever seeds the sidebar shows."""
    found = resources.pooled(subject.info.key, state.source())
    return state.Selection(subject.info.key, found.runs).by_variant


def network(run: Run) -> Network:
    """The trained network of a run; `RunError` if its file is not what was committed."""
    use_one_thread()
    return _network(str(run.path), run.digest, run)


@st.cache_resource(show_spinner=False, max_entries=MAX_NETWORKS)
def _network(path: str, digest: str, _run: Run) -> Network:
    from core.training.checkpoint import load_network

    return load_network(_run)


def inputs(subject: Subject) -> Tensor:
    """The image as the networks see it: (1, 28, 28) float32, normalized."""
    import torch

    from core.data.augmentation import normalize

    assert subject.image is not None
    return normalize(torch.tensor(subject.image), subject.info.mean, subject.info.std)


def logits(runs: Mapping[str, Run], image: np.ndarray, info: DatasetInfo) -> dict[str, np.ndarray]:
    """What each run (variant → run) says of an image (28, 28) uint8: logits (10,) float32."""
    networks = {key: network(run) for key, run in runs.items()}
    return {key: found[0] for key, found in predict(networks, image[None], info).items()}


def baseline(key: str, dataset: str) -> Baseline:
    """One of `core.analysis.baselines.BASELINES`; `DataError` without the images it needs."""
    return _baseline(key, dataset, str(resources.dataset_status(dataset).path))


@st.cache_resource(show_spinner=False, max_entries=16)
def _baseline(key: str, dataset: str, path: str) -> Baseline:
    return make_baseline(key, get_dataset(dataset), data_dir())


def uploaded_baseline(image: np.ndarray, dataset: str) -> Baseline:
    """A user's image (28, 28) uint8 as a baseline, named by its content."""
    info = get_dataset(dataset)
    pixels = ((image / 255 - info.mean) / info.std).astype(np.float32)[None]
    return Baseline(f"own:{hashlib.sha256(image.tobytes()).hexdigest()}", "Own image", pixels)


def maps(
    subject: Subject, keys: Sequence[str], methods: Sequence[str], target: str, reference: Baseline
) -> dict[tuple[str, str], AttributionMap]:
    """The map of each variant in `keys` by each of `methods`: (variant, method) → map."""
    runs = {key: subject.runs[key] for key in keys}
    found: dict[tuple[str, str], AttributionMap] = {}
    for method in methods:
        digests = tuple((key, run.digest) for key, run in runs.items())
        about = (*subject.identity, method, target, reference.key)
        computed = _maps(digests, about, subject, runs, reference)
        found |= {(key, method): one for key, one in computed.items()}
    return found


@st.cache_resource(show_spinner=False, max_entries=MAX_RESULTS)
def _maps(
    digests: tuple,
    about: tuple,
    _subject: Subject,
    _runs: Mapping[str, Run],
    _reference: Baseline,
) -> dict[str, AttributionMap]:
    from core.analysis.attribution import attribute_all

    *_, method, target, _ = about
    networks = {key: network(run) for key, run in _runs.items()}
    targets = {key: _target(_subject, key, target) for key in _runs}
    return attribute_all(networks, inputs(_subject), method, targets, _reference)


def gradient_shares(subject: Subject) -> dict[str, float]:
    """The share of the input gradient that flows through the statistics, per variant, in [0, 1]."""
    digests = tuple((key, run.digest) for key, run in subject.runs.items())
    return _gradient_shares(digests, subject.identity, subject)


@st.cache_resource(show_spinner=False, max_entries=MAX_RESULTS)
def _gradient_shares(digests: tuple, about: tuple, _subject: Subject) -> dict[str, float]:
    import torch

    from core.analysis.gradient_share import gradient_share

    images = inputs(_subject).unsqueeze(0)
    found: dict[str, float] = {}
    for key, run in _subject.runs.items():
        weights = torch.tensor([_target(_subject, key, DEFAULT_TARGET).weights])
        found[key] = float(gradient_share(network(run), images, weights))
    return found


def diagnosis(subject: Subject, by_variant: Mapping[str, Sequence[Run]]) -> Diagnosis:
    """Why the chosen variant decides as it does; with `by_variant`, all seeds, Gate 0 is asked."""
    run = subject.runs[subject.variant]
    digests = tuple(run.digest for runs in by_variant.values() for run in runs)
    return _diagnosis(run.digest, subject.identity, digests, subject, run, by_variant)


@st.cache_resource(show_spinner=False, max_entries=MAX_RESULTS)
def _diagnosis(
    digest: str,
    about: tuple,
    digests: tuple[str, ...],
    _subject: Subject,
    _run: Run,
    _by_variant: Mapping[str, Sequence[Run]],
) -> Diagnosis:
    from core.analysis.diagnosis import diagnose

    assert _subject.image is not None
    return diagnose(
        reference(_subject.info.key, _run),
        _subject.image,
        _subject.target,
        index=_subject.index,
        gate=gate(_by_variant),
    )


def reference(dataset: str, run: Run) -> Reference:
    """What the run's diagnoses are compared with; `DataError` without the training images."""
    use_one_thread()
    return _reference(dataset, str(resources.dataset_status(dataset).path), run.digest, run)


@st.cache_resource(show_spinner=False, max_entries=MAX_REFERENCES)
def _reference(dataset: str, path: str, digest: str, _run: Run) -> Reference:
    from core.analysis.reference import make_reference

    return make_reference(
        network(_run),
        _train_split(dataset, path),
        resources.test_images(dataset),
        resources.predictions(_run),
        get_dataset(dataset),
        _run.seed,
    )


@st.cache_resource(show_spinner=False, max_entries=1)
def _train_split(dataset: str, path: str) -> Split:
    return load_split(dataset, data_dir(), "train")


def gate(by_variant: Mapping[str, Sequence[Run]]) -> pd.DataFrame | None:
    """Gate 0 over all seeds, as `persistence` gives it; None where a variant has only one."""
    if any(len(runs) < 2 for runs in by_variant.values()):
        return None
    digests = tuple((key, tuple(r.digest for r in runs)) for key, runs in by_variant.items())
    return _gate(digests, by_variant)


@st.cache_resource(show_spinner=False, max_entries=32)
def _gate(digests: tuple, _by_variant: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    return persistence(
        {key: [resources.predictions(run) for run in runs] for key, runs in _by_variant.items()}
    )


def trust(
    subject: Subject, found: AttributionMap, reference: Baseline, others: Sequence[Run]
) -> Trust:
    """The tests of one map; `others` are the runs of the same variant with other seeds."""
    run = subject.runs[found.variant]
    digests = (run.digest, *(other.digest for other in others))
    about = (*subject.identity, found.method, found.target.weights, reference.key)
    return _trust(digests, about, subject, found, reference, others)


@st.cache_resource(show_spinner=False, max_entries=MAX_RESULTS)
def _trust(
    digests: tuple[str, ...],
    about: tuple,
    _subject: Subject,
    _found: AttributionMap,
    _reference: Baseline,
    _others: Sequence[Run],
) -> Trust:
    from core.analysis.trust import examine_map

    return examine_map(
        network(_subject.runs[_found.variant]),
        inputs(_subject),
        _found,
        _reference,
        [network(run) for run in _others],
    )


def _target(subject: Subject, key: str, spec: str) -> Target:
    return resolve_target(spec, subject.logits[key], subject.target, subject.info.class_names)
