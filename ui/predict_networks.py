"""What the networks say of a user's own images, and how usual these are.

Results are kept under the content of the images, never under a name or a number that two users
could give to different ones, and are shared: read them, never change them. Torch is imported only
where the networks are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.analysis.predict import answers_frame, predict
from core.analysis.typicality import typicality
from core.data.datasets import DatasetInfo, get_dataset
from core.training.runs import Run
from ui import explain_resources
from ui.own_images import OwnImage

MAX_RESULTS = 128


def answers(info: DatasetInfo, runs: Mapping[str, Run], owns: Sequence[OwnImage]) -> pd.DataFrame:
    """`answers_frame` of the images as `runs` (variant → run) read them; `RunError` without one."""
    digests = tuple((key, run.digest) for key, run in runs.items())
    return _answers(digests, info.key, tuple(own.digest for own in owns), runs, owns)


@st.cache_resource(show_spinner=False, max_entries=MAX_RESULTS)
def _answers(
    digests: tuple,
    dataset: str,
    content: tuple[str, ...],
    _runs: Mapping[str, Run],
    _owns: Sequence[OwnImage],
) -> pd.DataFrame:
    networks = {key: explain_resources.network(run) for key, run in _runs.items()}
    info, images = get_dataset(dataset), np.stack([own.image for own in _owns])
    return answers_frame(predict(networks, images, info), info.class_names)


def usual(info: DatasetInfo, owns: Sequence[OwnImage]) -> pd.DataFrame:
    """`typicality` of the images against the data set's training images; empty if not known."""
    return _usual(info.key, tuple(own.digest for own in owns), owns)


@st.cache_resource(show_spinner=False, max_entries=MAX_RESULTS)
def _usual(dataset: str, content: tuple[str, ...], _owns: Sequence[OwnImage]) -> pd.DataFrame:
    return typicality(np.stack([own.image for own in _owns]), dataset)


def seeds_that_agree(
    info: DatasetInfo, by_variant: Mapping[str, Sequence[Run]], own: OwnImage, said: pd.DataFrame
) -> dict[str, tuple[int, int]]:
    """Of each variant in `said`, rows of `answers`: how many of its seeds say so, of how many.

    Empty where no variant has several seeds.
    """
    if max(map(len, by_variant.values())) == 1:
        return {}
    runs = {f"{key} {run.seed}": run for key, group in by_variant.items() for run in group}
    asked = answers(info, runs, [own]).set_index("variant")["predicted"]
    found = {}
    for key, predicted in zip(said["variant"], said["predicted"], strict=True):
        same = [asked[f"{key} {run.seed}"] == predicted for run in by_variant[key]]
        found[key] = (sum(same), len(same))
    return found
