"""Graph capture: the step as a graph, or the step itself with the reason, and no trace of trying.

The state must be given back whatever happens; that is tried here on pretended CUDA objects.
"""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import pytest
import torch

from core.training.graph import WARM_UP_STEPS, capture


class PretendedCuda:
    """Stands in for torch.cuda's graphs and streams; `fail_in` names what raises `error`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fail_in = ""
        self.error: BaseException = RuntimeError("injected\nsecond line")
        self.replayed = 0
        stream = SimpleNamespace(wait_stream=lambda other: None)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", self.make_graph)
        monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
        monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
        monkeypatch.setattr(torch.cuda, "graph", self.graph)

    def check(self, place: str) -> None:
        if self.fail_in == place:
            raise self.error

    def make_graph(self) -> SimpleNamespace:
        self.check("making the graph")
        return SimpleNamespace(replay=self.replay)

    def replay(self) -> None:
        self.replayed += 1

    @contextlib.contextmanager
    def graph(self, graph: object, **options: object):
        self.check("beginning the capture")
        yield
        self.check("ending the capture")


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
    assert_unchanged(state)


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
