"""What a run is called, which is where its folder lies. Needs no torch."""

from __future__ import annotations

from pathlib import Path


def run_name(dataset: str, variant_key: str, seed: int) -> str:
    """Such as "mnist/gn/seed-1"."""
    return f"{dataset}/{variant_key}/seed-{seed}"


def run_path(root: Path, dataset: str, variant_key: str, seed: int) -> Path:
    """The folder of that run below `root`."""
    return root / run_name(dataset, variant_key, seed)


def is_run_name(name: str) -> bool:
    """Whether `name` has the form of a run's, which leads out of no folder of runs."""
    parts = Path(name).parts
    return len(parts) == 3 and ".." not in parts and not Path(name).is_absolute()
