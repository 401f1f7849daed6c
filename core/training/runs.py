"""Reading run folders: `<root>/<dataset>/<variant>/seed-<n>/`.

A run is a folder that a person can read: `run.json` (what was trained, how, on what),
`metrics.jsonl` and `insights.jsonl` (one line per epoch), `model.safetensors`,
`test_logits.safetensors`, and last, as the commit marker, `manifest.json` with the sha256 of the
others. Nothing here needs torch. A folder that is damaged is listed as damaged, with the reason; it
never fails the list.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from core.config import NUM_CLASSES, VARIANTS, Recipe, Variant
from core.errors import MisnamedError, NormLabError, RunError
from core.training.label import read_label
from core.training.names import is_run_name as is_run_name
from core.training.names import run_name as run_name
from core.training.names import run_path as run_path
from core.training.run_info import FINAL_FIELDS as FINAL_FIELDS
from core.training.run_info import FORMAT as FORMAT
from core.training.run_info import check_final, read_variant
from core.training.storage import RUNS_VARIABLE as RUNS_VARIABLE
from core.training.storage import is_locked, parse_json, read_bytes, read_json, sha256

SHIPPED_DIR = Path(
    os.environ.get("NORMLAB_CHECKPOINTS") or Path(__file__).resolve().parents[2] / "checkpoints"
)
"""The runs that come with NormLab; the environment variable is for tests."""
MAX_MODEL_BYTES = 256 * 1024
MAX_LOGITS_BYTES = 8 << 20
MAX_METRICS_BYTES = 4 << 20
COMMITTED_FILES = {
    "run.json": 1 << 20,
    "metrics.jsonl": MAX_METRICS_BYTES,
    "model.safetensors": MAX_MODEL_BYTES,
    "test_logits.safetensors": MAX_LOGITS_BYTES,
}
INSIGHTS_FILE = "insights.jsonl"
MAX_INSIGHTS_BYTES = 256 * 1024
OPTIONAL_FILES = {INSIGHTS_FILE: MAX_INSIGHTS_BYTES}
"""Committed where they were written; a run without them is whole too."""
CUT_OFF = "cut off by a kill, a restart or a full disk: resume it"
METRIC_COLUMNS = (
    "epoch",
    "train_cross_entropy",
    "penalty",
    "train_accuracy_percent",
    "test_loss",
    "test_accuracy_percent",
    "seconds",
    "learning_rate",
)


@dataclass(frozen=True)
class Run:
    """What a listing knows of one run folder.

    `name` is its path below the root, such as "mnist/gn/seed-1"; `state` is queued, running, done,
    stopped, interrupted, failed or damaged. `variant` is None and `info` empty
    where the folder is too damaged to say. `final` holds the last epoch's figures of a run that is
    done: `FINAL_FIELDS`.
    `title` and `note` are what a person called it.
    `digest` changes whenever the committed files do, and is what caches are keyed by.
    """

    path: Path
    name: str
    dataset: str
    seed: int
    state: str
    variant: Variant | None = None
    reason: str | None = None
    epoch: int = 0
    info: dict = field(default_factory=dict)
    final: dict = field(default_factory=dict)
    digest: str = ""
    title: str = ""
    note: str = ""

    @property
    def epochs(self) -> int:
        """The number of epochs it was started for."""
        return self.variant.epochs if self.variant else 0

    @property
    def recipe(self) -> Recipe | None:
        """What it was trained with; None where the folder is too damaged to say."""
        return Recipe(**self.info["recipe"]) if "recipe" in self.info else None

    def to_dict(self) -> dict:
        """The run as the command line's JSON documents show it."""
        return {
            "run": self.name,
            "variant": self.variant.key if self.variant else self.path.parent.name,
            "seed": self.seed,
            "dataset": self.dataset,
            "state": self.state,
            "epoch": self.epoch,
            "epochs": self.epochs,
            "reason": self.reason,
            **({"title": self.title} if self.title else {}),
            **({"note": self.note} if self.note else {}),
        }


@dataclass(frozen=True)
class Predictions:
    """What a trained network says of every test image.

    `logits` (N, 10) float32, stored in half precision; `predicted` (N,) and `targets` (N,) int64.
    `predicted` was decided on the full-precision logits.
    """

    logits: np.ndarray
    predicted: np.ndarray
    targets: np.ndarray


def list_runs(root: Path, dataset: str | None = None) -> list[Run]:
    """All runs below `root`, sorted by data set, order of variants and seed; may be empty."""
    folders = root.glob(f"{dataset or '*'}/*/seed-*")
    return sorted((read_run(path, root) for path in folders), key=_order)


def _order(run: Run) -> tuple:
    key = run.path.parent.name
    position = list(VARIANTS).index(key) if key in VARIANTS else len(VARIANTS)
    return run.dataset, position, key, run.seed


def read_run(path: Path, root: Path) -> Run:
    """The run in folder `path`; state "damaged" with a reason instead of an error."""
    seed = path.name.removeprefix("seed-")
    base: dict[str, Any] = {
        "path": path,
        "name": path.relative_to(root).as_posix(),
        "dataset": path.parent.parent.name,
        "seed": int(seed) if seed.isdigit() else -1,
    }
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            raise RunError(f"{path.name} is a link that leads out of {root}")
        info = read_json(path / "run.json")
        variant = read_variant(info, path)
        details = _read_progress(path, variant)
    except NormLabError as error:
        return Run(**base, state="damaged", reason=str(error))
    except (OSError, RuntimeError) as error:
        # A link to itself is an OSError or a RuntimeError, depending on the version of Python.
        why = getattr(error, "strerror", None) or "it is a link to itself"
        return Run(**base, state="damaged", reason=f"cannot be read: {why}")
    title, note = read_label(path)
    return Run(**base, variant=variant, info=info, title=title, note=note, **details)


def _read_progress(path: Path, variant: Variant) -> dict:
    # Asked first, because a run that ends meanwhile has its manifest before it gives back the lock.
    is_running = is_locked(path / "lock")
    if (path / "manifest.json").exists():
        manifest = read_manifest(path)
        return {
            "state": "done",
            "epoch": variant.epochs,
            "final": manifest["final"],
            "digest": sha256(json.dumps(manifest["files"], sort_keys=True).encode()),
        }
    epoch = len(read_metrics(path))
    if is_running:
        return {"state": "running", "epoch": epoch}
    status = read_json(path / "status.json") if (path / "status.json").exists() else {}
    state = status.get("state", "interrupted")
    if state not in ("queued", "stopped", "failed"):
        state = "interrupted"
    reason = status.get("reason") or (CUT_OFF if state == "interrupted" else None)
    return {"state": state, "epoch": epoch, "reason": reason}


def read_manifest(path: Path) -> dict:
    """The manifest of a finished run, after checking every file it commits.

    Raises `RunError` naming the first file that is missing, changed or too large.
    """
    manifest = read_json(path / "manifest.json")
    files, final = manifest.get("files"), manifest.get("final")
    if not isinstance(files, dict) or not isinstance(final, dict):
        raise RunError("manifest.json lacks its files or its final figures")
    check_final(final)
    for name, max_bytes in files_of(files).items():
        content = read_bytes(path / name, max_bytes)
        if sha256(content) != files.get(name):
            raise RunError(f"{name} is not the file that was committed: its sha256 differs")
    return manifest


def files_of(names: Container[str]) -> dict[str, int]:
    """The files that are committed, given which are named or there, with their largest sizes."""
    return COMMITTED_FILES | {n: size for n, size in OPTIONAL_FILES.items() if n in names}


def read_metrics(path: Path) -> list[dict]:
    """One record per epoch, keys `METRIC_COLUMNS`; a torn or foreign line is skipped."""
    if not (path / "metrics.jsonl").exists():
        return []
    records = []
    for line in read_bytes(path / "metrics.jsonl", MAX_METRICS_BYTES).splitlines():
        try:
            record = parse_json(line, "metrics.jsonl")
        except RunError:
            continue
        if all(isinstance(record.get(name), (int, float)) for name in METRIC_COLUMNS):
            records.append(record)
    return records


def read_tensors(content: bytes, name: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Tensors and metadata of a safetensors file; `RunError` names the file if it is not one."""
    try:
        tensors = safetensors.numpy.load(content)
        (header_bytes,) = struct.unpack("<Q", content[:8])
        header = parse_json(content[8 : 8 + header_bytes], name)
    except (safetensors.SafetensorError, struct.error, ValueError, KeyError) as error:
        raise RunError(f"{name} is not a valid safetensors file: {error}") from error
    return tensors, header.get("__metadata__", {})


def read_predictions(path: Path) -> Predictions:
    """Logits, predictions and true labels of the test set, from the run folder alone.

    True labels are kept for the failures only: everywhere else the prediction is the label.
    """
    content = read_bytes(path / "test_logits.safetensors", MAX_LOGITS_BYTES)
    tensors, _ = read_tensors(content, "test_logits.safetensors")
    try:
        logits = tensors["logits"].astype(np.float32)
        predicted = tensors["predicted"].astype(np.int64)
        targets = predicted.copy()
        targets[tensors["failed_index"]] = tensors["failed_target"]
    except (KeyError, IndexError, ValueError) as error:
        raise RunError(f"test_logits.safetensors lacks or misplaces {error}") from error
    classes = np.concatenate([predicted, targets])
    if logits.shape != (len(targets), NUM_CLASSES) or not np.isfinite(logits).all():
        raise RunError("test_logits.safetensors does not hold ten finite logits per image")
    if ((classes < 0) | (classes >= NUM_CLASSES)).any():
        raise RunError(f"test_logits.safetensors holds classes other than 0 to {NUM_CLASSES - 1}")
    return Predictions(logits, predicted, targets)


def find_runs(
    variants: Iterable[str], dataset: str, seed: int, root: Path, *, shipped_first: bool = False
) -> dict[str, Run]:
    """The run of each variant with this seed, found as `find_run` does."""
    names = {key: run_name(dataset, key, seed) for key in variants}
    return {key: find_run(name, root, shipped_first=shipped_first) for key, name in names.items()}


def is_shipped(run: Run) -> bool:
    """Whether it came with NormLab."""
    return run.path.parents[2].resolve() == SHIPPED_DIR.resolve()


def is_in_shipped(path: Path) -> bool:
    """Whether `path`, which need not exist, is the folder of the shipped runs or lies below it."""
    try:
        return path.resolve().is_relative_to(SHIPPED_DIR.resolve())
    except (OSError, RuntimeError):  # a link to itself, or a name that is too long
        return False


def find_run(name: str, root: Path, *, shipped_first: bool = False) -> Run:
    """The run called `name`, below `root` or else among the shipped ones.

    `MisnamedError`, a `RunError`, for none.
    Its folder decides: one that is damaged is found, and is not taken for its namesake.
    """
    for folder in (SHIPPED_DIR, root) if shipped_first else (root, SHIPPED_DIR):
        if is_run_name(name) and (folder / name).is_dir():
            return read_run(folder / name, folder)
    raise MisnamedError(f"No run {name!r} in {root} or {SHIPPED_DIR.name}/.")
