"""Which process is which: a process number alone is given to another one later."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessIdentity:
    """A process for good: its number, when it started, and since which start of the machine.

    `started` counts from the machine's start, so that no change of the clock moves it. `started`
    and `boot` are empty where the system does not say; such a process is never taken for alive.
    """

    pid: int
    started: str
    boot: str

    def to_dict(self) -> dict:
        """Ready for JSON."""
        return asdict(self)

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs, seen from here; a zombie does not."""
        known = bool(self.started and self.boot) and self.boot == boot_id()
        return known and _start_of(self.pid) == self.started

    def send(self, number: signal.Signals) -> bool:
        """Sends a signal to this process and to no other; whether it was there to get it."""
        if hasattr(os, "pidfd_open"):
            return self._send_by_descriptor(number)
        if not self.is_alive:
            return False
        with contextlib.suppress(OSError):
            os.kill(self.pid, number)
            return True
        return False

    def _send_by_descriptor(self, number: signal.Signals) -> bool:
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return False
        try:
            # Checked after opening: the descriptor cannot come to mean another process.
            if not self.is_alive:
                return False
            signal.pidfd_send_signal(descriptor, number)
            return True
        except OSError:
            return False
        finally:
            os.close(descriptor)


def identify(pid: int | None = None) -> ProcessIdentity:
    """The identity of the process with this number, or of this one."""
    number = os.getpid() if pid is None else pid
    return ProcessIdentity(number, _start_of(number), boot_id())


def identity_from_dict(fields: dict) -> ProcessIdentity | None:
    """The inverse of `ProcessIdentity.to_dict`; None if the fields are none."""
    try:
        pid, started, boot = fields["pid"], fields["started"], fields["boot"]
    except KeyError:
        return None
    fits = type(pid) is int and pid > 0 and isinstance(started, str) and isinstance(boot, str)
    return ProcessIdentity(pid, started, boot) if fits else None


@functools.cache
def boot_id() -> str:
    """Changes with every start of the machine; "" where the system does not say."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return _ask("sysctl", "-n", "kern.bootsessionuuid")


def uptime() -> float:
    """Seconds on a clock that nobody sets and that all processes of the machine share."""
    return time.monotonic()


def _start_of(pid: int) -> str:
    """When process `pid` started, in the system's words; "" if it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "" if BOOT_ID.exists() else _ask("ps", "-o", "lstart=", "-p", str(pid))
    # The name, in brackets, may hold blanks and brackets; state and start are fields 3 and 22.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _ask(*command: str) -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip()
    return ""
