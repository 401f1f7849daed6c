"""Resume points: the state of one replica between two steps, as a file.

The newest two are kept in the run folder, so that one that is damaged costs an epoch, not the run.
"""

from __future__ import annotations

import json
from pathlib import Path

import safetensors.torch
import torch

from core.config import Variant
from core.errors import RunError
from core.training.runs import read_tensors
from core.training.state import TENSOR_NAMES, ReplicaState, new_state
from core.training.storage import read_bytes, sha256, write_atomic

KEPT = 2
MAX_BYTES = 1 << 20
PROGRESS_FIELDS = ("epoch", "step", "seconds")


def write_resume_point(folder: Path, state: ReplicaState, metrics: list[dict]) -> None:
    """Saves `state` and the metrics of its whole epochs; removes all but the newest two."""
    tensors = state.tensors()
    fields = {name: getattr(state, name) for name in (*PROGRESS_FIELDS, "seed")}
    progress = json.dumps({**fields, "variant": state.variant.key, "metrics": metrics})
    metadata = {"state": progress, "sha256": _digest(tensors, progress)}
    name = f"resume-{state.epoch:04d}-{state.step:06d}.safetensors"
    write_atomic(folder / name, safetensors.torch.save(tensors, metadata))
    for old in _resume_files(folder)[KEPT:]:
        old.unlink(missing_ok=True)


def read_resume_point(folder: Path, variant: Variant, seed: int) -> tuple[ReplicaState, list[dict]]:
    """The newest resume point that is whole, and its metrics; else an untrained replica."""
    for path in _resume_files(folder):
        try:
            return _read(path, variant, seed)
        except RunError:
            continue
    return new_state(variant, seed), []


def remove_resume_points(folder: Path) -> None:
    """Removes them all, once the run is committed."""
    for path in _resume_files(folder):
        path.unlink(missing_ok=True)


def _resume_files(folder: Path) -> list[Path]:
    """Newest first; the names sort by epoch and step."""
    return sorted(folder.glob("resume-*.safetensors"), reverse=True)


def _read(path: Path, variant: Variant, seed: int) -> tuple[ReplicaState, list[dict]]:
    content = read_bytes(path, MAX_BYTES)
    _, metadata = read_tensors(content, path.name)
    tensors = safetensors.torch.load(content)
    reference = new_state(variant, seed)
    for name in TENSOR_NAMES:
        found, expected = tensors.get(name), getattr(reference, name)
        if found is None or (found.shape, found.dtype) != (expected.shape, expected.dtype):
            raise RunError(f"{path.name} lacks {name}")
    try:
        saved = json.loads(metadata["state"])
        fits = (saved["variant"], saved["seed"]) == (variant.key, seed)
        if not fits or metadata["sha256"] != _digest(tensors, metadata["state"]):
            raise RunError(f"{path.name} is damaged or belongs to another run")
        for name in PROGRESS_FIELDS:
            setattr(reference, name, saved[name])
        for name in TENSOR_NAMES:
            setattr(reference, name, tensors[name])
        return reference, saved["metrics"]
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path.name} has damaged metadata") from error


def _digest(tensors: dict[str, torch.Tensor], progress: str) -> str:
    """Of everything that is gone on from: a flipped bit in a number of `progress` counts too."""
    parts = [tensors[name].numpy().tobytes() for name in TENSOR_NAMES]
    return sha256(b"".join([*parts, progress.encode()]))
