"""The benchmark of explanations compares two sides that compute the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import explain
from core.errors import NormLabError, RunError
from core.training.runs import SHIPPED_DIR, read_predictions, run_path

pytestmark = pytest.mark.thorough


def test_both_sides_are_timed_on_the_same_maps_of_failures():
    """`time_maps` itself fails where the two sides disagree."""
    indices = explain.failing_images("digits", 1)
    found = read_predictions(run_path(SHIPPED_DIR, "digits", "gn", 1))
    assert len(indices) == 2
    assert all(found.predicted[index] != found.targets[index] for index in indices)
    singly, ours = explain.time_maps("digits", indices)
    assert len(singly) == len(ours) == 1 and singly[0] > 0 and ours[0] > 0


def test_sides_that_disagree_are_found_out(monkeypatch):
    plain = explain.gradients_one_at_a_time
    monkeypatch.setattr(
        explain, "gradients_one_at_a_time", lambda *args: plain(*args) + torch.eye(28)
    )
    with pytest.raises(NormLabError, match="disagree on the map of"):
        explain.time_maps("digits", explain.failing_images("digits", 1)[:1])


def test_the_document_has_what_every_benchmark_gives(monkeypatch):
    monkeypatch.setattr(explain, "time_maps", lambda *args: ([4.0, 6.0, 5.0], [1.0, 2.0, 9.0]))
    found = explain.measure("digits", 3, chromium=None)
    assert (found["ratio"], found["reference"], found["ours"], found["unit"]) == (2.5, 5, 2, "s")
    assert "cores" in found["machine"] and found["dataset"] == "digits" and found["images"] == 3
    (maps,) = found["measurements"]
    assert maps.pop("what") == "six maps"
    assert maps == {"ratio": 1, "reference": 2, "ours": 2, "slowest": 9, "n": 3}


def test_more_images_than_failures_are_refused():
    with pytest.raises(RunError, match="fewer --images"):
        explain.failing_images("digits", 300)


def test_integrated_gradients_one_at_a_time_by_hand():
    """Of a linear network the average gradient is the gradient, whatever the steps."""
    from core.analysis.attribution import AttributionMap
    from core.analysis.target import Target
    from tests.linear_network import linear_network

    coefficients = np.random.default_rng(0).normal(size=(28, 28)).astype(np.float32)
    target = Target("0", (1.0, *[0.0] * 9), 0, None, "logit 0")
    found = AttributionMap("gn", explain.METHOD, target, "black", True, 0.0, n_steps=64)
    image, baseline = torch.ones(1, 28, 28), torch.full((1, 28, 28), -1.0)
    network = linear_network(coefficients)
    maps = explain.gradients_one_at_a_time(network, image, found, baseline)
    assert maps[0].numpy() == pytest.approx(2 * coefficients, rel=1e-3)
