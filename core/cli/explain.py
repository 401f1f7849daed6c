"""`explain`: what each network saw in one image, as maps, figures and a diagnosis."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from core.analysis.baselines import DEFAULT_BASELINE
from core.analysis.methods import METHODS, get_method
from core.analysis.target import DEFAULT_TARGET
from core.analysis.trust import Trust
from core.cli.explanation import Explanation, Question, explain_image
from core.cli.explanation_files import check_folder, write_files
from core.cli.output import (
    DataDirOption,
    DatasetOption,
    JsonOption,
    PreferredDirOption,
    chosen_runs_dir,
    one_line_errors,
    print_json,
    print_table,
)
from core.cli.words import made_here
from core.config import VARIANTS, get_variant
from core.data.datasets import data_dir as find_data_dir
from core.data.datasets import get_dataset
from core.device import check_choice
from core.errors import ImageError, UsageError

ImageArgument = Annotated[
    Path | None, typer.Argument(help="A picture of one digit; or name a test image by --index.")
]
IndexOption = Annotated[int | None, typer.Option(help="Number of the test image, from 0.")]
VariantOption = Annotated[
    list[str] | None, typer.Option(help="A name; may be repeated. Default: all.")
]
MethodOption = Annotated[
    list[str] | None, typer.Option(help=f"May be repeated: {', '.join(METHODS)}.")
]
TargetOption = Annotated[
    str, typer.Option(help="pred_minus_true, pred, true, a class such as 5, or 5-3.")
]
BaselineOption = Annotated[str, typer.Option(help="black, zero, mean, or a picture.")]
DiagnoseOption = Annotated[
    bool, typer.Option("--diagnose", help="What the normalization did; needs the images.")
]
OutOption = Annotated[Path | None, typer.Option(help="Folder for PNG, .npy and explanation.json.")]

DEFAULT_METHOD = next(iter(METHODS))
TRUST_COLUMNS = (
    *("variant", "method", "like random weights'", "unexplained", "max-sensitivity"),
    *("deletion (random)", "insertion (random)", "like other seeds'"),
)


@one_line_errors
def explain(
    image: ImageArgument = None,
    dataset: DatasetOption = "mnist",
    index: IndexOption = None,
    variant: VariantOption = None,
    method: MethodOption = None,
    target: TargetOption = DEFAULT_TARGET,
    baseline: BaselineOption = DEFAULT_BASELINE,
    seed: Annotated[int, typer.Option(help="Of the runs that are explained.")] = 1,
    trust: Annotated[bool, typer.Option("--trust", help="Test each map; takes seconds.")] = False,
    diagnose: DiagnoseOption = False,
    out: OutOption = None,
    runs_dir: PreferredDirOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain what the networks say of one image: maps, their errors, and what they rest on.

    Always on the CPU, whatever NORMLAB_DEVICE says.
    """
    check_choice()
    torch.set_num_threads(1)  # networks and maps are computed beside each other instead
    question = Question(
        image=image,
        info=get_dataset(dataset),
        index=index,
        variants=list(dict.fromkeys(get_variant(name).key for name in variant or VARIANTS)),
        methods=list(dict.fromkeys(get_method(name).key for name in method or [DEFAULT_METHOD])),
        target=target,
        baseline=baseline,
        seed=seed,
        trust=trust,
        diagnose=diagnose,
        runs_dir=chosen_runs_dir(runs_dir),
        shipped_first=runs_dir is None,
        data_dir=find_data_dir(data_dir),
    )
    if out is not None:
        check_folder(out, question)
    found = _explain(question)
    if out is not None:
        write_files(out, found)
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found)


def _explain(question: Question) -> Explanation:
    """The explanation; `UsageError` for a file that cannot even be read."""
    try:
        return explain_image(question)
    except ImageError as error:
        if error.code != "unreadable":
            raise
        raise UsageError(str(error)) from error


def _print(found: Explanation) -> None:
    for notice in found.subject.notices:
        print(notice)
    columns = ("variant", "says", "method", "explained", "steps", "error %", "map")
    rows = [_row(row, found) for row in found.to_dict()["maps"]]
    print_table(columns, rows, title=_title(found))
    for key in dict.fromkeys(one.method for one in found.maps if one.valid):
        if caution := METHODS[key].caution:
            print(f"{METHODS[key].label}: {caution}")
    if found.trust:
        print_table(TRUST_COLUMNS, [_trust_row(*key, one) for key, one in found.trust.items()])
    for diagnosis in found.diagnoses:
        print("\n".join(diagnosis.sentences))
    for sentence in found.change_sentences():
        print(sentence)


def _title(found: Explanation) -> str:
    subject, info = found.subject, found.question.info
    if subject.true is None:
        image = f"{subject.file}, true class unknown"
    else:
        image = f"{info.key} test image {subject.index}, a true {info.class_names[subject.true]}"
    shipped = {one["variant"]: one["shipped"] for one in found.predictions}
    own = made_here(shipped, found.question.runs_dir)
    return f"{image}; {info.key} networks of seed {found.question.seed}{own}"


def _row(row: dict, found: Explanation) -> tuple:
    error = row["completeness_error"]
    said = next(p for p in found.predictions if p["variant"] == row["variant"])
    return (
        row["variant"],
        f"{found.question.info.class_names[said['label']]} ({said['probability']:.1%})",
        row["method"],
        row["target_text"],
        "" if row["n_steps"] is None else str(row["n_steps"]),
        "" if error is None else f"{100 * error:.1f}",
        row["warning"] or "drawn" if row["valid"] else f"none: {row['reason']}",
    )


def _trust_row(variant: str, method: str, trust: Trust) -> tuple:
    check, unexplained = trust.randomization, trust.infidelity.unexplained
    return (
        variant,
        method,
        f"{check.all_layers:.2f}, {'passed' if check.passed else 'FAILED'}",
        "" if unexplained is None else f"{unexplained:.2f}",
        f"{trust.max_sensitivity:.2f}",
        *(
            f"{curve.auc:.2f} ({curve.random_auc_low:.2f} to {curve.random_auc_high:.2f})"
            for curve in (trust.deletion, trust.insertion)
        ),
        "" if trust.seeds is None else f"{trust.seeds.mean:.2f} ({trust.seeds.num_maps} maps)",
    )
