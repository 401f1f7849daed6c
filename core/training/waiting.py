"""`python -m core.training.waiting`: a job in the background, while it waits for its turn.

Once the turn has come this process becomes `python -m core train` or `resume`: the same process to
everybody who watches, because replacing a program changes neither its number nor its start.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from core.errors import RunError
from core.training.job import job_path, read_job
from core.training.jobs import write_owner
from core.training.process import identify
from core.training.turn import POLL_SECONDS, is_next


def main(path: Path, data_dir: str, *options: str) -> None:
    """Waits, unless `--now` is among the options, and becomes the trainer of the job in `path`."""
    runs_dir, number = path.parents[1], int(path.name)
    assert path == job_path(runs_dir, number)
    # Whoever started us says so too, unless it was killed before it could.
    with contextlib.suppress(RunError):
        write_owner(path, identify())
    while "--now" not in options and not is_next(runs_dir, number):
        if (path / "stop").exists() or not path.exists():
            return
        time.sleep(POLL_SECONDS)
    kind = read_job(runs_dir, number).kind
    command = [sys.executable, "-m", "core", kind, "--job", str(number)]
    command += ["--runs-dir", str(runs_dir), "--data-dir", data_dir, *options]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
