"""Run folders as a training leaves them behind after some of its epochs."""

from __future__ import annotations

import json
from pathlib import Path

from core.config import VARIANTS, Variant
from tests.fixtures_runs import write_run

LATER = (
    *("metrics.jsonl", "insights.jsonl", "model.safetensors"),
    *("test_logits.safetensors", "manifest.json"),
)
"""What is whole only when a training has ended."""


def write_growing(root: Path, dataset: str, of: str | Variant, seed: int, epochs: int) -> Path:
    """A run of a variant, or of the published one with this key, that has `epochs` behind it and no
    end; whoever holds its `lock` trains it.
    """
    variant = VARIANTS[of] if isinstance(of, str) else of
    path = write_run(root, dataset, variant, seed, insights=True)
    for name in LATER:
        (path / name).rename(path / f"{name}.later")
    grow(path, epochs)
    return path


def grow(path: Path, epochs: int) -> None:
    """Its metrics and insights up to that epoch."""
    for name in ("metrics.jsonl", "insights.jsonl"):
        lines = (path / f"{name}.later").read_text().splitlines(keepends=True)
        (path / name).write_text("".join(lines[:epochs]))


def finish(path: Path) -> None:
    """Commits it as its manifest says."""
    for later in sorted(path.glob("*.later"), key=lambda file: "manifest" in file.name):
        later.replace(later.with_suffix(""))


def set_stopped(path: Path) -> None:
    """It was stopped by a person."""
    (path / "status.json").write_text(json.dumps({"state": "stopped", "reason": "stopped"}))
