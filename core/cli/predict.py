"""`predict`: what the networks make of pictures of digits, how surely, and who agrees."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pandas as pd
import torch
import typer

from core.analysis.image_properties import PROPERTIES
from core.analysis.predict import agreement
from core.cli.output import (
    DatasetOption,
    JsonOption,
    PreferredDirOption,
    chosen_runs_dir,
    one_line_errors,
    print_json,
    print_table,
    printable,
)
from core.cli.prediction import BY_NAME, Answers, Question, answer
from core.cli.words import made_here
from core.config import VARIANTS, get_variant
from core.data.datasets import get_dataset
from core.data.image_gate import LIMITS
from core.data.preprocess import POLARITIES
from core.device import check_choice
from core.errors import UsageError
from core.training.runs import is_shipped

ImagesArgument = Annotated[list[Path], typer.Argument(help=f"Pictures of digits, each {LIMITS}.")]
VariantOption = Annotated[
    list[str] | None, typer.Option(help="A name; may be repeated. Default: all.")
]
PolarityOption = Annotated[
    str | None,
    typer.Option(help=f"{', '.join(POLARITIES)}. Default: auto, with --as-is light_on_dark."),
]
LabelsOption = Annotated[
    str | None,
    typer.Option(help=f'"{BY_NAME}" for what file names tell, or a CSV file with file and label.'),
]


@one_line_errors
def predict(
    images: ImagesArgument,
    dataset: DatasetOption = "mnist",
    variant: VariantOption = None,
    seed: Annotated[int, typer.Option(help="Of the runs that are asked.")] = 1,
    polarity: PolarityOption = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="Crop and centre nothing.")] = False,
    all_digits: Annotated[
        bool, typer.Option("--all-digits", help="Every digit of a picture, not the largest.")
    ] = False,
    labels: LabelsOption = None,
    runs_dir: PreferredDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the networks which digits pictures show; the exit status is 1 if one was refused.

    Always on the CPU, whatever NORMLAB_DEVICE says.
    """
    check_choice()
    torch.set_num_threads(1)  # small convolutions wait for more than they gain
    polarity = polarity or ("light_on_dark" if as_is else "auto")
    if polarity not in POLARITIES:
        raise UsageError(f"Unknown polarity {polarity!r}: choose from {', '.join(POLARITIES)}.")
    if as_is and all_digits:
        raise UsageError("--as-is crops nothing and --all-digits crops each digit: give one.")
    found = answer(
        Question(
            pictures=images,
            info=get_dataset(dataset),
            variants=list(dict.fromkeys(get_variant(name).key for name in variant or VARIANTS)),
            seed=seed,
            polarity=polarity,
            as_is=as_is,
            all_digits=all_digits,
            labels=labels,
            runs_dir=chosen_runs_dir(runs_dir),
            shipped_first=runs_dir is None,
        )
    )
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found)
    if any(one.error for one in found.readings):
        raise typer.Exit(1)


def _print(found: Answers) -> None:
    question = found.question
    if not found.frame.empty:
        columns = ("picture", *question.variants, "agree", "entropy", "unusual")
        shipped = {key: is_shipped(run) for key, run in found.runs.items()}
        title = (
            f"{question.info.key} networks of seed {question.seed}"
            f"{made_here(shipped, question.runs_dir)}; entropy in bits, mean"
        )
        print_table(columns, _rows(found), title=title)
    for one in found.readings:
        if one.error:
            sys.stderr.write(f"normlab: {printable(str(one.path))}: {one.error}\n")
    digits = [one.digit for one in found.readings if one.digit]
    for notice, count in Counter(said for one in digits for said in one.notices).items():
        print(notice if len(digits) == 1 else f"{count} of {len(digits)} digits: {notice}")
    for row in found.accuracy.to_dict("records"):
        print(
            f"{row['label']}: {row['accuracy_percent']:.1f} % right "
            f"({row['low_percent']:.1f} to {row['high_percent']:.1f}, Wilson 95 %), "
            f"n = {row['num_images']}"
        )


def _rows(found: Answers) -> Iterator[tuple]:
    """One per digit: what each variant says and how surely, and what is unusual."""
    digits = [one for one in found.readings if one.digit]
    several = {one.path for one in digits if one.number > 1}
    for (_, rows), one in zip(found.frame.groupby("image"), digits, strict=True):
        name = printable(str(one.path)) + (f" ({one.number})" if one.path in several else "")
        says = rows["predicted_name"] + rows["probability"].map(" ({:.1%})".format)
        agree = f"{agreement(rows).largest} of {len(rows)}"
        odd = found.odd[(found.odd["image"] == rows["image"].iloc[0]) & found.odd["is_unusual"]]
        yield name, *says, agree, f"{rows['entropy'].mean():.2f}", _unusual(odd)


def _unusual(odd: pd.DataFrame) -> str:
    """Such as "thinner strokes, a smaller size"."""
    words = (
        PROPERTIES[row["property"]].less
        if row["value"] < row["low"]
        else PROPERTIES[row["property"]].more
        for row in odd.to_dict("records")
    )
    return ", ".join(words)
