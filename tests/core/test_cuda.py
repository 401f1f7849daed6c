"""What only a CUDA device can show; tests/conftest.py collects it where there is one.

How a stack trains there is held against the CPU in tests/core/test_training_devices.py.
"""

from __future__ import annotations

import pytest
import torch

from core.data.corruptions import CORRUPTIONS, corrupt
from core.training.engine import Engine
from core.training.graph import capture
from core.training.shard import Shard
from core.training.state import ReplicaState, new_state
from tests.training_helpers import RECIPE, assert_close_state, data_on, shortened, tiny_data


def make_states() -> list[ReplicaState]:
    return [new_state(shortened(key, 2), 1) for key in ("gn_l1", "bn_l1", "ln_l2")]


def refuse(tensor: torch.Tensor) -> None:
    raise RuntimeError("injected")


@pytest.mark.parametrize("spoil", [refuse, torch.Tensor.item])
def test_a_step_that_cannot_be_captured_trains_without_and_says_why(monkeypatch, spoil):
    """Once an error of ours, once one of CUDA, which ends the capture itself."""
    expected, states = make_states(), make_states()
    captured = Engine(expected, data_on("cuda", tiny_data()), RECIPE)
    list(captured.fit())
    assert captured.fallback_reason is None
    plain = Shard.step

    def step(self: Shard, batch_size: int) -> None:
        plain(self, batch_size)
        if torch.cuda.is_current_stream_capturing():
            spoil(self.first_image)

    monkeypatch.setattr(Shard, "step", step)
    engine = Engine(states, data_on("cuda", tiny_data()), RECIPE)
    list(engine.fit())
    assert engine.fallback_reason.startswith("step not captured as a CUDA graph: ")
    for state, other in zip(states, expected, strict=True):
        assert_close_state(state, other, 1e-6)


def test_a_real_graph_replays_the_step():
    x = torch.ones(4, device="cuda")

    def step() -> None:
        x.mul_(2)

    replay, reason = capture(step, [x])
    assert reason is None
    assert x.tolist() == [1] * 4
    replay()
    replay()
    torch.cuda.synchronize()
    assert x.tolist() == [4] * 4


def test_a_capture_that_fails_leaves_the_stream_and_the_state_as_they_were():
    x = torch.ones(4, device="cuda")
    before = torch.cuda.current_stream()

    def step() -> None:
        x.mul_(2)
        if torch.cuda.is_current_stream_capturing():
            x.sum().item()

    run, reason = capture(step, [x])
    assert run is step and reason.startswith("step not captured as a CUDA graph: ")
    assert torch.cuda.current_stream() == before
    assert x.tolist() == [1] * 4
    run()
    assert x.tolist() == [2] * 4


def test_corruptions_are_the_same_as_on_the_cpu():
    images = tiny_data().test_images
    for key, kind in CORRUPTIONS.items():
        severity = kind.published or kind.high
        expected = corrupt(images, key, severity, mean=0.1307)
        result = corrupt(images.cuda(), key, severity, mean=0.1307)
        assert result.is_cuda
        # Rounding may move a pixel of glass by one of 256 grey levels.
        assert (result.cpu() - expected).abs().max() < 1.1 / 255, key
