"""The process that does a job: its lock, its heartbeat, its turn, its end."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, Self

from filelock import FileLock, Timeout

from core.errors import NormLabError, RunError, UsageError
from core.training.job import job_path
from core.training.jobs import write_owner
from core.training.process import boot_id, identify, uptime
from core.training.storage import to_json, write_atomic
from core.training.turn import POLL_SECONDS, take_turn

BEAT_SECONDS = 1.0
LOCK_SECONDS = 5.0
RATE_BEATS = 60
"""The time left is estimated from so many of the newest heartbeats."""

MAX_LOG_BYTES = 256 * 1024
RESERVE_BYTES = 16 * 1024
"""Kept free on the disk, so that the end of a job can be written when there is no other space."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Watched(Protocol):
    """What a job does: `core.training.trainer.Trainer`."""

    @property
    def steps_done(self) -> int: ...
    @property
    def total_steps(self) -> int: ...
    @property
    def epochs_done(self) -> tuple[int, int]: ...
    def stop(self) -> None: ...


class JobProcess:
    """Does job `number` in this process. Use as a context manager.

    While it is open, SIGINT, SIGTERM and a file `stop` ask to end: `stop_asked` is True and the
    trainer stopped, or KeyboardInterrupt raised where nothing has begun. When it closes, `end.json`
    says how: as `ended` said, or why it was left.
    """

    def __init__(self, runs_dir: Path, number: int) -> None:
        self.runs_dir = runs_dir
        self.number = number
        self.path = job_path(runs_dir, number)
        self.stop_asked = False
        self._signal: int = signal.SIGTERM
        self._closed = threading.Event()
        self._trainer: Watched | None = None
        self._turn: FileLock | None = None
        self._phase = "queued"
        self._began = 0.0
        self._marks: collections.deque[tuple[float, int]] = collections.deque(maxlen=RATE_BEATS)
        self._end: dict[str, Any] = {}
        self._raise_on_stop = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._lock = FileLock(self.path / "lock")
        try:
            self._lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            raise UsageError(f"Job {self.number} is done by another process already.") from None
        if (self.path / "end.json").exists():
            self._lock.release()
            raise UsageError(f"Job {self.number} has ended: start a new one.")
        with contextlib.suppress(RunError):
            write_owner(self.path, identify())
            write_atomic(self.path / "reserve", os.urandom(RESERVE_BYTES))
        self._catch_signals()
        self.beat()
        self._heart = threading.Thread(target=self._keep_beating, daemon=True)
        self._heart.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._closed.set()
        self._heart.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        end = {**self._progress(), **self._how_it_ended(error)}
        (self.path / "reserve").unlink(missing_ok=True)
        with contextlib.suppress(RunError):  # else the state is "interrupted"
            write_atomic(self.path / "end.json", to_json(end))
        if self._turn is not None:
            self._turn.release()
        self._lock.release()

    def _how_it_ended(self, error: BaseException | None) -> dict[str, Any]:
        if error is None:
            return self._end or {"state": "failed", "reason": "it did not say how it ended"}
        if self.stop_asked and not isinstance(error, Exception):
            waited = "cancelled while it waited"
            reason = waited if self._phase == "queued" else "stopped before training began"
            return {"state": "stopped", "reason": reason}
        why = str(error) if isinstance(error, (NormLabError, OSError)) else repr(error)
        return {"state": "failed", "reason": why.splitlines()[0] if why else "no reason given"}

    def wait_for_turn(self, on_waiting: Callable[[], None], *, now: bool = False) -> None:
        """Returns once this job may train; `on_waiting` is called if it has to wait for that.

        With `now` it waits for nobody. KeyboardInterrupt if it is stopped meanwhile.
        """
        self._turn = None if now else take_turn(self.runs_dir, self.number)
        if not now and self._turn is None:
            on_waiting()
        while not now and self._turn is None:
            time.sleep(POLL_SECONDS)
            if self.stop_asked or not self.path.exists():
                raise KeyboardInterrupt
            self._turn = take_turn(self.runs_dir, self.number)
        self._phase = "running"
        self._began = uptime()
        self.beat()

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within it a signal raises KeyboardInterrupt, because nothing is there to be saved."""
        if self.stop_asked:
            raise KeyboardInterrupt
        self._raise_on_stop = True
        try:
            yield
        finally:
            self._raise_on_stop = False

    def watch(self, trainer: Watched) -> None:
        """From now on `trainer` is what is reported, and what a stop stops."""
        self._trainer = trainer
        self._marks.clear()
        if self.stop_asked:
            trainer.stop()

    def ended(self, state: str, reason: str | None) -> None:
        """Says how the job ended, unless an error leaves it after all."""
        self._end = {"state": state, "reason": reason}

    def beat(self) -> None:
        """One sign of life, with the progress; a disk that is full for a while does not matter."""
        with contextlib.suppress(RunError, OSError):
            content = {"beat": uptime(), "boot": boot_id(), "phase": self._phase}
            progress = to_json({**content, **self._progress()})
            write_atomic(self.path / "progress.json", progress, durable=False)
            _shorten(self.path / "log.txt")

    def _progress(self) -> dict[str, Any]:
        if self._phase != "running":
            return {}
        now = uptime()
        trainer = self._trainer
        if trainer is None:
            return {"seconds": now - self._began}
        done, total = trainer.steps_done, trainer.total_steps
        self._marks.append((now, done))
        then, before = self._marks[0]
        left = (total - done) * (now - then) / (done - before) if done > before else None
        epoch, epochs = trainer.epochs_done
        found = {"epoch": epoch, "epochs": epochs, "steps_done": done, "total_steps": total}
        return {**found, "seconds": now - self._began, "seconds_left": left}

    def _keep_beating(self) -> None:
        while not self._closed.wait(BEAT_SECONDS):
            self.beat()
            if not self.stop_asked and (self.path / "stop").exists():
                self._stop()

    def _catch_signals(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = {n: signal.signal(n, self._on_signal) for n in STOP_SIGNALS}

    @property
    def stop_status(self) -> int:
        """The exit status for work that was stopped: 130 after Ctrl-C, else 143."""
        return 128 + self._signal

    def _on_signal(self, number: int, *_: object) -> None:
        self._signal = number
        self._stop()
        if self._raise_on_stop:
            raise KeyboardInterrupt

    def _stop(self) -> None:
        self.stop_asked = True
        if self._trainer is not None:
            self._trainer.stop()


def _shorten(log: Path) -> None:
    """Keeps the newest half of a log that has grown too large; whoever writes it appends."""
    if not log.exists() or log.stat().st_size <= MAX_LOG_BYTES:
        return
    with log.open("r+b") as file:
        file.seek(-MAX_LOG_BYTES // 2, os.SEEK_END)
        newest = file.read()
        file.seek(0)
        file.write(newest)
        file.truncate()
