"""Cached loading of runs, their metrics and predictions, and test images; torch-free.

Runs are keyed by their digest and listings by the files' times, so a new or changed run shows up on
the next rerun. What these functions return is shared between sessions: read it, never change it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import RunError, UsageError
from core.training.insights import read_insights
from core.training.runs import (
    INSIGHTS_FILE,
    RUNS_VARIABLE,
    SHIPPED_DIR,
    Predictions,
    Run,
    list_runs,
    read_metrics,
    read_predictions,
    read_run,
)
from core.training.storage import sha256
from ui import state
from ui.markdown import escape
from ui.pooling import Pool, pool

if TYPE_CHECKING:
    from core.data.datasets import DatasetStatus

REPOSITORY = Path(__file__).resolve().parents[1]
LOCAL_DIR = Path(os.environ.get(RUNS_VARIABLE) or REPOSITORY / "runs").expanduser()
"""The runs made here."""
MAX_CACHED_RUNS = 200


def runs(dataset: str, *, local: bool = False) -> list[Run]:
    """The finished runs of `dataset`, shipped or made here, by variant and seed."""
    return [run for run in all_runs(dataset, local=local) if run.state == "done" and run.variant]


def damaged_runs(dataset: str, *, local: bool = False) -> list[Run]:
    """The runs of `dataset` that cannot be read; their `reason` says why."""
    return [run for run in all_runs(dataset, local=local) if run.state == "damaged"]


def all_runs(dataset: str, *, local: bool = False) -> list[Run]:
    """Every run of `dataset`, whatever its state."""
    root = LOCAL_DIR if local else SHIPPED_DIR
    return list(_list_runs(str(root), dataset, _fingerprint(root / dataset)))


def as_it_is_now(run: Run) -> Run:
    """A run made here. The listing is kept by its files; whether somebody trains it is no file."""
    if run.state in ("done", "damaged", "queued"):
        return run
    return read_run(run.path, LOCAL_DIR)


def datasets_with_runs(*, local: bool = False) -> list[str]:
    """Keys of the data sets that have at least one run folder."""
    root = LOCAL_DIR if local else SHIPPED_DIR
    return sorted({path.parts[-3] for path in root.glob("*/*/seed-*")})


def runs_by_source(dataset: str, source: str) -> tuple[list[Run], list[Run]]:
    """The finished runs of `dataset` that `source` names: the shipped ones, those made here."""
    shipped = [] if source == state.LOCAL else runs(dataset)
    return shipped, [] if source == state.SHIPPED else runs(dataset, local=True)


def pooled(
    dataset: str, source: str, seeds: Collection[int] = (), growing: Sequence[Run] = ()
) -> Pool:
    """Those of them, of `seeds` or, if none are given, of all, that may stand together; see
    `ui.pooling`. Runs made here that have not ended may stand beside them: `growing`.
    """
    shipped, local = runs_by_source(dataset, source)
    ended = {run.path for run in local}  # perhaps since `growing` was read
    local += [run for run in growing if run.path not in ended]
    return pool(
        *([run for run in part if not seeds or run.seed in seeds] for part in (shipped, local))
    )


def every_run_made_here() -> list[Run]:
    """All runs made here, whatever their data set and state."""
    found = (all_runs(dataset, local=True) for dataset in datasets_with_runs(local=True))
    return [run for of_dataset in found for run in of_dataset]


def _fingerprint(folder: Path) -> str:
    """Changes whenever a file that a listing reads is added, replaced or removed."""
    found = []
    for path in sorted(folder.glob("*/seed-*/*")):
        with suppress(FileNotFoundError):  # the temporary file of a result just being stored
            stat = path.lstat()
            found.append((str(path), stat.st_mtime_ns, stat.st_size))
    return sha256(repr(found).encode())  # one word, since Streamlit is slow at hashing tuples


@st.cache_resource(show_spinner=False, max_entries=32)
def _list_runs(root: str, dataset: str, fingerprint: str) -> tuple[Run, ...]:
    return tuple(list_runs(Path(root), dataset))


def metrics(run: Run) -> pd.DataFrame:
    """One row per epoch, columns `core.training.runs.METRIC_COLUMNS`."""
    found = _metrics(str(run.path), run.digest)
    if found.empty and run.state == "done":
        _stop_without(f"{run.name} has no metrics")
    return found


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED_RUNS)
def _metrics(path: str, digest: str) -> pd.DataFrame:
    return pd.DataFrame(read_metrics(Path(path)))


def insights(run: Run) -> pd.DataFrame:
    """What the run has recorded inside the network, as `core.training.insights.read_insights`.

    No row where it recorded nothing. Followed while the run is being trained.
    """
    with suppress(FileNotFoundError):
        stat = (run.path / INSIGHTS_FILE).stat()
        return _insights(str(run.path), run.digest, (stat.st_mtime_ns, stat.st_size))
    return _insights(str(run.path), run.digest, ())


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED_RUNS)
def _insights(path: str, digest: str, written: tuple) -> pd.DataFrame:
    return read_insights(Path(path))


def predictions(run: Run) -> Predictions:
    """What the run says of every test image, as read-only arrays."""
    try:
        return _predictions(str(run.path), run.digest)
    except RunError as error:
        _stop_without(f"{run.name}: {error}")


def _stop_without(reason: str) -> NoReturn:
    """Ends the page, or its part, when a run has gone since it was listed."""
    st.warning(
        f"A run was deleted or changed while this page was drawn ({reason}). Reload the page.",
        icon=":material/sync_problem:",
    )
    st.stop()


@st.cache_resource(show_spinner=False, max_entries=MAX_CACHED_RUNS)
def _predictions(path: str, digest: str) -> Predictions:
    found = read_predictions(Path(path))
    for array in (found.logits, found.predicted, found.targets):
        array.flags.writeable = False
    return found


def compare(by_variant: Mapping[str, Sequence[Run]]) -> pd.DataFrame:
    """Every pair of variants, as `core.analysis.significance.compare_pairs` gives it."""
    keys = tuple(
        (key, tuple((r.seed, str(r.path), r.digest) for r in rs)) for key, rs in by_variant.items()
    )
    try:
        return _compare(keys)
    except RunError as error:
        _stop_without(str(error))
    except UsageError as error:
        st.warning(escape(str(error)), icon=":material/warning:")
        st.stop()


@st.cache_data(show_spinner=False, max_entries=32)
def _compare(keys: tuple[tuple[str, tuple[tuple[int, str, str], ...]], ...]) -> pd.DataFrame:
    from core.analysis.significance import compare_pairs

    return compare_pairs(
        {key: {seed: _predictions(*run) for seed, *run in group} for key, group in keys}
    )


def dataset_status(key: str) -> DatasetStatus:
    """Whether the images of data set `key` are on this machine, and where they are looked for."""
    from core.data.datasets import check_dataset, data_dir

    return check_dataset(key, data_dir())


def test_images(key: str) -> np.ndarray:
    """The test images (N, 28, 28) uint8, read-only; `DataError` where they are not here."""
    return _test_images(key, str(dataset_status(key).path))


@st.cache_resource(show_spinner=False, max_entries=8)
def _test_images(key: str, path: str) -> np.ndarray:
    from core.data.datasets import data_dir, load_split

    images = load_split(key, data_dir(), "test").images
    images.flags.writeable = False
    return images
