"""`python -m core`: NormLab's command line."""

from __future__ import annotations

import typer

from core.cli import training

app = typer.Typer(
    help="Train and compare six small image classifiers that differ in normalization.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(training.train)
app.command()(training.resume)

if __name__ == "__main__":
    app(prog_name="python -m core")
