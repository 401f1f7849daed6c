"""From a question on the command line to an explanation: subject, predictions, maps, diagnoses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core.analysis.attribution import AttributionMap, attribute_all
from core.analysis.baselines import Baseline, make_baseline
from core.analysis.change_report import change_sentences, changes_frame
from core.analysis.counterfactual import Change, ChangedImage, Pool, find_changes
from core.analysis.diagnosis import Diagnosis, diagnose_all
from core.analysis.evaluate import evaluate_logits
from core.analysis.map_images import common_limit
from core.analysis.normalizing import frozen_copy
from core.analysis.persistence import persistence
from core.analysis.predict import describe_logits
from core.analysis.reference import Reference, make_reference
from core.analysis.target import Target, resolve_target
from core.analysis.threads import map_in_threads
from core.analysis.trust import Trust, examine_map
from core.config import VARIANTS
from core.data.augmentation import normalize
from core.data.datasets import DatasetInfo, load_split
from core.data.preprocess import read_image
from core.errors import UsageError
from core.model.network import Network
from core.training.checkpoint import load_network
from core.training.runs import (
    SHIPPED_DIR,
    Run,
    find_runs,
    is_shipped,
    list_runs,
    read_predictions,
)


@dataclass(frozen=True)
class Question:
    """What was asked for: one image, by file or by index, some networks and some methods."""

    image: Path | None
    info: DatasetInfo
    index: int | None
    variants: list[str]
    methods: list[str]
    target: str
    baseline: str
    seed: int
    trust: bool
    diagnose: bool
    runs_dir: Path
    shipped_first: bool
    data_dir: Path


@dataclass(frozen=True, eq=False)
class Subject:
    """The image (28, 28) uint8 that is explained, its true class if known, and where it is from."""

    image: np.ndarray
    true: int | None
    index: int | None
    file: str | None
    notices: tuple[str, ...] = ()

    def inputs(self, info: DatasetInfo) -> Tensor:
        """As the networks see it: (1, 28, 28) float32, normalized."""
        return normalize(torch.tensor(self.image), info.mean, info.std)


@dataclass(frozen=True, eq=False)
class Explanation:
    """All that was found. `trust` maps (variant, method) to the tests of that map.

    `changes` are those that would turn a prediction (D3).
    """

    question: Question
    subject: Subject
    predictions: list[dict]
    maps: list[AttributionMap]
    trust: Mapping[tuple[str, str], Trust]
    diagnoses: list[Diagnosis]
    changes: list[Change]

    def limits(self) -> dict[str, float]:
        """The end of the colour scale that the maps of a method share."""
        drawn: dict[str, list[np.ndarray]] = {}
        for one in self.maps:
            if one.attributions is not None:
                drawn.setdefault(one.method, []).append(one.attributions)
        return {method: common_limit(maps) for method, maps in drawn.items()}

    def to_dict(self) -> dict:
        """The document of the command."""
        subject = self.subject
        return {
            "dataset": self.question.info.key,
            "seed": self.question.seed,
            "image": {"file": subject.file, "index": subject.index, "true": subject.true},
            "notices": list(subject.notices),
            "predictions": self.predictions,
            "color_limits": self.limits(),
            "maps": [self._map_to_dict(one) for one in self.maps],
            "diagnoses": [one.to_dict() for one in self.diagnoses],
            "counterfactuals": changes_frame(self.changes).to_dict("records"),
            "counterfactual_sentences": self.change_sentences(),
        }

    def change_sentences(self) -> list[str]:
        """What would turn each prediction, in words."""
        return change_sentences(self.changes, self.question.info.class_names)

    def _map_to_dict(self, one: AttributionMap) -> dict:
        found = one.to_dict()
        if one.attributions is not None:
            values = one.attributions
            sums = {"sum": float(values.sum(dtype=np.float64))}
            found |= {**sums, "minimum": float(values.min()), "maximum": float(values.max())}
        if self.question.trust:
            tests = self.trust.get((one.variant, one.method))
            found["trust"] = tests.to_dict() if tests else None
        return found


def explain_image(question: Question) -> Explanation:
    """Answers `question`; raises the errors of its parts and writes nothing."""
    info = question.info
    subject = read_subject(question)
    baseline = make_baseline(question.baseline, info, question.data_dir)
    runs = find_runs(
        *(question.variants, info.key, question.seed, question.runs_dir),
        shipped_first=question.shipped_first,
    )
    networks = {key: load_network(run) for key, run in runs.items()}
    logits = {
        key: evaluate_logits(network, subject.image[None], info)[0]
        for key, network in networks.items()
    }
    targets = {
        key: resolve_target(question.target, logits[key], subject.true, info.class_names)
        for key in networks
    }
    maps = _draw_maps(question, subject, baseline, networks, targets)
    siblings = _finished_runs(info) if question.trust or question.diagnose else {}
    return Explanation(
        question=question,
        subject=subject,
        predictions=[
            {
                "variant": key,
                "run": run.name,
                "shipped": is_shipped(run),
                **describe_logits(logits[key]),
            }
            for key, run in runs.items()
        ],
        maps=maps,
        trust=_test_maps(subject, info, baseline, networks, maps, _others(siblings, runs))
        if question.trust
        else {},
        diagnoses=_diagnose(question, subject, runs, networks, siblings)
        if question.diagnose
        else [],
        changes=_change(question, subject, runs, networks) if question.diagnose else [],
    )


def read_subject(question: Question) -> Subject:
    """The image that is asked for; `UsageError` unless exactly one of file and index is given."""
    if (question.image is None) == (question.index is None):
        raise UsageError("Name a picture or a test image by --index, one of the two.")
    if question.image is not None:
        found = read_image(question.image, centring=question.info.centring)
        return Subject(found.image, None, None, str(question.image), found.notices)
    images, targets = load_split(question.info.key, question.data_dir, "test")
    index = question.index
    if index is None or not 0 <= index < len(images):
        raise UsageError(
            f"index is {index}: the test images of {question.info.key} have 0 to {len(images) - 1}."
        )
    return Subject(images[index], int(targets[index]), index, None)


def _draw_maps(
    question: Question,
    subject: Subject,
    baseline: Baseline,
    networks: Mapping[str, Network],
    targets: Mapping[str, Target],
) -> list[AttributionMap]:
    inputs = subject.inputs(question.info)
    return [
        one
        for method in question.methods
        for one in attribute_all(networks, inputs, method, targets, baseline).values()
    ]


def _finished_runs(info: DatasetInfo) -> dict[str, list[Run]]:
    """The shipped runs of each of the six variants, by seed."""
    runs = [run for run in list_runs(SHIPPED_DIR, info.key) if run.state == "done"]
    return {key: [run for run in runs if run.path.parent.name == key] for key in VARIANTS}


def _others(siblings: Mapping[str, list[Run]], runs: Mapping[str, Run]) -> dict[str, list[Run]]:
    """The runs of each variant that another seed trained."""
    return {key: [s for s in siblings[key] if s.seed != run.seed] for key, run in runs.items()}


def _test_maps(
    subject: Subject,
    info: DatasetInfo,
    baseline: Baseline,
    networks: Mapping[str, Network],
    maps: list[AttributionMap],
    others: Mapping[str, list[Run]],
) -> dict[tuple[str, str], Trust]:
    inputs = subject.inputs(info)
    siblings = {key: [load_network(run) for run in runs] for key, runs in others.items()}
    return {
        (one.variant, one.method): examine_map(
            networks[one.variant], inputs, one, baseline, siblings[one.variant]
        )
        for one in maps
        if one.valid
    }


def _diagnose(
    question: Question,
    subject: Subject,
    runs: Mapping[str, Run],
    networks: Mapping[str, Network],
    siblings: Mapping[str, list[Run]],
) -> list[Diagnosis]:
    """Of all networks; the data set's images must be here. Gate 0 asks all shipped seeds."""
    info, root = question.info, question.data_dir
    train, test = load_split(info.key, root, "train"), load_split(info.key, root, "test")
    several = {
        key: [read_predictions(run.path) for run in found]
        for key, found in siblings.items()
        if len(found) > 1
    }

    def refer(key: str) -> Reference:
        run = runs[key]
        predictions = read_predictions(run.path)
        return make_reference(networks[key], train, test.images, predictions, info, run.seed)

    references = dict(zip(runs, map_in_threads(refer, runs), strict=True))
    gate = persistence(several) if len(several) > 1 else None
    found = diagnose_all(references, subject.image, subject.true, index=subject.index, gate=gate)
    return list(found.values())


def _change(
    question: Question, subject: Subject, runs: Mapping[str, Run], networks: Mapping[str, Network]
) -> list[Change]:
    """D3 under all networks, with controls among the test images."""
    info = question.info
    images = load_split(info.key, question.data_dir, "test").images
    pool = Pool(images, {key: read_predictions(run.path) for key, run in runs.items()})
    image = ChangedImage(subject.image, subject.true, info, subject.index)
    copies = {key: frozen_copy(network) for key, network in networks.items()}
    return find_changes(copies, image, pool)
