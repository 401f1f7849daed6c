"""A stack computes the same on every device there is: here on the CPU, on CUDA where it is found.

The stack is one, as on a GPU, on the CPU too.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from core.config import VARIANTS
from core.training import shard as shard_module
from core.training.engine import Engine
from core.training.shard import Shard
from core.training.state import ReplicaState, new_state
from tests.training_helpers import (
    RECIPE,
    assert_close_state,
    assert_same_state,
    data_on,
    shortened,
    tiny_data,
    without_seconds,
)

SPECS = (("gn_l1", 1, 2), ("bn_l1", 2, 1), ("ln_l2", 1, 2))
"""Variant, seed, epochs."""


@pytest.fixture(params=["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def device(request) -> str:
    return request.param


def make_states(specs=SPECS) -> list[ReplicaState]:
    return [new_state(shortened(key, epochs), seed) for key, seed, epochs in specs]


def make_engine(states: list[ReplicaState], device: str, num_train: int = 86) -> Engine:
    engine = Engine(states, data_on(device, tiny_data(num_train)), RECIPE, 1)
    engine.in_one_stack = True
    return engine


def fit(states: list[ReplicaState], device: str, num_train: int = 86) -> dict[int, list[dict]]:
    """Metrics by replica, without the seconds; no step may have failed to be captured."""
    engine = make_engine(states, device, num_train)
    records: dict[int, list[dict]] = {replica: [] for replica in range(len(states))}
    for record in engine.fit():
        records[record.replica].append(record.metrics)
    assert engine.fallback_reason is None
    return {replica: without_seconds(found) for replica, found in records.items()}


def fit_alone(specs, num_train: int = 86) -> tuple[list[ReplicaState], dict[int, list[dict]]]:
    """The same on the CPU, each replica for itself: what every device is held against."""
    states = make_states(specs)
    records: dict[int, list[dict]] = {replica: [] for replica in range(len(states))}
    for record in Engine(states, tiny_data(num_train), RECIPE, 1).fit():
        records[record.replica].append(record.metrics)
    return states, {replica: without_seconds(found) for replica, found in records.items()}


# Six variants at once, three of unequal length, and less than one batch.
@pytest.mark.parametrize(
    ("specs", "num_train"),
    [([(key, 1, 1) for key in VARIANTS], 86), (SPECS, 86), (SPECS, 20), (SPECS[:1], 32)],
)
def test_a_stack_agrees_with_each_replica_alone_on_the_cpu(device, specs, num_train):
    expected, expected_records = fit_alone(specs, num_train)
    states = make_states(specs)
    records = fit(states, device, num_train)
    for state, other in zip(states, expected, strict=True):
        assert_close_state(state, other, 1e-5)
    for replica, found in records.items():
        for record, other in zip(found, expected_records[replica], strict=True):
            assert record == pytest.approx(other, rel=1e-5, abs=1e-5)


def test_two_trainings_are_equal_bit_for_bit(device):
    states, again = make_states(), make_states()
    assert fit(states, device) == fit(again, device)
    for state, other in zip(states, again, strict=True):
        assert_same_state(state, other)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_stop_inside_an_epoch_can_be_resumed_bit_for_bit(device, steps, monkeypatch):
    whole = make_states()
    records = fit(whole, device)
    states = make_states()
    engine = make_engine(states, device)
    plain = Shard._step_at

    def step_at(self: Shard, step: int) -> None:
        plain(self, step)
        if step + 1 == steps:
            engine.stop()

    with monkeypatch.context() as patch:
        patch.setattr(Shard, "_step_at", step_at)
        assert list(engine.fit()) == []
    assert [state.step for state in states] == [steps] * 3
    assert all(tensor.device.type == "cpu" for s in states for tensor in s.tensors().values())
    assert fit(states, device) == records
    for state, other in zip(states, whole, strict=True):
        assert_same_state(state, other)


@pytest.mark.parametrize("spoiled", range(3))
def test_a_replica_that_is_no_number_does_not_touch_its_neighbours(device, spoiled):
    specs = [(key, seed, 1) for key, seed, _ in SPECS]
    expected, states = make_states(specs), make_states(specs)
    states[spoiled].parameters[100] = math.nan
    sound, records = fit(expected, device), fit(states, device)
    assert states[spoiled].diverged
    assert not math.isfinite(records[spoiled][0]["train_cross_entropy"])
    for replica in {0, 1, 2} - {spoiled}:
        assert records[replica] == sound[replica]
        assert_same_state(states[replica], expected[replica])


def test_a_step_is_captured_on_cuda_alone_and_only_where_a_full_batch_exists(device, monkeypatch):
    captured = []
    plain = shard_module.capture
    monkeypatch.setattr(
        shard_module, "capture", lambda *args: (captured.append(1), plain(*args))[1]
    )
    data = data_on(device, tiny_data())
    for batch_size in (32, 86, 87):
        state = new_state(shortened("bn_l1"), 1)
        shard = Shard({0: state}, data, replace(RECIPE, batch_size=batch_size))
        shard.run_epoch(lambda: False)
        assert shard.fallback_reason is None
    assert len(captured) == 2 * (device == "cuda")
