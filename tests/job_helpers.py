"""Jobs as files, for tests of how they are read."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from core.training.process import ProcessIdentity, boot_id, identify, uptime
from core.training.request import TrainingRequest, make_request
from core.training.storage import to_json

REQUEST = make_request("digits", ["gn"], epochs=2)


def request(seed: int) -> TrainingRequest:
    """The same for another seed."""
    return replace(REQUEST, seeds=(seed,))


def dead_process() -> ProcessIdentity:
    """The identity of a process that has ended."""
    process = subprocess.Popen(["sleep", "60"])
    identity = identify(process.pid)
    process.kill()
    process.wait()
    return identity


def write(path: Path, name: str, **fields: object) -> None:
    """Writes one of the files of the job in folder `path`."""
    (path / name).write_bytes(to_json(fields))


def beat(path: Path, phase: str = "running", ago: float = 0, boot: str | None = None) -> None:
    """A heartbeat of the job in folder `path`, `ago` seconds old."""
    write(path, "progress.json", phase=phase, beat=uptime() - ago, boot=boot or boot_id())
