"""The training engine: R replicas, each with its own variant, seed, penalty and length.

R replica, B batch, N training images, P parameters. On a GPU all replicas are one stack; on a CPU
each is a stack of its own and as many train at once as there are threads, because small
convolutions gain nothing from grouping there. Either way the code is the same, and what a replica
computes on a CPU does not depend on who trains beside it.

`Engine.fit` yields one `EpochRecord` per replica and epoch; it neither prints nor writes.
"""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from core.config import Recipe
from core.training.hardware import prepare_thread, reclaim_memory
from core.training.shard import Shard, TrainingData
from core.training.state import ReplicaState


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of one replica; `metrics` has the keys of `core.training.runs.METRIC_COLUMNS`.

    Losses are in nats, as sums over images divided by their number; `penalty` is the L1 term,
    averaged likewise; `seconds` is wall-clock time, during which other replicas trained too.
    """

    replica: int
    metrics: dict[str, float]


class Engine:
    """Trains the replicas in `states` on `data`, each from where it stands to its last epoch.

    `states` are updated between epochs and after a stop, so they are always consistent and can be
    saved and resumed from; on a CPU a resumed replica ends bit for bit like an uninterrupted one.
    """

    def __init__(
        self,
        states: Sequence[ReplicaState],
        data: TrainingData,
        recipe: Recipe,
        num_threads: int | None = None,
    ) -> None:
        self.states = list(states)
        self.data = data
        self.recipe = recipe
        self.in_one_stack = data.device.type != "cpu"
        self.num_threads = num_threads or torch.get_num_threads()
        self.fallback_reason: str | None = None
        self._stop = threading.Event()
        self._active: tuple[Shard, ...] = ()

    def stop(self) -> None:
        """Ends `fit` after the step under way; may be called from any thread or signal handler."""
        self._stop.set()

    def steps_done(self, num_batches: int) -> int:
        """Steps that all replicas have behind them, where an epoch has `num_batches`."""
        behind = sum(state.epoch * num_batches + state.step for state in self.states)
        return behind + sum(shard.steps_ahead for shard in self._active)

    def fit(self) -> Iterator[EpochRecord]:
        """Trains until every replica is done or `stop` is called.

        Yields records as epochs end. Closing the iterator stops too and waits for the step under
        way. A replica whose loss is no longer finite is yielded once more and then left alone.
        Whatever torch raises in a step is raised here, such as `torch.OutOfMemoryError`.
        """
        shards = self._make_shards()
        reclaim_memory(self.data.device)
        # A GPU runs one stack at a time; its replicas already share every kernel.
        workers = 1 if self.in_one_stack else self.num_threads
        pool = concurrent.futures.ThreadPoolExecutor(
            workers, "train", prepare_thread, (self.data.device,)
        )
        try:
            waiting = {pool.submit(shard.run_epoch, self._stop.is_set): shard for shard in shards}
            self._active = tuple(waiting.values())
            while waiting:
                finished, _ = concurrent.futures.wait(waiting, return_when="FIRST_COMPLETED")
                for future in finished:
                    shard = waiting.pop(future)
                    self._active = tuple(waiting.values())
                    metrics = future.result()
                    self.fallback_reason = shard.fallback_reason or self.fallback_reason
                    for replica, values in metrics.items():
                        yield EpochRecord(replica, values)
                    if metrics and not self._stop.is_set():
                        for rest in self._next_shards(shard, is_last=not waiting):
                            waiting[pool.submit(rest.run_epoch, self._stop.is_set)] = rest
                        self._active = tuple(waiting.values())
        finally:
            self._stop.set()
            pool.shutdown(wait=True)
            self._stop.clear()

    def _next_shards(self, ended: Shard, is_last: bool) -> list[Shard]:
        """What trains on after `ended` has ended an epoch; `is_last` if nobody else still does.

        Replicas of one stack wait for each other: at the end of an epoch all of them can share
        steps, whatever steps they began at.
        """
        if not self.in_one_stack:
            return [ended] if ended.states.keys() <= set(self._open_replicas()) else []
        if not is_last:
            return []
        return [ended] if ended.states.keys() == set(self._open_replicas()) else self._make_shards()

    def _open_replicas(self) -> list[int]:
        return [replica for replica, state in enumerate(self.states) if not state.is_done]

    def _make_shards(self) -> list[Shard]:
        open_replicas = self._open_replicas()
        if not self.in_one_stack:
            groups = [[replica] for replica in open_replicas]
        else:
            # Replicas can share steps only if they stand at the same step of their epoch.
            steps = sorted({self.states[r].step for r in open_replicas})
            groups = [[r for r in open_replicas if self.states[r].step == step] for step in steps]
        members = [{r: self.states[r] for r in group} for group in groups]
        return [Shard(states, self.data, self.recipe) for states in members]
