"""Writing a run folder: one `RunWriter` per run, which holds the run's lock while it lives."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Self

import numpy as np
import safetensors.numpy
import torch.nn.functional as F
from filelock import FileLock, Timeout
from torch import Tensor

from core.config import Variant
from core.errors import RunError, UsageError
from core.model.network import Network
from core.training.checkpoint import FILE_NAME, encode_network, probe_logits
from core.training.checks import describe_existing
from core.training.insights import cut_back, encode, is_kept
from core.training.label import FILE_NAME as LABEL_FILE
from core.training.measure import measure
from core.training.names import run_name, run_path
from core.training.resume import read_resume_point, remove_resume_points, write_resume_point
from core.training.runs import FORMAT, INSIGHTS_FILE, files_of
from core.training.state import ReplicaState
from core.training.storage import (
    append_line,
    cannot_write,
    make_folder,
    read_json,
    sha256,
    to_json,
    write_atomic,
)

LOCK_SECONDS = 1.0
"""A listing holds the lock for a moment; a trainer waits that long before it says "taken"."""


class RunWriter:
    """The folder of one run, locked. Use as a context manager or call `close`."""

    def __init__(self, root: Path, dataset: str, variant: Variant, seed: int) -> None:
        """Makes and locks the folder; `UsageError` if another process holds it."""
        self.root = root
        self.path = run_path(root, dataset, variant.key, seed)
        self.name = run_name(dataset, variant.key, seed)
        self.metrics: list[dict] = []
        self.committed = False
        try:
            make_folder(self.path)
            self._lock = FileLock(self.path / "lock")
            self._lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise UsageError(
                f"{self.name} is already being trained by another process: "
                "wait for it, stop it, or choose other seeds."
            ) from None
        except OSError as error:
            raise UsageError(str(cannot_write(self.path, error))) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the lock back; the files stay, and a folder without a run goes."""
        self._lock.release()
        if not (self.path / "run.json").exists():
            self._remove_empty_folder()

    def _remove_empty_folder(self) -> None:
        (self.path / "lock").unlink(missing_ok=True)
        for folder in (self.path, *self.path.parents[:2]):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def start(self, info: dict) -> None:
        """Writes `run.json`; `UsageError` if the folder already holds a run."""
        if (self.path / "run.json").exists():
            raise UsageError(describe_existing(self.path, self.root))
        self._remove_leftovers()
        write_atomic(self.path / "run.json", to_json({"format": FORMAT, **info}))

    def _remove_leftovers(self) -> None:
        """Removes what a kill left half written; the label may be being written right now."""
        for leftover in self.path.glob(".*.????????"):
            if not leftover.name.startswith(f".{LABEL_FILE}."):
                with contextlib.suppress(OSError):
                    leftover.unlink()

    def note_fallback(self, reason: str) -> None:
        """Adds to the device in `run.json` why it was slower than it could be."""
        info = read_json(self.path / "run.json")
        info["device"] = {**info.get("device", {}), "fallback": reason}
        write_atomic(self.path / "run.json", to_json(info))

    def resume(self, variant: Variant, seed: int) -> ReplicaState:
        """The state to go on from; metrics and insights are cut back to what it has seen.

        `UsageError` if another process has finished the run since it was looked at.
        """
        if (self.path / "manifest.json").exists():
            raise UsageError(describe_existing(self.path, self.root))
        self._remove_leftovers()
        state, self.metrics = read_resume_point(self.path, variant, seed)
        lines = "".join(json.dumps(record) + "\n" for record in self.metrics)
        write_atomic(self.path / "metrics.jsonl", lines.encode())
        cut_back(self.path, state.epoch)
        (self.path / "status.json").unlink(missing_ok=True)
        return state

    def record(self, state: ReplicaState, metrics: dict) -> None:
        """Saves a finished epoch: the resume point, which holds all metrics, then the line.

        The insights come first: a resume point holds none, and must not know of more epochs.
        """
        if is_kept(state.epoch, state.variant.epochs):
            line = encode(measure(state, metrics["learning_rate"]))
            append_line(self.path / INSIGHTS_FILE, line)
        self.metrics.append(metrics)
        write_resume_point(self.path, state, self.metrics)
        append_line(self.path / "metrics.jsonl", json.dumps(metrics, allow_nan=False))

    def stopped(self, state: ReplicaState) -> None:
        """Saves where training was stopped, so that it can go on from that step."""
        write_resume_point(self.path, state, self.metrics)
        self._set_status("stopped", f"stopped in epoch {state.epoch + 1}")

    def failed(self, reason: str) -> None:
        """Says why training ended; does not raise if even that cannot be written."""
        try:
            self._set_status("failed", reason)
        except RunError:
            return

    def _set_status(self, state: str, reason: str) -> None:
        write_atomic(self.path / "status.json", to_json({"state": state, "reason": reason}))

    def finish(self, network: Network, logits: Tensor, targets: Tensor) -> dict:
        """Commits the run: weights, test logits and, last, the manifest. Returns the final figures.

        `logits` (N, 10) float32 and `targets` (N,) int64 of the test set.
        """
        predicted = logits.argmax(1)
        final = {
            "epoch": len(self.metrics),
            "num_images": len(targets),
            "errors": int((predicted != targets).sum()),
            "test_accuracy_percent": 100 * int((predicted == targets).sum()) / len(targets),
            "test_loss": F.cross_entropy(logits.double(), targets).item(),
            "train_seconds": sum(record["seconds"] for record in self.metrics),
        }
        write_atomic(self.path / FILE_NAME, encode_network(network))
        content = encode_predictions(logits.numpy(), predicted.numpy(), targets.numpy())
        write_atomic(self.path / "test_logits.safetensors", content)
        names = files_of({path.name for path in self.path.iterdir()})
        files = {name: sha256((self.path / name).read_bytes()) for name in names}
        manifest = {"files": files, "final": final, "probe_logits": probe_logits(network)}
        write_atomic(self.path / "manifest.json", to_json(manifest))
        self.committed = True
        remove_resume_points(self.path)
        (self.path / "status.json").unlink(missing_ok=True)
        return final


def encode_predictions(logits: np.ndarray, predicted: np.ndarray, targets: np.ndarray) -> bytes:
    """The file that `runs.read_predictions` reads: half-precision logits, predictions, failures."""
    failed = np.flatnonzero(predicted != targets)
    return safetensors.numpy.save(
        {
            "logits": logits.astype(np.float16),
            "predicted": predicted.astype(np.uint8),
            "failed_index": failed.astype(np.int32),
            "failed_target": targets[failed].astype(np.uint8),
        }
    )
