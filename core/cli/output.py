"""What every command shares: options, tables for people, one JSON document for programs."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from core.cli.words import with_options
from core.data.folders import expand_home
from core.device import is_out_of_memory
from core.errors import NormLabError
from core.training.runs import RUNS_VARIABLE

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output, nothing else.")
]
RunsDirOption = Annotated[
    Path,
    typer.Option("--runs-dir", envvar=RUNS_VARIABLE, help="Folder of the runs made here."),
]
PreferredDirOption = Annotated[
    Path | None,
    typer.Option("--runs-dir", help="Runs to prefer to the shipped ones, which else go first."),
]
DataDirOption = Annotated[
    str | None,
    typer.Option("--data-dir", help="Folder of the data sets; default NORMLAB_DATA, else data/."),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", help="auto, cuda, mps, xpu, cpu; default NORMLAB_DEVICE, else auto."),
]
DatasetOption = Annotated[str, typer.Option("--dataset", help="Name of the data set.")]

RUNS_DIR = Path("runs")
PIPE_WIDTH = 150
"""Columns of a table that goes to a file or a pipe."""
LONG_WORD = 20
"""Longer ones, such as paths, may be broken."""


def one_line_errors(command: Callable) -> Callable:
    """Turns an error that a user can meet into one line on standard error and an exit status."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            if kwargs.get("runs_dir"):
                kwargs["runs_dir"] = expand_home(kwargs["runs_dir"])
            return command(*args, **kwargs)
        except NormLabError as error:
            sys.stderr.write(f"normlab: {with_options(str(error), _unusual(kwargs))}\n")
            raise typer.Exit(error.exit_status) from error
        except BrokenPipeError:
            raise  # typer ends quietly where nobody reads on, as behind `| head`
        except OSError as error:
            why = error.strerror or str(error) or type(error).__name__
            sys.stderr.write(f"normlab: {error.filename or 'the system'}: {why}\n")
            raise typer.Exit(1) from error
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            sys.stderr.write(f"normlab: {_too_much(kwargs)}\n")
            raise typer.Exit(1) from error

    return wrapped


def _too_much(options: dict[str, Any]) -> str:
    """What to do where memory does not suffice, as far as the command can do it."""
    elsewhere = ", or on the CPU" if options.get("device", "cpu") != "cpu" else ""
    return with_options(
        f"out of memory: end other programs, or ask for fewer runs or images at a time{elsewhere}."
    )


def _unusual(options: dict[str, Any]) -> Path | None:
    """The folder of runs, if a command must be told of it."""
    folder = options.get("runs_dir")
    return None if folder == RUNS_DIR else folder


def chosen_runs_dir(preferred: Path | None) -> Path:
    """The folder of the runs made here, where that of `PreferredDirOption` may not be given."""
    return preferred or expand_home(os.environ.get(RUNS_VARIABLE) or RUNS_DIR)


def minutes(seconds: float) -> str:
    """A time as minutes and seconds, such as 12:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class _Forgiving:
    """A stream that goes silent where it cannot be written to, as behind `2>&1 | head`."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            silence(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            silence(self._stream)


def error_stream() -> IO[str]:
    """Standard error for what is only told along the way, which must not end the work."""
    return _Forgiving(sys.stderr)  # type: ignore[return-value]


def silence(stream: IO[str]) -> None:
    """What is still written to `stream`, also at exit, goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def print_json(document: object) -> None:
    """The one JSON document of a command."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A byte of a file name that is not UTF-8 becomes \udcXX, in JSON as in Python.
    sys.stdout.write(text.encode(errors="backslashreplace").decode())


def printable(name: str) -> str:
    """A file name as one line for people: what cannot be printed, or drives a terminal, escaped."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in name
    )


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table for people; columns of numbers are aligned right.

    On a terminal too narrow for its words each row is a list of its cells instead.
    """
    rows = [["" if value is None else value for value in row] for row in rows]
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    widths = _widths(columns, rows, console.width - 3 * len(columns) - 1)
    if rows and widths is None and sys.stdout.isatty():
        console.print(_as_lists(columns, rows, title))
        return
    table = Table(title=Text(title, "table.title") if title else None, title_justify="left")
    for position, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[position], (int, float)) for row in rows)
        width = widths[position] if widths else None
        justify: Literal["right", "left"] = "right" if numeric else "left"
        table.add_column(name, justify=justify, width=width, overflow="fold")
    for row in rows:
        # As Text, because a plain string's [brackets] would be taken for markup.
        table.add_row(*(Text(str(value)) for value in row))
    console.print(table)


def _widths(
    columns: Sequence[str], rows: Sequence[Sequence[object]], room: int
) -> list[int] | None:
    """The columns' widths, the widest cut first; None where words would have to be broken."""
    cells = [[str(cell) for cell in column] for column in zip(columns, *rows, strict=True)]
    widths = [
        max(cell_len(line) for cell in column for line in [*cell.splitlines(), ""])
        for column in cells
    ]
    least = [
        min(LONG_WORD, max(cell_len(word) for cell in column for word in [*cell.split(), ""]))
        for column in cells
    ]
    while sum(widths) > room:
        spare = [position for position, width in enumerate(widths) if width > least[position]]
        if not spare:
            return None
        widths[max(spare, key=widths.__getitem__)] -= 1
    return widths


def _as_lists(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str) -> Table:
    """Each row as lines with the name of the column and what the row has there, if anything."""
    grid = Table.grid("", Column(overflow="fold"), padding=(0, 2, 0, 0))
    grid.title, grid.title_justify = Text(title, "table.title") if title else None, "left"
    for row in rows:
        for name, value in zip(columns, row, strict=True):
            if str(value):
                grid.add_row(Text(name, "table.header"), Text(str(value)))
        grid.add_row()
    return grid
