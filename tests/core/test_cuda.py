"""What only a CUDA device can show; tests/conftest.py collects it where there is one."""

from __future__ import annotations

from dataclasses import replace

import torch

from core.data.corruptions import CORRUPTIONS, corrupt
from core.training.engine import Engine
from core.training.graph import capture
from core.training.state import ReplicaState, new_state
from tests.training_helpers import RECIPE, shortened, tiny_data


def make_states() -> list[ReplicaState]:
    specs = (("gn_l1", 1, 2), ("bn_l1", 2, 1), ("ln_l2", 1, 2))
    return [new_state(shortened(key, epochs), seed) for key, seed, epochs in specs]


def test_the_captured_step_agrees_with_the_cpu():
    expected = make_states()
    list(Engine(expected, tiny_data(), RECIPE).fit())
    states, cpu = make_states(), tiny_data()
    names = ("train_images", "train_targets", "test_images", "test_targets")
    engine = Engine(
        states, replace(cpu, **{name: getattr(cpu, name).cuda() for name in names}), RECIPE
    )
    assert len(list(engine.fit())) == 5
    assert engine.fallback_reason is None
    for state, other in zip(states, expected, strict=True):
        assert (state.parameters.cpu() - other.parameters).abs().max() < 1e-3


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


def test_corruptions_are_the_same_as_on_the_cpu():
    images = tiny_data().test_images
    for key, kind in CORRUPTIONS.items():
        severity = kind.published or kind.high
        expected = corrupt(images, key, severity, mean=0.1307)
        result = corrupt(images.cuda(), key, severity, mean=0.1307)
        assert result.is_cuda
        # Rounding may move a pixel of glass by one of 256 grey levels.
        assert (result.cpu() - expected).abs().max() < 1.1 / 255, key
