"""Reading jobs: `<runs>/.jobs/<number>/`, one folder each. Needs no torch.

`job.json` says what to train and is written once; `process.json` which process does it; that
process holds `lock` and writes `progress.json` every second, its heartbeat; `stop` is there once
somebody wants it to end; `end.json` says how it ended; `log.txt` is what it said. That a job runs
is nowhere written down: the state is derived each time from lock, process and heartbeat, so that no
kill, crash or restart leaves a false word behind.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import NormLabError, RunError, UsageError
from core.training.process import boot_id, identity_from_dict, uptime
from core.training.request import TrainingRequest, request_from_dict
from core.training.storage import is_locked, read_json

JOBS_FOLDER = ".jobs"
LIVING_STATES = ("queued", "running")
ENDED_STATES = ("done", "stopped", "failed")
SILENT_SECONDS = 10.0
"""A heartbeat comes every second; after this long without one, something is wrong."""

NUMBERS = ("epoch", "epochs", "steps_done", "total_steps", "seconds")
KILLED = "its process was killed, perhaps for lack of memory, or the machine went down: resume it"
KILLED_BEFORE = "its process was killed or the machine went down before its turn came: resume it"


@dataclass(frozen=True)
class Job:
    """A job as it is now.

    `state` is queued, running, done, stopped, interrupted, failed or damaged; `reason` says why.
    `kind` is "train", and then `request` says what, or "resume", and then `request` says what those
    of its runs are to be that have not begun, if any; `runs` are names below the runs folder.
    `position` counts the waiting jobs from 1. `epoch` is how many whole epochs every run has behind
    it, `epochs` how many the longest gets. `seconds` is the time since training began,
    `seconds_left` an estimate. `silent` is for how many seconds the process has given no sign of
    life; None where that cannot be known.
    """

    id: int
    path: Path
    state: str
    reason: str | None = None
    kind: str = "train"
    request: TrainingRequest | None = None
    runs: tuple[str, ...] = ()
    device: str | None = None
    position: int | None = None
    epoch: int = 0
    epochs: int = 0
    steps_done: int = 0
    total_steps: int = 0
    seconds: float = 0.0
    seconds_left: float | None = None
    silent: float | None = None
    created: str = ""

    @property
    def is_living(self) -> bool:
        """Whether it runs or waits for its turn."""
        return self.state in LIVING_STATES

    @property
    def summary(self) -> str:
        """What it does, in one plain sentence."""
        if self.kind == "train" and self.request:
            return self.request.summary()
        return f"Going on with {', '.join(self.runs)}."

    @property
    def log(self) -> Path:
        """What a job without a terminal said; the file may not exist."""
        return self.path / "log.txt"

    def to_dict(self) -> dict:
        """The job as the command line's JSON documents show it."""
        names = ("state", "reason", "kind", "position", *NUMBERS, "seconds_left", "created")
        return {
            "job": self.id,
            **{name: getattr(self, name) for name in names},
            "runs": list(self.runs),
            "request": self.request.to_dict() if self.request else None,
        }


def list_jobs(runs_dir: Path, limit: int = 50) -> list[Job]:
    """Running jobs, then the waiting ones in their order, then the newest `limit` of the others,
    newest first. A damaged entry is listed as damaged and fails nothing.
    """
    folder = str(runs_dir / JOBS_FOLDER)
    numbers = sorted(job_numbers(runs_dir), reverse=True)
    living = [read_job(runs_dir, n) for n in numbers if _may_live(f"{folder}/{n}")]
    living = in_order(runs_dir, [job for job in living if job.is_living])
    known = {job.id for job in living}
    others = [number for number in numbers if number not in known][:limit]
    return [*living, *(read_job(runs_dir, number) for number in others)]


def living_jobs(runs_dir: Path) -> list[Job]:
    """The jobs that run or wait, in the order in which they come."""
    return list_jobs(runs_dir, limit=0)


def find_job(runs_dir: Path, number: int) -> Job:
    """The job with that number; `UsageError` if there is none."""
    if not job_path(runs_dir, number).is_dir():
        raise UsageError(f"There is no job {number} in {runs_dir}.")
    living = {job.id: job for job in living_jobs(runs_dir)}
    return living.get(number) or read_job(runs_dir, number)


def job_path(runs_dir: Path, number: int) -> Path:
    """The folder of that job."""
    return runs_dir / JOBS_FOLDER / str(number)


def job_numbers(runs_dir: Path) -> list[int]:
    """The numbers of all jobs, in no order; what else lies there is passed over."""
    try:
        names = os.listdir(runs_dir / JOBS_FOLDER)
    except OSError:
        return []
    return [int(name) for name in names if is_job_number(name)]


def is_job_number(name: str) -> bool:
    """Whether `name` may be the number of a job, as a word and as the name of its folder."""
    return name.isascii() and name.isdigit() and len(name) < 10


def in_order(runs_dir: Path, living: Sequence[Job]) -> list[Job]:
    """Running jobs by number, then the waiting ones as they will come, with their position."""
    order = _order_by_hand(runs_dir)
    waiting = [job for job in living if job.state == "queued"]
    waiting.sort(key=lambda job: (order.get(job.id, len(order)), job.id))
    running = sorted((job for job in living if job.state == "running"), key=lambda job: job.id)
    return [*running, *(replace(job, position=n) for n, job in enumerate(waiting, start=1))]


def _order_by_hand(runs_dir: Path) -> dict[int, int]:
    """Job → place, for those that were put in order; the others come after them."""
    with contextlib.suppress(NormLabError):
        order = read_json(runs_dir / JOBS_FOLDER / "order.json").get("order")
        if isinstance(order, list):
            return {number: place for place, number in enumerate(order) if type(number) is int}
    return {}


def read_job(runs_dir: Path, number: int) -> Job:
    """The job, without its position; state "damaged" with a reason instead of an error."""
    path = job_path(runs_dir, number)
    try:
        info = read_json(path / "job.json")
        fields = _read_info(info)
        state, reason = job_state(path)
    except NormLabError as error:
        return Job(number, path, "damaged", str(error))
    except OSError as error:
        return Job(number, path, "damaged", f"cannot be read: {error.strerror}")
    progress = read_quietly(path / "end.json") or read_quietly(path / "progress.json")
    silent = _silent_seconds(progress) if state == "running" else None
    if silent is not None and silent > SILENT_SECONDS:
        reason = f"no sign of life for {silent:.0f} s: its process hangs or is suspended"
    return Job(
        number, path, state, reason, silent=silent, **fields, **_read_numbers(progress, state)
    )


def _read_info(info: dict[str, Any]) -> dict[str, Any]:
    kind, runs, request = info.get("kind"), info.get("runs"), info.get("request")
    if not isinstance(runs, list) or not all(isinstance(name, str) for name in runs):
        raise RunError("job.json does not name its runs")
    device = info.get("device")
    fields = {
        "runs": tuple(runs),
        "device": device if isinstance(device, str) else None,
        "created": str(info.get("created", "")),
    }
    if kind in ("train", "resume") and isinstance(request, dict):
        return {**fields, "kind": kind, "request": request_from_dict(request)}
    if kind != "resume" or request is not None:
        raise RunError("job.json does not say what to train or to resume")
    return {**fields, "kind": kind}


def _read_numbers(progress: dict[str, Any], state: str) -> dict[str, Any]:
    # What does not run has no time left.
    names = (*NUMBERS, "seconds_left") if state == "running" else NUMBERS
    values = {name: progress.get(name) for name in names}
    return {name: v for name, v in values.items() if isinstance(v, (int, float)) and v >= 0}


def job_state(path: Path) -> tuple[str, str | None]:
    """(state, reason) of the job in folder `path`, derived from what is true now."""
    if end := read_quietly(path / "end.json"):
        return _ending(end)
    progress = read_quietly(path / "progress.json")
    if _is_living(path, progress):
        return ("running" if progress.get("phase") == "running" else "queued"), None
    # It may have ended properly between the two looks.
    if (path / "end.json").exists():
        return _ending(read_json(path / "end.json"))
    if progress.get("phase") == "running":
        return "interrupted", KILLED
    if (path / "stop").exists():
        return "stopped", "cancelled while it waited"
    return "interrupted", KILLED_BEFORE


def _ending(end: dict[str, Any]) -> tuple[str, str | None]:
    state, reason = end.get("state"), end.get("reason")
    if state in ENDED_STATES and isinstance(reason, (str, type(None))):
        return str(state), reason
    raise RunError("end.json does not say how the job ended")


def _may_live(path: str) -> bool:
    """A quick look that passes over all jobs that have ended, and what is none."""
    try:
        names = set(os.listdir(path))
    except OSError:
        return False
    return "end.json" not in names and not names.isdisjoint(("process.json", "lock"))


def _is_living(path: Path, progress: dict) -> bool:
    """Whether a process works on the job or waits to.

    Its identity alone decides until it holds the lock for the first time. From then on the lock
    must be held too, because one process may do several jobs, and a lock can outlive its process in
    a child. Where the process cannot be seen from here, as in another container, its heartbeat
    decides; on another machine, whose boot is not ours, there is only the lock.
    """
    identity = identity_from_dict(read_quietly(path / "process.json"))
    seen = identity is not None and identity.is_alive
    if not is_locked(path / "lock"):
        return seen and not progress
    silent = _silent_seconds(progress)
    elsewhere = progress.get("boot") not in (None, boot_id())
    return seen or elsewhere or (silent is not None and silent < SILENT_SECONDS)


def _silent_seconds(progress: dict) -> float | None:
    """Seconds since the last heartbeat; no change of the clock moves it."""
    beat = progress.get("beat")
    if not isinstance(beat, (int, float)) or progress.get("boot") != boot_id():
        return None
    return max(0.0, uptime() - beat)


def read_quietly(path: Path) -> dict:
    """The JSON object in `path`, or {} if there is none that can be read."""
    try:
        return read_json(path)
    except NormLabError:
        return {}
