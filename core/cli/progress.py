"""What a training shows while it runs: a bar on a terminal, else a line an epoch."""

from __future__ import annotations

import threading

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from core.cli.output import error_stream, minutes
from core.training.trainer import Progress as EpochProgress
from core.training.trainer import Trainer

REFRESH_SECONDS = 0.5
BAR = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn())


def say(text: str) -> None:
    """A line on standard error, where it is in nobody's way."""
    stream = error_stream()
    stream.write(text + "\n")
    stream.flush()


def watch(trainer: Trainer) -> None:
    """Runs the trainer and shows how it goes."""
    console = Console(file=error_stream())
    with Progress(TextColumn("{task.description}"), *BAR, console=console) as bar:
        task = bar.add_task("training", total=trainer.total_steps, completed=trainer.steps_done)
        done = threading.Event()

        def refresh() -> None:
            while not done.wait(REFRESH_SECONDS):
                bar.update(task, completed=trainer.steps_done)

        threading.Thread(target=refresh, daemon=True).start()
        said: str | None = None
        try:
            for progress in trainer.run():
                bar.update(task, completed=trainer.steps_done)
                left = bar.tasks[0].time_remaining
                lines = [_epoch_line(progress, left)]
                # Once, and as soon as it is known: the training is slower than it could be.
                if trainer.engine.fallback_reason != said:
                    said = trainer.engine.fallback_reason
                    lines.append(str(said))
                bar.console.print(*lines, sep="\n", highlight=False, markup=False, soft_wrap=True)
        finally:
            done.set()


def _epoch_line(progress: EpochProgress, left: float | None) -> str:
    m = progress.metrics
    line = (
        f"{progress.name:<26} epoch {m['epoch']:>3}/{progress.variant.epochs}  "
        f"train {m['train_cross_entropy']:.4f}  test {m['test_loss']:.4f}  "
        f"{m['test_accuracy_percent']:.2f} %  {m['seconds']:.1f} s"
    )
    return line if left is None else f"{line}  {minutes(left)} left"
