"""Starting the process of a job in the background. Needs no torch."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from core.data.datasets import data_dir as find_data_dir
from core.training.process import ProcessIdentity, identify

LOW_PRIORITY = 10
REPOSITORY = Path(__file__).resolve().parents[2]

Owner = Callable[[Path], ProcessIdentity]
"""Starts the process that does the job in a folder, and says which it is."""


def launcher(data_dir: Path | None, runs_dir: Path, now: bool) -> Owner:
    """Starts the process of a job in the background.

    It waits for its turn without torch, which would cost it 190 MB, and then becomes the trainer.
    """
    data = find_data_dir(data_dir).resolve()

    def launch(path: Path) -> ProcessIdentity:
        command = [sys.executable, "-m", "core.training.waiting", path.resolve(), data]
        with (path / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [*map(str, command), *(["--now"] if now else [])],
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # So that it leaves no zombie while we live.
        threading.Thread(target=process.wait, daemon=True).start()
        if hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):  # it has ended already
                os.setpriority(os.PRIO_PROCESS, process.pid, LOW_PRIORITY)
        return identify(process.pid)

    return launch
