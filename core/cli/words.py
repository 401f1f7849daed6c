"""Messages of the core in the words of the command line: what to type in place of what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from core.config import VARIANTS
from core.training.job import Job
from core.training.runs import Run, is_shipped

RUN = r"^(\S+/\S+/seed-\d+)"
PHRASES = (
    (r"choose other seeds", "choose other --seeds"),
    (r"\(NORMLAB_RUNS\)", "with --runs-dir"),
    (r"\(NORMLAB_DATA\)", "with --data-dir or NORMLAB_DATA"),
    (r"lower learning rate", "lower --learning-rate"),
    (r"or on the CPU", "or on the CPU (--device cpu)"),
    (r"^asked for$", "asked for by --device"),
    (r"^(Unknown device '[^']*'): ", r"\1 (--device): "),
    (r"^(\w+ was asked for), but", r"\1 (--device), but"),
    (
        rf"^(No run '([\w-]+)/({'|'.join(VARIANTS)})/seed-(\d+)' .*)\.$",
        r"\1: see `python -m core runs`, or make it with "
        r"`python -m core train \3 --seeds \4 --dataset \2`.",
    ),
    (r"^(No run .*[^`])\.$", r"\1: see `python -m core runs`."),
    (r"^(There is no job .*)\.$", r"\1: see `python -m core jobs`."),
    (rf"{RUN}(.*)\bresume it", r"\1\2go on with `python -m core resume \1`"),
    (rf"{RUN}(.*)\bdelete it", r"\1\2`python -m core delete \1`"),
    (r"^(Job (\d+) .*)\bstop it", r"\1stop it: `python -m core stop \2`"),
)
"""What the core says, and what the command line says instead."""


def with_options(message: str, runs_dir: Path | None = None, subject: int | str = "") -> str:
    """`message` with the options and commands that do what it asks for.

    `runs_dir` is named in the commands unless None; `subject` is the job or run that is spoken of.
    """
    for phrase, words in PHRASES:
        message = re.sub(phrase, words, message)
    if subject:
        message = message.replace("resume it", f"go on with `python -m core resume {subject}`")
        message = message.replace("delete it", f"`python -m core delete {subject}`")
    if runs_dir is None:
        return message
    return re.sub(
        r"`(python -m core (?!fetch )[^`]*)`", rf"`\1 --runs-dir {_quoted(runs_dir)}`", message
    )


def _quoted(path: Path) -> str:
    """For the right side of `re.sub`."""
    return str(path).replace("\\", r"\\")


def made_here(is_shipped: Mapping[str, bool], runs_dir: Path) -> str:
    """Such as ", gn and ln from runs": whose runs did not come with NormLab, if any."""
    own = [key for key, shipped in is_shipped.items() if not shipped]
    who = "" if len(own) == len(is_shipped) else f"{' and '.join(own)} "
    return f", {who}from {runs_dir}" if own else ""


def document(item: Job | Run) -> dict:
    """A job or a run for JSON, its reason in the words of the command line.

    Of a run also whether it came with NormLab, and its accuracy once it has one.
    """
    found = {**item.to_dict(), "reason": reason(item)}
    if isinstance(item, Run):
        found["accuracy_percent"] = item.final.get("test_accuracy_percent")
        found["shipped"] = is_shipped(item)
    return found


def reason(item: Job | Run) -> str | None:
    """Why a job or a run is as it is, in the words of the command line."""
    name = item.id if isinstance(item, Job) else item.name
    return item.reason and with_options(item.reason, subject=name)
