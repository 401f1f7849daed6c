"""What the networks answer to a changed image, and the check of the algebra of contrast.

Torch is imported only inside the functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from core.training.runs import Run
from ui import explain_resources
from ui.charts import VARIANT_LABELS
from ui.explain_data import Subject

if TYPE_CHECKING:
    from torch import nn


class Answers(NamedTuple):
    """The same image before and after; pixels (28, 28) float32, black 0 and white 1."""

    before: Subject
    now: Subject
    clean: np.ndarray
    changed: np.ndarray


def ask(subject: Subject, severities: Mapping[str, float]) -> Answers:
    """What every variant says of the image as it is and with `severities` applied.

    Noise is that of the accuracy curves: seed 0 and the image's own number, 0 for a user's image.
    Raises `RunError` where a network cannot be loaded.
    """
    import torch

    from core.data.corruptions import corrupt_all, to_inputs

    assert subject.image is not None
    networks = {key: explain_resources.network(run) for key, run in subject.runs.items()}
    info, images = subject.info, torch.tensor(subject.image)[None]
    pixels = torch.cat(
        [
            corrupt_all(images, done, mean=info.mean, seed=0, indices=[subject.index or 0])
            for done in ({}, severities)
        ]
    )
    with torch.inference_mode():
        inputs = to_inputs(pixels, info.mean, info.std)
        logits = {key: network(inputs).numpy() for key, network in networks.items()}
    clean, changed = pixels.numpy()
    return Answers(_say(subject, logits, 0), _say(subject, logits, 1), clean, changed)


def _say(subject: Subject, logits: Mapping[str, np.ndarray], number: int) -> Subject:
    said = {key: found[number] for key, found in logits.items()}
    predicted = {key: int(found.argmax()) for key, found in said.items()}
    return replace(subject, logits=said, predicted=predicted)


def contrast_check(subject: Subject, factor: float) -> pd.DataFrame:
    """Largest |Δlogit| of the clean image between contrast ×1 and ×`factor` about grey.

    One row per variant: `variant, label, norm`, `computed` (as the network runs, float32),
    `eps` (in float64) and `exact` (in float64, without the ε of the normalization).
    """
    digests = tuple(run.digest for run in subject.runs.values())
    return _contrast_check(digests, subject.identity, factor, subject)


@st.cache_resource(show_spinner=False, max_entries=explain_resources.MAX_RESULTS)
def _contrast_check(
    digests: tuple[str, ...], about: tuple, factor: float, _subject: Subject
) -> pd.DataFrame:
    from core.analysis.contrast_invariance import logit_change

    inputs, rows = explain_resources.inputs(_subject)[None], []
    for key, run in _subject.runs.items():
        asked: dict[str, nn.Module] = {
            "computed": explain_resources.network(run),
            "eps": _exact(run.digest, False, run),
            "exact": _exact(run.digest, True, run),
        }
        changes = {name: logit_change(one, inputs, factor) for name, one in asked.items()}
        norm = run.variant.norm if run.variant else ""
        rows.append(
            {"variant": key, "label": VARIANT_LABELS.get(key, key), "norm": norm, **changes}
        )
    return pd.DataFrame(rows)


@st.cache_resource(show_spinner=False, max_entries=explain_resources.MAX_NETWORKS)
def _exact(digest: str, without_eps: bool, _run: Run) -> nn.Module:
    from core.analysis.contrast_invariance import exact_copy

    return exact_copy(explain_resources.network(_run), without_eps=without_eps)
