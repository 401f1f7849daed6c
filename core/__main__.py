"""`python -m core`: NormLab's command line."""

from __future__ import annotations

import typer

from core.cli import doctor, reports, training

app = typer.Typer(
    help="Train and compare six small image classifiers that differ in normalization.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (
    reports.variants,
    training.train,
    training.resume,
    reports.runs,
    reports.evaluate,
    reports.summary,
    doctor.doctor,
):
    app.command()(command)

if __name__ == "__main__":
    app(prog_name="python -m core")
