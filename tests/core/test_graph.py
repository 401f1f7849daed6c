"""Graph capture: the step as a graph, or the step itself with the reason, and no trace of trying.

The state must be given back whatever happens; that is tried here on pretended CUDA objects.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from core.training import graph as graph_module
from core.training.graph import WARM_UP_STEPS, capture
from core.training.hardware import STEPS_PER_MARK
from core.training.shard import Shard, TrainingData
from core.training.state import new_state
from tests.pretended_cuda import PretendedCuda
from tests.training_helpers import RECIPE, assert_same_state, shortened, tiny_data


@pytest.fixture
def cuda(monkeypatch):
    return PretendedCuda(monkeypatch)


@pytest.fixture
def state():
    return torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor(5)


def counting_step(cuda, state):
    calls = []

    def step() -> None:
        calls.append(1)
        with torch.no_grad():
            state[0].mul_(3.0)
            state[1].add_(1)
        cuda.check(f"step {len(calls)}")

    return step, calls


def assert_unchanged(state):
    assert state[0].tolist() == [1.0, 2.0] and state[1].item() == 5
    assert state[0].requires_grad


def test_capture_warms_up_records_once_and_gives_the_state_back(cuda, state):
    step, calls = counting_step(cuda, state)
    replay, reason = capture(step, state)
    assert reason is None and len(calls) == WARM_UP_STEPS + 1
    assert_unchanged(state)
    replay()
    assert cuda.replayed == 1 and len(calls) == WARM_UP_STEPS + 1


@pytest.mark.parametrize(
    "place", ["making the graph", "step 2", "beginning the capture", "step 4", "ending the capture"]
)
def test_a_step_that_cannot_be_captured_runs_without_and_says_why(cuda, state, place):
    step, _ = counting_step(cuda, state)
    cuda.fail_in = place
    run, reason = capture(step, state)
    assert run is step
    assert reason == "step not captured as a CUDA graph: injected"
    assert cuda.current is cuda.first
    assert_unchanged(state)


@pytest.mark.parametrize("place", ["step 2", "ending the capture", ""])
def test_the_state_is_given_back_only_once_the_device_is_done(cuda, state, monkeypatch, place):
    step, _ = counting_step(cuda, state)
    cuda.fail_in = place
    give_back = graph_module._give_back
    monkeypatch.setattr(
        graph_module, "_give_back", lambda *args: (cuda.events.append("given"), give_back(*args))
    )
    capture(step, state)
    assert cuda.events[-2:] == ["synchronized", "given"]


def test_a_failure_without_words_is_no_second_failure(cuda, state):
    step, _ = counting_step(cuda, state)
    cuda.fail_in, cuda.error = "step 1", RuntimeError("")
    run, reason = capture(step, state)
    assert run is step and reason.startswith("step not captured as a CUDA graph")
    assert_unchanged(state)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), KeyboardInterrupt()])
def test_what_is_no_matter_of_capturing_is_raised_with_the_state_given_back(cuda, state, error):
    step, _ = counting_step(cuda, state)
    cuda.fail_in, cuda.error = "step 3", error
    with pytest.raises(type(error)):
        capture(step, state)
    assert_unchanged(state)


def train_on_pretended_cuda(cuda, monkeypatch, batch_size: int) -> Shard:
    """One epoch of a real shard that takes the CPU for a CUDA device."""
    monkeypatch.setattr(TrainingData, "on_cuda", True)
    recipe = replace(RECIPE, batch_size=batch_size)
    shard = Shard({0: new_state(shortened("bn_l1"), 1)}, tiny_data(), recipe)
    cuda.step = lambda: shard.step(batch_size)
    assert shard.run_epoch(lambda: False)
    return shard


# 86 images: two full batches, one, and none. Three steps on end would need 96, 258 or 261 images.
@pytest.mark.parametrize(("batch_size", "replayed"), [(32, 2), (86, 1), (87, 0)])
def test_capture_needs_no_more_images_than_one_batch(cuda, monkeypatch, batch_size, replayed):
    with monkeypatch.context() as patch:
        shard = train_on_pretended_cuda(cuda, patch, batch_size)
    assert shard.fallback_reason is None
    assert (cuda.replayed, cuda.captured) == (replayed, replayed > 0)
    plain = Shard({0: new_state(shortened("bn_l1"), 1)}, tiny_data(), shard.recipe)
    plain.run_epoch(lambda: False)
    assert_same_state(shard.states[0], plain.states[0])


def test_the_device_never_has_more_than_a_few_steps_before_it(cuda, monkeypatch):
    """So a stop waits for those alone, and progress tells what has been computed."""
    ahead = []
    monkeypatch.setattr(TrainingData, "on_cuda", True)
    recipe = replace(RECIPE, batch_size=2)
    shard = Shard({0: new_state(shortened("ln"), 1)}, tiny_data(), recipe)
    cuda.step = lambda: ahead.append(cuda.replayed - cuda.reached)
    monkeypatch.setattr(Shard, "evaluate", lambda self: (torch.zeros(1), torch.zeros(1)))
    shard.run_epoch(lambda: False)
    assert len(ahead) == 43 and max(ahead) == 2 * STEPS_PER_MARK
