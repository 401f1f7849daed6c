"""One stack of replicas that step together on one device.

R replica, B batch, N training images, P parameters, S steps of an epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from core.config import Recipe
from core.data.augmentation import normalize, pad_with_fill, rotate, rotation_coefficients
from core.model.stack import NetworkStack
from core.training.graph import capture
from core.training.hardware import Pace
from core.training.state import ReplicaState

EVALUATION_BATCH = 250


@dataclass(frozen=True)
class TrainingData:
    """A data set on the device: images (N, 28, 28) uint8 and targets (N,) int64."""

    train_images: Tensor
    train_targets: Tensor
    test_images: Tensor
    test_targets: Tensor
    mean: float
    std: float
    _padded: dict[int, Tensor] = field(init=False, repr=False, compare=False, default_factory=dict)

    def padded_images(self, fill: int) -> Tensor:
        """The training images as `rotate` wants them, made once for all shards: 54 MB of MNIST."""
        if fill not in self._padded:
            self._padded[fill] = pad_with_fill(self.train_images, fill)
        return self._padded[fill]

    @property
    def device(self) -> torch.device:
        """Where it lies, and so where training runs."""
        return self.train_images.device

    @property
    def on_cuda(self) -> bool:
        """Whether steps can be captured there and are only queued when they are called."""
        return self.device.type == "cuda"

    def num_batches(self, batch_size: int) -> int:
        """Steps of one epoch; the last batch may be smaller."""
        return math.ceil(len(self.train_images) / batch_size)


def epoch_plan(seed: int, epoch: int, num_images: int, max_degrees: float) -> tuple[Tensor, Tensor]:
    """Order (N,) int64 and rotation coefficients (6, N) int32 of the 1-based `epoch`, on the CPU.

    They depend on seed and epoch alone, so all variants of one seed see the same batches and
    angles, on every device.
    """
    generator = torch.Generator().manual_seed((seed << 20) + epoch)
    order = torch.randperm(num_images, generator=generator)
    uniform = torch.rand(num_images, generator=generator, dtype=torch.float64)
    return order, rotation_coefficients((2 * uniform - 1) * max_degrees)


class Shard:
    """Replicas `states` (by their number) that take each step together."""

    def __init__(self, states: dict[int, ReplicaState], data: TrainingData, recipe: Recipe) -> None:
        # Equal normalizations side by side, because the stack computes them together.
        self.states = dict(sorted(states.items(), key=_by_normalization))
        self.data = data
        self.recipe = recipe
        self.fallback_reason: str | None = None
        self.steps_ahead = 0
        device = data.device
        members = list(self.states.values())
        self.parameters = self._gather("parameters").requires_grad_()
        self.momentum = self._gather("momentum")
        # Only the CPU and CUDA are sure to have float64.
        sums_dtype = torch.float64 if device.type in ("cpu", "cuda") else torch.float32
        self.sums = self._gather("sums", sums_dtype)
        self.stack = NetworkStack(
            [s.variant for s in members], self.parameters, self._gather("statistics")
        )
        self.l1_weight = _column([s.variant.l1_weight for s in members], device)
        self.weight_decay = _column([s.variant.weight_decay for s in members], device)
        self.learning_rate = _column([0.0] * len(members), device)
        self.padded = data.padded_images(recipe.fill)
        self.first_image = torch.zeros((), dtype=torch.int64, device=device)

    def _gather(self, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
        parts = [getattr(state, name).to(dtype) for state in self.states.values()]
        return torch.stack(parts).to(self.data.device)

    def run_epoch(self, should_stop: Callable[[], bool]) -> dict[int, dict[str, float]]:
        """Trains to the end of the current epoch and evaluates; metrics by replica.

        Returns {} if `should_stop` said so between two steps. The states are up to date either way.
        """
        started = time.monotonic()
        step, num_batches = self._begin_epoch()
        pace = Pace() if self.data.on_cuda else None
        while step < num_batches and not should_stop():
            self._step_at(step)
            step += 1
            self.steps_ahead += len(self.states)
            if pace:
                pace.step_queued()
        if self.data.on_cuda:
            torch.cuda.synchronize(self.data.device)
        if step < num_batches:
            self._write_back(step, time.monotonic() - started)
            return {}
        losses, correct = self.evaluate()
        return self._end_epoch(time.monotonic() - started, losses, correct)

    def _begin_epoch(self) -> tuple[int, int]:
        """Sets order, angles and learning rates; the step to start from and the steps there are."""
        device = self.data.device
        num_images = len(self.data.train_images)
        keys = [(state.seed, state.epoch + 1) for state in self.states.values()]
        degrees = self.recipe.rotation_degrees
        plans = {key: epoch_plan(*key, num_images, degrees) for key in dict.fromkeys(keys)}
        order = torch.stack([plans[key][0] for key in keys]).to(device)
        coefficients = torch.stack([plans[key][1] for key in keys], dim=1).to(device)
        rates = [self.recipe.learning_rate_at(state.epoch + 1) for state in self.states.values()]
        self.learning_rate.copy_(_column(rates, device))
        if not hasattr(self, "order"):
            self.order, self.coefficients = order, coefficients
            self.full_step = self._make_full_step()
        else:
            self.order.copy_(order)
            self.coefficients.copy_(coefficients)
        step = next(iter(self.states.values())).step
        self.first_image.fill_(step * self.recipe.batch_size)
        return step, self.data.num_batches(self.recipe.batch_size)

    def _make_full_step(self) -> Callable[[], None]:
        def step() -> None:
            self.step(self.recipe.batch_size)

        has_full_batch = len(self.data.train_images) >= self.recipe.batch_size
        if not (self.data.on_cuda and has_full_batch):
            return step
        state = (self.parameters, self.momentum, self.sums, self.stack.statistics, self.first_image)
        replay, self.fallback_reason = capture(step, state)
        return replay

    def _step_at(self, step: int) -> None:
        batch_size = self.recipe.batch_size
        rest = len(self.data.train_images) - step * batch_size
        if rest >= batch_size:
            self.full_step()
        else:
            self.step(rest)

    def step(self, batch_size: int) -> None:
        """One step of SGD on the next `batch_size` images of each replica."""
        images, targets = self._next_batch(batch_size)
        logits = self.stack.forward(images, training=True)
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(
            targets
        )
        (gradient,) = torch.autograd.grad(losses.mean(1).sum(), self.parameters)
        with torch.no_grad():
            self._add_to_sums(losses, logits, targets)
            # The recipe's order: L1 is part of the loss, weight decay is the optimizer's.
            gradient.addcmul_(self.l1_weight, self.parameters.sign())
            gradient.addcmul_(self.weight_decay, self.parameters)
            self.momentum.mul_(self.recipe.momentum).add_(gradient)
            self.parameters.addcmul_(self.learning_rate, self.momentum, value=-1)
            self.first_image.add_(batch_size)

    def _next_batch(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """Normalized images (B, R, 28, 28) and targets (R, B)."""
        offsets = self.first_image + torch.arange(batch_size, device=self.data.device)
        index = self.order.index_select(1, offsets)
        coefficients = self.coefficients.index_select(2, offsets)
        images = rotate(self.padded, index, coefficients)
        normalized = normalize(images, self.data.mean, self.data.std).squeeze(2).transpose(0, 1)
        # A clone, because `contiguous` leaves the layout of a single channel undecided.
        laid_out = normalized.clone(memory_format=self.stack.memory_format)
        return laid_out, self.data.train_targets[index]

    def _add_to_sums(self, losses: Tensor, logits: Tensor, targets: Tensor) -> None:
        penalty = (self.l1_weight * self.parameters.abs()).sum(1) * targets.shape[1]
        correct = (logits.argmax(2) == targets).sum(1)
        self.sums += torch.stack((losses.sum(1), penalty, correct), dim=1)

    @torch.no_grad()
    def evaluate(self) -> tuple[Tensor, Tensor]:
        """Summed cross-entropy and number of correct answers on the test set, each (R,)."""
        losses = torch.zeros(len(self.states), device=self.data.device)
        correct = torch.zeros(len(self.states), dtype=torch.int64, device=self.data.device)
        for first in range(0, len(self.data.test_images), EVALUATION_BATCH):
            batch = slice(first, first + EVALUATION_BATCH)
            images = normalize(self.data.test_images[batch], self.data.mean, self.data.std)
            targets = self.data.test_targets[batch]
            logits = self.stack.forward(
                images.expand(-1, len(self.states), -1, -1).contiguous(), training=False
            )
            repeated = targets.expand(len(self.states), -1)
            entropy = F.cross_entropy(logits.flatten(0, 1), repeated.flatten(), reduction="none")
            losses += entropy.view_as(repeated).sum(1)
            correct += (logits.argmax(2) == repeated).sum(1)
        return losses, correct

    def _write_back(self, step: int, seconds: float) -> None:
        """Copies each stacked tensor to the CPU once, and every replica's part out of it."""
        self.steps_ahead = 0
        stacked = (self.parameters.detach(), self.momentum, self.stack.statistics, self.sums)
        parameters, momentum, statistics, sums = (tensor.cpu() for tensor in stacked)
        for position, state in enumerate(self.states.values()):
            state.parameters = parameters[position].clone()
            state.momentum = momentum[position].clone()
            state.statistics = statistics[position].clone()
            state.sums = sums[position].to(torch.float64, copy=True)
            state.step = step
            state.seconds += seconds

    def _end_epoch(
        self, seconds: float, test_losses: Tensor, correct: Tensor
    ) -> dict[int, dict[str, float]]:
        self._write_back(0, seconds)
        num_train, num_test = len(self.data.train_images), len(self.data.test_images)
        metrics = {}
        for position, (replica, state) in enumerate(self.states.items()):
            state.epoch += 1
            cross_entropy, penalty, train_correct = (state.sums / num_train).tolist()
            metrics[replica] = {
                "epoch": state.epoch,
                "train_cross_entropy": cross_entropy,
                "penalty": penalty,
                "train_accuracy_percent": 100 * train_correct,
                "test_loss": test_losses[position].item() / num_test,
                "test_accuracy_percent": 100 * correct[position].item() / num_test,
                "seconds": state.seconds,
                "learning_rate": self.recipe.learning_rate_at(state.epoch),
            }
            state.diverged = not math.isfinite(cross_entropy + metrics[replica]["test_loss"])
            state.seconds = 0.0
            state.sums = torch.zeros_like(state.sums)
        self.sums.zero_()
        return metrics


def _by_normalization(item: tuple[int, ReplicaState]) -> tuple:
    replica, state = item
    return state.variant.norm, state.variant.num_groups or (), replica


def _column(values: list[float], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device).unsqueeze(1)
