"""`python -m core`: NormLab's command line."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings

try:
    import typer

    from core.cli import (
        doctor,
        explain,
        fetch,
        jobs,
        manage,
        predict,
        reports,
        robustness,
        training,
    )
    from core.cli.output import silence
except ModuleNotFoundError as error:
    if str(error.name).startswith("core"):
        raise
    sys.exit(f"normlab: {error.name} is not installed: run `pip install -r requirements.txt`.")

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
    jobs.stop,
    jobs.jobs,
    jobs.queue,
    reports.runs,
    manage.label,
    manage.delete,
    manage.export,
    reports.evaluate,
    robustness.robustness,
    reports.summary,
    predict.predict,
    explain.explain,
    fetch.fetch,
    doctor.doctor,
):
    app.command()(command)
app.command("import")(manage.import_)


def main() -> int:
    """Runs the command line; a word it does not understand costs one line and status 2."""
    # Pillow's, of damaged files, would stand around the one line that refuses them.
    warnings.filterwarnings("ignore", module="PIL")
    for name in ("stdout", "stderr"):
        # None where whoever started us closed it, as `>&-` does: then nobody wants to read it.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - to the end
    if isinstance(sys.stdout, io.TextIOWrapper):
        # JSON is UTF-8 wherever it goes, and not every encoding has the signs of the tables.
        sys.stdout.reconfigure(encoding="utf-8")
    try:
        return app(prog_name="python -m core", standalone_mode=False) or 0
    except typer.TyperException as error:
        message = error.format_message()
        helpful = message if "\n" in message else f"normlab: {message.rstrip('.')}. See --help."
        sys.stderr.write(helpful.rstrip() + "\n")
        return error.exit_code
    except BrokenPipeError:
        # Nobody reads on, as behind `| head`; nor may the flush at exit complain.
        for stream in (sys.stdout, sys.stderr):
            silence(stream)
        return 1
    except (typer.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main())
