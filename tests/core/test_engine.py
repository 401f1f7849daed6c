"""The engine: records, stops, company, threads, and what goes wrong in a step."""

from __future__ import annotations

import math
import threading
from types import SimpleNamespace

import pytest
import torch

from core.config import Recipe
from core.training import engine as engine_module
from core.training.engine import Engine
from core.training.runs import METRIC_COLUMNS
from core.training.shard import Shard
from core.training.state import ReplicaState, new_state
from tests.training_helpers import RECIPE, assert_same_state, shortened, tiny_data, without_seconds

SPECS = (("gn_l1", 1, 2), ("bn_l1", 2, 1), ("ln_l2", 1, 2))
"""Variant, seed, epochs."""


def make_states(specs=SPECS) -> list[ReplicaState]:
    return [new_state(shortened(key, epochs), seed) for key, seed, epochs in specs]


def make_engine(states: list[ReplicaState], num_threads: int = 1, recipe: Recipe = RECIPE):
    return Engine(states, tiny_data(), recipe, num_threads)


def fit(states: list[ReplicaState], num_threads: int = 1) -> dict[int, list[dict]]:
    """Metrics by replica."""
    records: dict[int, list[dict]] = {replica: [] for replica in range(len(states))}
    for record in make_engine(states, num_threads).fit():
        records[record.replica].append(record.metrics)
    return records


def training_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("train")]


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[list[ReplicaState], dict[int, list[dict]]]:
    states = make_states()
    return states, fit(states)


@pytest.fixture
def stop_after(monkeypatch):
    """Makes an engine be told to stop during its n-th step, counted over all replicas."""

    def install(engine: Engine, steps: int) -> None:
        plain, count = Shard.step, iter(range(1, 10_000))

        def step(self: Shard, batch_size: int) -> None:
            plain(self, batch_size)
            if next(count) == steps:
                engine.stop()

        monkeypatch.setattr(Shard, "step", step)

    return install


def test_one_record_per_replica_and_epoch(uninterrupted):
    states, records = uninterrupted
    assert [len(records[r]) for r in range(3)] == [2, 1, 2]
    for replica, state in enumerate(states):
        assert state.is_done and (state.epoch, state.step) == (state.variant.epochs, 0)
        assert [m["epoch"] for m in records[replica]] == list(range(1, state.epoch + 1))
        for metrics in records[replica]:
            assert tuple(metrics) == METRIC_COLUMNS
            assert all(math.isfinite(value) for value in metrics.values())
            assert metrics["seconds"] > 0
            assert 0 <= metrics["test_accuracy_percent"] <= 100
            assert metrics["penalty"] == 0 or state.variant.l1_weight
    assert [m["learning_rate"] for m in records[0]] == pytest.approx([0.01, 0.001])


def test_the_learning_rate_of_the_recipe_reaches_the_records():
    state = new_state(shortened("gn", 13), 1)
    rates = [
        r.metrics["learning_rate"] for r in Engine([state], tiny_data(4, 4), Recipe(), 1).fit()
    ]
    assert rates == pytest.approx([0.01] * 6 + [1e-3] * 6 + [1e-4])


def test_the_same_seed_gives_the_same_bits(uninterrupted):
    states = make_states()
    records = fit(states)
    for replica, state in enumerate(states):
        assert_same_state(state, uninterrupted[0][replica])
        assert without_seconds(records[replica]) == without_seconds(uninterrupted[1][replica])


def test_neither_company_nor_threads_change_a_replica(uninterrupted):
    threads_before = torch.get_num_threads()
    for num_threads, chosen in ((3, (0, 1, 2)), (2, (2, 0)), (1, (1,)), (8, (0,))):
        states = make_states([SPECS[r] for r in chosen])
        fit(states, num_threads)
        for state, replica in zip(states, chosen, strict=True):
            assert_same_state(state, uninterrupted[0][replica])
    assert torch.get_num_threads() == threads_before


@pytest.mark.parametrize("steps", [1, 3, 5, 7, 9, 12, 14])
def test_a_stop_between_any_two_steps_can_be_resumed_bit_for_bit(steps, uninterrupted, stop_after):
    states = make_states()
    engine = make_engine(states)
    stop_after(engine, steps)
    first = {replica: [] for replica in range(3)}
    for record in engine.fit():
        first[record.replica].append(record.metrics)
    done = sum(3 * state.epoch + state.step for state in states)
    assert done == engine.steps_done(3) == steps
    assert not training_threads()
    assert all(len(first[replica]) == state.epoch for replica, state in enumerate(states))
    rest = fit(states)
    for replica, state in enumerate(states):
        assert_same_state(state, uninterrupted[0][replica])
        together = without_seconds(first[replica] + rest[replica])
        assert together == without_seconds(uninterrupted[1][replica])


def test_seconds_of_an_interrupted_epoch_add_up(stop_after):
    states = make_states([("gn", 1, 1)])
    engine = make_engine(states)
    stop_after(engine, 2)
    assert list(engine.fit()) == []
    before = states[0].seconds
    states[0].seconds = 100.0
    (record,) = make_engine(states).fit()
    assert 0 < before < 100 < record.metrics["seconds"]
    assert states[0].seconds == 0


def test_a_stop_before_the_first_step_trains_nothing():
    states = make_states()
    engine = make_engine(states)
    engine.stop()
    assert list(engine.fit()) == []
    assert [(state.epoch, state.step) for state in states] == [(0, 0)] * 3
    assert_same_state(states[0], new_state(shortened("gn_l1", 2), 1))


def test_closing_the_iterator_early_stops_and_leaves_no_thread():
    states = make_states([("gn", 1, 50), ("ln", 1, 50)])
    records = make_engine(states, num_threads=2).fit()
    next(records)
    assert training_threads()
    records.close()
    assert not training_threads()
    assert all(state.epoch < 50 for state in states)
    assert all(torch.isfinite(state.parameters).all() for state in states)


def test_a_finished_replica_is_left_alone(uninterrupted):
    states = make_states()
    fit(states[1:2])
    kept = states[1].parameters.clone()
    records = fit(states)
    assert records[1] == [] and torch.equal(states[1].parameters, kept)
    assert_same_state(states[0], uninterrupted[0][0])
    assert list(make_engine(states).fit()) == []


def test_steps_done_counts_steps_of_all_replicas():
    states = make_states()
    engine = make_engine(states)
    counts = [engine.steps_done(3) for _ in engine.fit()]
    assert counts == sorted(counts) and counts[0] >= 3
    assert engine.steps_done(3) == 3 * (2 + 1 + 2)


def test_a_loss_that_is_not_finite_ends_that_replica_alone(uninterrupted):
    states = make_states()
    states[0].parameters[100] = math.nan
    records = fit(states)
    assert len(records[0]) == 1 and not math.isfinite(records[0][0]["train_cross_entropy"])
    assert states[0].diverged and states[0].is_done and states[0].epoch == 1
    for replica in (1, 2):
        assert not states[replica].diverged
        assert_same_state(states[replica], uninterrupted[0][replica])


def test_an_error_in_a_step_reaches_the_caller_and_leaves_no_thread(monkeypatch):
    def fail(self: Shard, batch_size: int) -> None:
        raise torch.OutOfMemoryError("injected")

    monkeypatch.setattr(Shard, "step", fail)
    with pytest.raises(torch.OutOfMemoryError, match="injected"):
        list(make_engine(make_states(), num_threads=2).fit())
    assert not training_threads()


def test_the_global_random_state_and_the_grad_mode_are_untouched():
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    fit(make_states([("bn_l1", 1, 1)]))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("kind", "groups"), [("cpu", [[0], [1], [2], [4]]), ("cuda", [[0, 2], [1], [4]])]
)
def test_which_replicas_step_together(kind, groups, monkeypatch):
    """On a GPU those at the same step; on a CPU each for itself; never a finished one."""
    states = make_states([("gn", 1, 2), ("ln", 1, 2), ("bn_l1", 1, 2), ("gn", 2, 1), ("gn", 3, 2)])
    for state, step in zip(states, (0, 1, 0, 0, 2), strict=True):
        state.step = step
    states[3].epoch = 1
    monkeypatch.setattr(engine_module, "Shard", lambda members, data, recipe: sorted(members))
    engine = Engine(states, SimpleNamespace(device=torch.device(kind)), RECIPE, 1)
    assert engine._make_shards() == groups


@pytest.fixture
def one_stack(monkeypatch) -> list[list[int]]:
    """Makes engines stack replicas on the CPU as on a GPU; which replicas each epoch had."""
    trained: list[list[int]] = []
    plain_init, plain_epoch = Engine.__init__, Shard.run_epoch

    def init(self: Engine, *args, **kwargs) -> None:
        plain_init(self, *args, **kwargs)
        self.in_one_stack = True

    def run_epoch(self: Shard, should_stop):
        trained.append(sorted(self.states))
        return plain_epoch(self, should_stop)

    monkeypatch.setattr(Engine, "__init__", init)
    monkeypatch.setattr(Shard, "run_epoch", run_epoch)
    return trained


def test_each_replica_of_a_stack_has_its_own_length(one_stack):
    states = make_states([("gn", 1, 2), ("bn_l1", 1, 1), ("gn_l1", 1, 3)])
    fit(states)
    assert one_stack == [[0, 1, 2], [0, 2], [2]]
    assert [state.epoch for state in states] == [2, 1, 3]


def test_replicas_that_were_stopped_at_unequal_steps_share_them_again_after_an_epoch(
    one_stack,
):
    expected = make_states([("gn", 1, 3), ("bn_l1", 1, 2), ("ln", 1, 3)])
    fit(expected)
    states = make_states([("gn", 1, 3), ("bn_l1", 1, 2), ("ln", 1, 3)])
    for replica, steps in ((1, 2), (2, 1)):
        answers = iter([False] * steps + [True])
        Shard({replica: states[replica]}, tiny_data(), RECIPE).run_epoch(lambda a=answers: next(a))
    one_stack.clear()
    fit(states)
    assert one_stack == [[0], [2], [1], [0, 1, 2], [0, 2]]
    for state, other in zip(states, expected, strict=True):
        torch.testing.assert_close(state.parameters, other.parameters, atol=1e-5, rtol=0)
