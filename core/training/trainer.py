"""Training runs into their folders: the engine, one writer per run, and what can go wrong."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from core.config import Recipe, Variant, variant_to_dict
from core.data.datasets import DatasetInfo, Split, get_dataset, load_split
from core.device import DeviceChoice, is_out_of_memory
from core.errors import NormLabError, RunError
from core.model.inference import predict_logits
from core.model.stack import num_parameters
from core.training.checks import check_resumable, check_startable
from core.training.engine import Engine
from core.training.runs import Run
from core.training.shard import TrainingData
from core.training.state import ReplicaState, new_state
from core.training.writer import RunWriter


@dataclass(frozen=True)
class Progress:
    """An epoch of run `name` is over; `final` holds its final figures if it was the last."""

    name: str
    variant: Variant
    metrics: dict[str, float]
    final: dict | None = None


def describe_failure(error: Exception, choice: DeviceChoice, num_runs: int) -> str:
    """One line for what ended the training of `num_runs` runs."""
    if is_out_of_memory(error):
        elsewhere = "" if choice.type == "cpu" else ", or on the CPU"
        many, fewer = "", ""
        if num_runs > 1:
            many, fewer = f" with {num_runs} runs at once", "fewer at a time, "
        return (
            f"out of memory on {choice.name}{many}: train {fewer}with smaller batches{elsewhere}."
        )
    if isinstance(error, NormLabError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}. Mend that and resume."
    return f"torch failed on {choice.name}: {(str(error) or repr(error)).splitlines()[0]}"


def load_training_data(dataset: str, root: Path, choice: DeviceChoice) -> TrainingData:
    """Both splits of `dataset` on the device.

    Raises `DataError` for a missing or damaged file, `RunError` where memory does not suffice.
    """
    info, device = get_dataset(dataset), choice.device
    try:
        train, test = (load_split(dataset, root, split) for split in ("train", "test"))
        return _place(train, test, info, device)
    except (RuntimeError, MemoryError) as error:
        raise RunError(describe_failure(error, choice, 1)) from error


def _place(train: Split, test: Split, info: DatasetInfo, device: torch.device) -> TrainingData:
    return TrainingData(
        train_images=_to_device(train.images, device),
        train_targets=_to_device(train.targets, device),
        test_images=_to_device(test.images, device),
        test_targets=_to_device(test.targets, device),
        mean=info.mean,
        std=info.std,
    )


def _to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


class Trainer:
    """Trains several runs at once; every epoch is in its folder before it is reported.

    Use as a context manager: the runs' locks are held until it ends.
    """

    def __init__(
        self,
        writers: Sequence[RunWriter],
        states: Sequence[ReplicaState],
        data: TrainingData,
        recipe: Recipe,
        choice: DeviceChoice,
    ) -> None:
        self.writers = list(writers)
        self.data = data
        self.choice = choice
        self.engine = Engine(states, data, recipe)
        self.num_batches = data.num_batches(recipe.batch_size)
        self._noted: str | None = None

    def stop(self) -> None:
        """Ends training after the step under way; what is open is saved and can be resumed."""
        self.engine.stop()

    @property
    def total_steps(self) -> int:
        """Steps of all runs from their first epoch to their last."""
        return sum(state.variant.epochs for state in self.engine.states) * self.num_batches

    @property
    def steps_done(self) -> int:
        """How many of `total_steps` are behind us."""
        return self.engine.steps_done(self.num_batches)

    @property
    def epochs_done(self) -> tuple[int, int]:
        """Whole epochs that every run has behind it, at most its own; epochs of the longest."""
        longest = max(state.variant.epochs for state in self.engine.states)
        still_open = [state.epoch for state in self.engine.states if not state.is_done]
        return min(still_open, default=longest), longest

    def run(self) -> Iterator[Progress]:
        """Trains to the end or until `stop`; yields an epoch at a time.

        Raises `RunError` if a folder cannot be written, memory runs out, a file is gone or torch
        fails; each run that is not done then says why in its folder.
        """
        try:
            for replica, state in enumerate(self.engine.states):
                if state.is_done:
                    yield self._progress(replica, self.writers[replica].metrics[-1])
            for record in self.engine.fit():
                self._note_fallback()
                yield from self._handle(record.replica, record.metrics)
        except (NormLabError, RuntimeError, MemoryError, OSError) as error:
            reason = describe_failure(error, self.choice, len(self.writers))
            self._fail_open_runs(reason)
            raise RunError(reason) from error
        for writer, state in zip(self.writers, self.engine.states, strict=True):
            if not state.is_done:
                writer.stopped(state)

    def _note_fallback(self) -> None:
        """Has each run say why its steps ran one by one, if they do, after the first epoch."""
        reason = self.engine.fallback_reason
        if reason is None or reason == self._noted:
            return
        self._noted = reason
        for writer in self.writers:
            if not writer.committed:
                writer.note_fallback(reason)

    def _handle(self, replica: int, metrics: dict[str, float]) -> Iterator[Progress]:
        state, writer = self.engine.states[replica], self.writers[replica]
        if state.diverged:
            # The resume point of the epoch before holds the last finite weights.
            writer.failed(
                f"diverged: the loss was not finite in epoch {state.epoch}; "
                "train it anew with a lower learning rate"
            )
            return
        writer.record(state, metrics)
        yield self._progress(replica, metrics)

    def _progress(self, replica: int, metrics: dict[str, float]) -> Progress:
        state, writer = self.engine.states[replica], self.writers[replica]
        final = self._finish(writer, state) if state.is_done else None
        return Progress(writer.name, state.variant, metrics, final)

    def _finish(self, writer: RunWriter, state: ReplicaState) -> dict:
        network = state.network(self.num_batches)
        data = self.data
        logits = predict_logits(network, data.test_images.cpu(), data.mean, data.std)
        return writer.finish(network, logits, data.test_targets.cpu())

    def _fail_open_runs(self, reason: str) -> None:
        for writer, state in zip(self.writers, self.engine.states, strict=True):
            if not (writer.committed or state.diverged):
                writer.failed(reason)


def start_runs(
    stack: ExitStack,
    specs: Sequence[tuple[Variant, int]],
    dataset: str,
    runs_dir: Path,
    data_dir: Path,
    choice: DeviceChoice,
    recipe: Recipe,
) -> Trainer:
    """A trainer for new runs of these (variant, seed) pairs, whose locks `stack` gives back.

    Everything is checked before the first folder is made: `UsageError` or `DataError` if the data,
    the folder or one of the runs is not as it must be, and then nothing has changed.
    """
    check_startable(specs, dataset, runs_dir)
    data = load_training_data(dataset, data_dir, choice)
    writers = [
        stack.enter_context(RunWriter(runs_dir, dataset, variant, seed)) for variant, seed in specs
    ]
    for writer, (variant, seed) in zip(writers, specs, strict=True):
        writer.start(describe_run(dataset, variant, seed, choice, recipe, len(specs)))
    states = [new_state(variant, seed) for variant, seed in specs]
    return Trainer(writers, states, data, recipe, choice)


def resume_runs(
    stack: ExitStack, runs: Sequence[Run], runs_dir: Path, data_dir: Path, choice: DeviceChoice
) -> Trainer:
    """A trainer that goes on with these runs, all of one data set and recipe.

    Raises `UsageError` for a run that is done, damaged or being trained.
    """
    variants = [check_resumable(run) for run in runs]
    first = runs[0].info
    data = load_training_data(first["dataset"], data_dir, choice)
    # All locks first, so that nothing has changed if one of them is taken.
    writers = [
        stack.enter_context(RunWriter(runs_dir, run.dataset, variant, run.seed))
        for run, variant in zip(runs, variants, strict=True)
    ]
    states = [
        writer.resume(variant, run.seed)
        for writer, run, variant in zip(writers, runs, variants, strict=True)
    ]
    return Trainer(writers, states, data, Recipe(**first["recipe"]), choice)


def describe_run(
    dataset: str, variant: Variant, seed: int, choice: DeviceChoice, recipe: Recipe, together: int
) -> dict:
    """What `run.json` says: everything needed to train this run again."""
    return {
        "dataset": dataset,
        "variant": variant_to_dict(variant),
        "seed": seed,
        "recipe": asdict(recipe),
        "trainable_parameters": num_parameters(),
        "trained_together": together,
        "device": choice.to_dict(),
        "versions": versions(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def versions() -> dict[str, str]:
    """Versions of what determines the figures of a run."""
    python = platform.python_version()
    return {"python": python, "torch": torch.__version__, "numpy": np.__version__}
