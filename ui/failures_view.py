"""The top of the Failures page: its data, which variant and seed, and how much it gets wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import streamlit as st

from core.analysis.metrics import failures, mean_interval, wilson_interval
from core.data.datasets import DatasetInfo, DatasetStatus, get_dataset
from core.errors import DataError
from core.training.runs import Predictions, Run
from core.training.storage import sha256
from ui import address, dataset_download, resources, state
from ui.charts import VARIANT_LABELS
from ui.failures_tables import variant_color

VARIANT, SHOWN_SEED, IMAGE, PAGE = "variant_shown", "seed_shown", "image", "page"
RESET_PAGE: dict[str, Any] = {"on_change": state.put, "args": [PAGE, 1]}
"""For widgets that change what is shown: it starts again on its first page."""
T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """What the page shows: runs and failures (seed → frame) of each variant.

    `images` (N, 28, 28) uint8, or None where they cannot be read; `status` then says why.
    """

    info: DatasetInfo
    runs: dict[str, list[Run]]
    failures: dict[str, dict[int, pd.DataFrame]]
    images: np.ndarray | None
    status: DatasetStatus

    @cached_property
    def digest(self) -> str:
        """One word for all that decides what the page shows of these runs."""
        runs = [
            (key, label(key), variant_color(key), [(str(run.path), run.digest) for run in group])
            for key, group in self.runs.items()
        ]
        return sha256(repr((self.info.key, self.images is None, runs)).encode())

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What `make` returns and draws, from the last time if it was `name` of the same runs.

        It may draw what cannot be clicked. Shared between sessions: read it, never change it.
        """
        made: T = _once(f"{self.digest} {name}", make)
        return made

    def of_seed(self, seed: int) -> dict[str, pd.DataFrame]:
        """The failures of every variant that has a run of `seed`."""
        return {key: frames[seed] for key, frames in self.failures.items() if seed in frames}

    def run(self, key: str, seed: int) -> Run:
        """The run of that variant and seed."""
        return next(run for run in self.runs[key] if run.seed == seed)


def label(key: str) -> str:
    """A variant in words."""
    return VARIANT_LABELS.get(key, key)


@st.cache_resource(show_spinner=False, max_entries=100)
def _once(key: str, _make: Callable[[], Any]) -> Any:
    return _make()


@st.cache_resource(show_spinner=False, max_entries=resources.MAX_CACHED_RUNS)
def _failures(path: str, digest: str, _predictions: Predictions) -> pd.DataFrame:
    return failures(_predictions)


def failures_of(run: Run) -> pd.DataFrame:
    """The failures of one run, computed once; shared between sessions, so never changed."""
    return _failures(str(run.path), run.digest, resources.predictions(run))


def load(selection: state.Selection) -> View:
    """Failures of all chosen runs, and the images if they are here."""
    runs = selection.by_variant
    found = {key: {run.seed: failures_of(run) for run in group} for key, group in runs.items()}
    return View(get_dataset(selection.dataset), runs, found, *load_images(selection.dataset))


def load_images(dataset: str) -> tuple[np.ndarray | None, DatasetStatus]:
    """The test images (N, 28, 28) uint8, None where they cannot be read; the status says why."""
    status = resources.dataset_status(dataset)
    if not status.present:
        return None, status
    try:
        return resources.test_images(dataset), status
    except DataError as error:  # its checksum is wrong, which only reading all of it can tell
        return None, replace(status, present=False, reason=str(error), damaged=True)


def choose_variant(view: View) -> str:
    """The variant whose failures are shown; the address has its key, or as it once had its name."""
    names = {label(key): key for key in view.runs} | {key: key for key in view.runs}
    choice = address.Choice(VARIANT, names.get, next(iter(view.runs)))
    chosen: str = st.segmented_control(
        "Variant",
        list(view.runs),
        required=True,
        format_func=label,
        label_visibility="collapsed",
        **RESET_PAGE,
        **choice.widget(),
    )
    choice.settle(chosen, what="the variant", shown=label(chosen))
    return chosen


def choose_seed(view: View, key: str) -> int:
    """The seed whose failures are shown; asked only where the sidebar leaves several."""
    seeds = [str(run.seed) for run in view.runs[key]]
    if len(seeds) == 1:
        return int(seeds[0])
    choice = address.one_of(SHOWN_SEED, seeds)
    chosen: str = st.selectbox(
        "Seed shown",
        seeds,
        width=110,
        help="Pictures, matrix and classes show one seed; 'Who fails where' counts all.",
        **RESET_PAGE,
        **choice.widget(),
    )
    choice.settle(chosen, what="seed", shown=f"seed {chosen}")
    return int(chosen)


def headline(view: View, key: str, seed: int) -> None:
    """How many images fail, how sure that is, and how many of them fail elsewhere too."""
    final = view.run(key, seed).final
    errors, num_images = final["errors"], final["num_images"]
    low, high = (100 * bound for bound in wilson_interval(errors, num_images))
    name = f"{label(key)} (seed {seed})" if len(view.runs[key]) > 1 else label(key)
    lines = [
        f"**{name} is wrong on {errors:,} of {num_images:,} test images**: "
        f"{100 - 100 * errors / num_images:.2f} % right, 95 % interval {low:.2f} to {high:.2f} %."
    ]
    sets = {name: set(frame["index"]) for name, frame in view.of_seed(seed).items()}
    others = [found for name, found in sets.items() if name != key]
    if others:
        common = len(set.intersection(*sets.values()))
        lines.append(
            f"{common} of them fail{'s' * (common == 1)} in all {len(sets)} variants, "
            f"{len(sets[key].difference(*others))} in this one alone."
        )
    st.markdown(" ".join(lines + _over_seeds(view, key)))


def _over_seeds(view: View, key: str) -> list[str]:
    frames = view.failures[key].values()
    if len(frames) < 2:
        return []
    mean, low, high = mean_interval([len(frame) for frame in frames], step=1)
    every = set.intersection(*(set(frame["index"]) for frame in frames))
    return [
        f"Over {len(frames)} seeds: {mean:.1f} wrong on average, 95 % interval "
        f"{max(low, 0):.1f} to {high:.1f}; {len(every)} in every seed."
    ]


def offer_images(view: View) -> None:
    """Offers the download where the pictures are missing or damaged."""
    if view.images is None:
        dataset_download.offer(view.status)


def pick_image(picked: str) -> None:
    """Opens the image with that number; for use as a callback."""
    state.put(IMAGE, int(picked))
