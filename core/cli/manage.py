"""`label`, `delete`, `export`, `import`: runs that were made here, as things to keep."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from core.cli.output import (
    RUNS_DIR,
    JsonOption,
    RunsDirOption,
    one_line_errors,
    print_json,
)
from core.cli.words import document
from core.errors import RunError, UsageError
from core.training.archive import MAX_ARCHIVE_BYTES, export_run, import_run
from core.training.checks import check_writable
from core.training.manage import delete_run, label_run, own_run
from core.training.runs import Run, find_run, is_shipped, read_run
from core.training.storage import read_bytes, write_atomic

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Such as mnist/gn/seed-1.")]
TO_OPTION = "--to"


@one_line_errors
def label(
    run: RunArgument,
    name: Annotated[str | None, typer.Option(help='Its name; "" for none.')] = None,
    note: Annotated[str | None, typer.Option(help='A note on it; "" for none.')] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    as_json: JsonOption = False,
) -> None:
    """Give a run a name and a note; its folder stays where it is."""
    if name is None and note is None:
        raise UsageError("Give --name, --note or both.")
    found = own_run(run, runs_dir)
    title = found.title if name is None else name
    label_run(found, runs_dir, title, found.note if note is None else note)
    _report([read_run(found.path, runs_dir)], as_json, "named")


@one_line_errors
def delete(
    names: Annotated[list[str], typer.Argument(metavar="RUN…", help="Such as mnist/gn/seed-1.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    as_json: JsonOption = False,
) -> None:
    """Remove runs for good."""
    runs = [own_run(name, runs_dir) for name in dict.fromkeys(names)]
    listed = ", ".join(run.name for run in runs)
    if not yes and not _confirmed(f"Delete {listed} for good?"):
        raise RunError("Nothing was deleted.")
    for run in runs:
        delete_run(run, runs_dir)
    _report(runs, as_json, "deleted")


def _confirmed(question: str) -> bool:
    """The answer on standard input, asked for on a terminal; `UsageError` where there is none."""
    if sys.stdin is not None and sys.stdin.isatty():
        sys.stderr.write(f"{question} [y/N]: ")
        sys.stderr.flush()
    answer = sys.stdin.readline() if sys.stdin is not None else ""
    if not answer:
        raise UsageError(f"{question} Nobody answered: give --yes to say so.")
    return answer.strip().lower() in ("y", "yes")


@one_line_errors
def export(
    run: RunArgument,
    to: Annotated[Path | None, typer.Option(TO_OPTION, help="File or folder to write.")] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    as_json: JsonOption = False,
) -> None:
    """Write a finished run to one file, which `import` reads."""
    found = find_run(run, runs_dir)
    content = export_run(found)
    file_name = found.name.replace("/", "-") + ".zip"
    target = Path(file_name) if to is None else to / file_name if to.is_dir() else to
    check_writable(target.parent, TO_OPTION)
    if target.exists():
        raise UsageError(f"{target} exists: choose another file with {TO_OPTION}.")
    write_atomic(target, content, TO_OPTION)
    _report([found], as_json, f"written to {target}:", file=str(target))


@one_line_errors
def import_(
    file: Annotated[Path, typer.Argument(help="A file that `export` wrote.")],
    runs_dir: RunsDirOption = RUNS_DIR,
    as_json: JsonOption = False,
) -> None:
    """Add an exported run; everything in it is checked first."""
    if not file.is_file():
        problem = "is no file" if file.exists() else "is not there"
        raise UsageError(f"{file} {problem}: give a file that `export` wrote.")
    try:
        run = import_run(read_bytes(file, MAX_ARCHIVE_BYTES), runs_dir)
    except RunError as error:
        why = str(error).rstrip(".")
        raise RunError(f"{file} was not imported: {why}. Export the run again.") from error
    _report([run], as_json, "imported")


def _report(runs: list[Run], as_json: bool, done: str, **more: str) -> None:
    if as_json:
        print_json({**more, "runs": [document(run) for run in runs]})
        return
    for run in runs:
        print(f"{done} {run.name}{' (shipped)' if is_shipped(run) else ''}")
