"""`train` and `resume`: a job in this process, or with `--detach` in one of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from core.cli.fetch import download
from core.cli.output import (
    RUNS_DIR,
    DataDirOption,
    DatasetOption,
    DeviceOption,
    JsonOption,
    RunsDirOption,
    one_line_errors,
    print_json,
    print_table,
)
from core.cli.progress import say, watch
from core.cli.request import (
    BatchSizeOption,
    GammaOption,
    GroupOption,
    L1Option,
    LearningRateOption,
    MomentumOption,
    NameOption,
    NormOption,
    NoteOption,
    RotationOption,
    StepSizeOption,
    WeightDecayOption,
    request_from_options,
)
from core.cli.words import document, reason, with_options
from core.data.datasets import check_dataset
from core.data.datasets import data_dir as find_data_dir
from core.device import select_device
from core.errors import StoppedError, UsageError
from core.published import published_figures
from core.training.checks import RESUMABLE_STATES, check_not_shipped, check_resumable
from core.training.job import Job, find_job, is_job_number, living_jobs
from core.training.job_process import JobProcess
from core.training.job_runs import runs_of
from core.training.jobs import register, register_resume, register_resume_job, start
from core.training.label import write_label
from core.training.launch import Owner, launcher
from core.training.manage import queued_runs
from core.training.request import TrainingRequest
from core.training.runs import Run, find_run, list_runs, read_run
from core.training.trainer import Trainer, resume_runs, start_runs

DetachOption = Annotated[bool, typer.Option("--detach", help="Train in the background.")]
NowOption = Annotated[bool, typer.Option("--now", help="Do not wait for jobs that came before.")]
JobOption = Annotated[int | None, typer.Option("--job", hidden=True)]


@one_line_errors
def train(
    variants: Annotated[list[str] | None, typer.Argument(help="Names; see `variants`.")] = None,
    all_variants: Annotated[bool, typer.Option("--all", help="All variants.")] = False,
    norm: NormOption = None,
    channels_per_group: GroupOption = None,
    l1: L1Option = None,
    weight_decay: WeightDecayOption = None,
    seeds: Annotated[str, typer.Option(help="3, 1,2,5 or 1-10.")] = "1",
    epochs: Annotated[int | None, typer.Option(help="Default: the recipe's 20 or 25.")] = None,
    batch_size: BatchSizeOption = None,
    learning_rate: LearningRateOption = None,
    momentum: MomentumOption = None,
    step_size: StepSizeOption = None,
    gamma: GammaOption = None,
    rotation: RotationOption = None,
    dataset: DatasetOption = "mnist",
    device: DeviceOption = None,
    name: NameOption = "",
    note: NoteOption = "",
    detach: DetachOption = False,
    now: NowOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    data_dir: DataDirOption = None,
    job: JobOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train one, several or all variants, side by side."""
    root = find_data_dir(data_dir)
    if job is None:
        request = request_from_options(dict(locals()))
        # A device that is not there is refused at once, not when the turn has come.
        select_device(device)
        if detach:
            _report_job(start(request, runs_dir, root, now=now), runs_dir, as_json)
            return
        job = register(request, runs_dir).id
    _do(runs_dir, job, now, as_json, lambda process: _train(process, root))


@one_line_errors
def resume(
    names: Annotated[
        list[str] | None, typer.Argument(help="Runs such as mnist/gn/seed-1, or one job's number.")
    ] = None,
    device: DeviceOption = None,
    detach: DetachOption = False,
    now: NowOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    data_dir: DataDirOption = None,
    job: JobOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on with unfinished runs; without a name, with all in the folder."""
    root = find_data_dir(data_dir)
    if job is None:
        select_device(device)
        owner = launcher(root, runs_dir, now) if detach else None
        found = _register_resume(names or [], runs_dir, device, owner)
        if found is None:
            say(f"Nothing in {runs_dir} is unfinished.")
            _report([], as_json)
            return
        if detach:
            _report_job(found, runs_dir, as_json)
            return
        job = found.id
    work = {"train": _train, "resume": _resume}[find_job(runs_dir, job).kind]
    _do(runs_dir, job, now, as_json, lambda process: work(process, root))


def _register_resume(
    names: list[str], runs_dir: Path, device: str | None, owner: Owner | None
) -> Job | None:
    """The job that goes on with what is named; None if nothing is unfinished."""
    check_not_shipped(runs_dir)
    numbers = [name for name in names if is_job_number(name)]
    if numbers and len(names) > 1:
        raise UsageError("Name runs, or the number of one job.")
    if numbers:
        return register_resume_job(runs_dir, int(numbers[0]), device, owner)
    runs = _unfinished(names, runs_dir)
    return register_resume(runs, runs_dir, device, owner) if runs else None


def _unfinished(names: list[str], runs_dir: Path) -> list[Run]:
    """The runs called so, else all that are unfinished and wait in no queue."""
    if names:
        runs = [find_run(name, runs_dir) for name in dict.fromkeys(names)]
        for run in runs:
            check_resumable(run)
        return runs
    in_hand = {name for job in living_jobs(runs_dir) for name in job.runs}
    found = list_runs(runs_dir)
    return [run for run in found if run.state in RESUMABLE_STATES and run.name not in in_hand]


def _do(
    runs_dir: Path, number: int, now: bool, as_json: bool, work: Callable[[JobProcess], list[Run]]
) -> None:
    """Waits for the job's turn, does its work and reports; `StoppedError` if it was stopped."""
    find_job(runs_dir, number)
    cure = f"go on with `python -m core resume {number}`."

    def waits() -> None:
        position = find_job(runs_dir, number).position
        say(f"Job {number} waits for its turn, at place {position} of the queue. --now does not.")

    process = JobProcess(runs_dir, number)
    try:
        with process:
            process.wait_for_turn(waits, now=now)
            runs = work(process)
            process.ended(*_outcome(runs))
    except KeyboardInterrupt:
        why = f"Job {number} was stopped before it trained anything: {cure}"
        raise StoppedError(why, process.stop_status) from None
    _report(runs, as_json)
    if process.stop_asked and any(run.state != "done" for run in runs):
        raise StoppedError(f"Job {number} was stopped: {cure}", process.stop_status)


def _train(process: JobProcess, root: Path) -> list[Run]:
    request = find_job(process.runs_dir, process.number).request
    assert request is not None
    with process.interruptible():
        choice = select_device(request.device)
        _fetch_if_missing(request.dataset, root)
    with ExitStack() as stack:
        trainer = start_runs(
            stack, request.specs, request.dataset, process.runs_dir, root, choice, request.recipe
        )
        _label(trainer, request)
        why, number = with_options(choice.reason), len(request.specs)
        say(f"{number} run{'s' * (number != 1)} on {choice.type} ({choice.name}: {why})")
        _watch(trainer, process)
    return [read_run(process.runs_dir / name, process.runs_dir) for name in request.runs]


def _resume(process: JobProcess, root: Path) -> list[Run]:
    runs_dir = process.runs_dir
    job = find_job(runs_dir, process.number)
    choice = select_device(job.device)
    runs = runs_of(job, runs_dir)
    for group in _same_setting([run for run in runs if run.info]):
        if process.stop_asked:
            break
        with ExitStack() as stack:
            _watch(resume_runs(stack, group, runs_dir, root, choice), process)
    pending = [(run.variant, run.seed) for run in runs if run.variant and not run.info]
    if job.request and pending and not process.stop_asked:
        dataset, recipe = job.request.dataset, job.request.recipe
        with ExitStack() as stack:
            trainer = start_runs(stack, pending, dataset, runs_dir, root, choice, recipe)
            _label(trainer, job.request)
            _watch(trainer, process)
    return runs_of(find_job(runs_dir, process.number), runs_dir)


def _label(trainer: Trainer, request: TrainingRequest) -> None:
    if request.name or request.note:
        for writer in trainer.writers:
            write_label(writer.path, request.name, request.note)


def _watch(trainer: Trainer, process: JobProcess) -> None:
    process.watch(trainer)
    watch(trainer)


def _outcome(runs: list[Run]) -> tuple[str, str | None]:
    """How a job with these runs ended: as the one that went worst."""
    for state in ("damaged", "failed", "interrupted", "stopped", "queued"):
        found = [run for run in runs if run.state == state]
        if found:
            why = f"{found[0].name}: {found[0].reason or state}"
            return ("failed" if state in ("damaged", "failed") else "stopped"), why
    return "done", None


def _fetch_if_missing(dataset: str, root: Path) -> None:
    """Downloads the data set on first use, saying so."""
    if not check_dataset(dataset, root).present:
        download(dataset, root)


def _same_setting(runs: list[Run]) -> list[list[Run]]:
    """Runs that can be trained together: of one data set and recipe."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        key = json.dumps([run.dataset, run.info.get("recipe")], sort_keys=True)
        groups.setdefault(key, []).append(run)
    return list(groups.values())


def _report_job(job: Job, runs_dir: Path, as_json: bool) -> None:
    if as_json:
        runs = queued_runs(job, runs_dir) or runs_of(job, runs_dir)
        print_json({"job": document(job), "runs": [document(run) for run in runs]})
    else:
        print(f"Job {job.id} is {job.state}: {job.summary} See `python -m core jobs`.")


def _report(runs: list[Run], as_json: bool) -> None:
    if as_json:
        print_json({"runs": [document(run) for run in runs]})
    else:
        columns = ("run", "state", "epoch", "test accuracy %", "published %", "errors", "seconds")
        print_table(columns, [_report_row(run) for run in runs])
    if any(run.state in ("failed", "damaged") for run in runs):
        raise typer.Exit(1)


def _report_row(run: Run) -> tuple:
    final = run.final
    published = published_figures(run)
    return (
        run.name,
        run.state if run.reason is None else f"{run.state}: {reason(run)}",
        f"{run.epoch}/{run.epochs}",
        f"{final['test_accuracy_percent']:.2f}" if final else "",
        f"{published.last_accuracy_percent:.2f}" if published else "",
        str(final["errors"]) if final else "",
        f"{final['train_seconds']:.0f}" if final else "",
    )
