"""Layer views against the layers themselves, gradients against autograd and by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.analysis.flow_table import (
    AFTER,
    BEFORE,
    CONV_LAYERS,
    LAYERS,
    flow_frame,
    flow_table,
    is_complete,
)
from core.analysis.gradient_flow import compute_flows, gradient_flow, gradient_sample
from core.analysis.inside import layer_views
from core.config import CONV_CHANNELS, VARIANTS
from core.data.datasets import data_dir, get_dataset, load_split
from core.model.network import build_network
from core.training.runs import SHIPPED_DIR, read_run, run_path
from tests.explain_helpers import image, shipped

KEYS = ["gn", "ln", "bn_l1"]


@pytest.fixture(scope="module")
def sample() -> tuple[torch.Tensor, torch.Tensor]:
    info = get_dataset("digits")
    images, targets = gradient_sample(load_split("digits", data_dir(), "train"), info)
    assert images.shape == (256, 1, 28, 28) and targets.shape == (256,)
    return images[:96], targets[:96]


def outputs(network, x, name):
    """What the layer called `name` gives for `x`."""
    for child, module in network.named_children():
        x = module(x)
        if child == name:
            return x
    raise KeyError(name)


@pytest.mark.parametrize("key", KEYS)
def test_views_hold_what_goes_in_and_comes_out_of_each_normalization(key):
    network, x = shipped(key), image(3)[None]
    views = layer_views(network, x)
    assert [view.number for view in views] == [1, 2, 3, 4, 5, 6, 7]
    with torch.inference_mode():
        for view, channels in zip(views, CONV_CHANNELS, strict=True):
            assert len(view.before) == channels
            before = outputs(network, x, f"conv{view.number}")[0].numpy()
            after = outputs(network, x, f"norm{view.number}")[0].numpy()
            assert np.array_equal(view.before, before) and np.array_equal(view.after, after)


@pytest.mark.parametrize("key", KEYS)
def test_mean_and_deviation_are_those_that_give_the_maps_after(key):
    network = shipped(key)
    for view in layer_views(network, image(3)[None]):
        norm = network.get_submodule(f"norm{view.number}")
        times = len(view.before) // len(view.mean)
        mean, std = (v.repeat(times)[:, None, None] for v in (view.mean, view.std))
        gamma, beta = (p.detach().numpy()[:, None, None] for p in (norm.weight, norm.bias))
        by_hand = gamma * (view.before - mean) / std + beta
        assert np.allclose(view.after, by_hand, atol=1e-4)


def test_layer_norm_has_one_group_and_batch_norm_one_per_channel():
    of_layer_norm = layer_views(shipped("ln"), image(3)[None])
    assert [view.figures()["groups"] for view in of_layer_norm] == [1] * 7
    network = shipped("bn_l1")
    views = layer_views(network, image(3)[None])
    assert [len(view.mean) for view in views] == [*CONV_CHANNELS]
    assert np.array_equal(views[2].mean, network.norm3.running_mean.numpy())
    assert views[2].std == pytest.approx((network.norm3.running_var + 1e-5).sqrt().numpy())


def test_figures_are_ranges_of_the_maps():
    view = layer_views(shipped("gn"), image(3)[None])[0]
    figures = view.figures()
    assert figures["before_low"] == view.before.min() and figures["after_high"] == view.after.max()
    assert figures["passed"] == pytest.approx((view.after > 0).sum() / view.after.size)
    assert (figures["groups"], figures["std_high"]) == (4, view.std.max())


@pytest.mark.parametrize("key", KEYS)
def test_gradient_norms_equal_autograd(key, sample):
    """One batch of 64 and one of 32, each alone in training mode as the sample is split."""
    network = shipped(key)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    found = {record["layer"]: record for record in gradient_flow(network, *sample)}
    assert list(found) == [*LAYERS]
    worker = build_network(network.variant, seed=0).train()
    worker.load_state_dict(network.state_dict())
    loss = torch.zeros(())
    for x, y in ((sample[0][:64], sample[1][:64]), (sample[0][64:], sample[1][64:])):
        loss = loss + F.cross_entropy(worker(x), y, reduction="sum") / 96
    for name in ("conv1", "conv4", "classifier"):
        weight = worker.get_parameter(f"{name}.weight")
        (gradient,) = torch.autograd.grad(loss, weight, retain_graph=True)
        # Batch norm's backward pass rounds to three or four digits.
        assert found[name]["gradient_norm"] == pytest.approx(gradient.norm().item(), rel=1e-3)
        assert found[name]["weight_norm"] == pytest.approx(weight.norm().item(), rel=1e-6)
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    assert not network.training and network.conv1.weight.grad is None


def test_the_gradient_of_the_logits_is_softmax_less_one_hot(sample):
    """The classifier's output is the logits, so its gradient is known in closed form."""
    network = shipped("gn")
    with torch.inference_mode():
        p = network(sample[0]).softmax(1) - F.one_hot(sample[1], 10)
    expected = p.square().sum(1).mean().sqrt().item()
    record = gradient_flow(network, *sample)[-1]
    assert record["activation_gradient_norm"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("key", KEYS)
def test_the_gradient_is_at_a_right_angle_to_weights_that_a_normalization_follows(key, sample):
    found = {
        record["layer"]: abs(record["cosine"]) for record in gradient_flow(shipped(key), *sample)
    }
    assert max(found[name] for name in CONV_LAYERS) < 1e-3
    assert found["classifier"] > 0.01


def test_before_training_is_the_network_that_the_seed_gives(sample):
    run = read_run(run_path(SHIPPED_DIR, "digits", "gn", 1), SHIPPED_DIR)
    seen: list[tuple[int, int]] = []
    networks = {"a": (shipped("gn"), 1)}
    found = compute_flows(networks, sample, lambda *counts: seen.append(counts))["a"]
    assert is_complete(found) and seen == [(1, 2), (2, 2)]
    assert found["rows"][BEFORE] == gradient_flow(build_network(VARIANTS["gn"], 1), *sample)
    assert found["rows"][AFTER] == gradient_flow(shipped("gn"), *sample)
    frame = flow_frame([(run, found)]).set_index(["when", "layer"])
    norm = shipped("gn").conv2.weight.norm().item()
    assert frame.loc[(BEFORE, "conv2"), "learning_rate"] == 0.01
    assert frame.loc[(AFTER, "conv2"), "effective_learning_rate"] == pytest.approx(0.01 / norm**2)
    assert math.isnan(frame.loc[(AFTER, "hidden"), "effective_learning_rate"])


ROWS = [{"layer": n, "cosine": 0.0, "weight_norm": 1.0, "gradient_norm": 1.0} for n in LAYERS]


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"num_images": 1, "rows": 3},
        {"num_images": 1, "rows": {BEFORE: [], AFTER: []}},
        {"num_images": 1, "rows": {BEFORE: ROWS, AFTER: ROWS}},
    ],
)
def test_a_document_that_does_not_fit_is_incomplete(document):
    assert not is_complete(document)


def test_a_document_with_every_figure_is_complete():
    rows = [{**row, "activation_gradient_norm": 2} for row in ROWS]
    assert is_complete({"num_images": 1, "rows": {BEFORE: rows, AFTER: rows}})
    assert not is_complete({"rows": {BEFORE: rows, AFTER: rows}})
    assert not is_complete({"num_images": 1, "rows": {BEFORE: rows, AFTER: rows[1:]}})


def test_the_table_takes_geometric_means():
    run = read_run(run_path(SHIPPED_DIR, "digits", "gn", 1), SHIPPED_DIR)

    def document(norm: float) -> dict:
        record = {"weight_norm": norm, "gradient_norm": 2.0, "activation_gradient_norm": 0.0}
        rows = [{"layer": name, "cosine": 0.0, **record} for name in LAYERS]
        return {"num_images": 1, "rows": {BEFORE: rows, AFTER: rows}}

    frame = flow_frame([(run, document(1.0)), (replace(run, seed=2), document(4.0))])
    table = flow_table(frame).set_index(["when", "measure", "layer"]).sort_index()
    cell = table.loc[(AFTER, "weight_norm", "conv1")]
    # Student's t of the logarithms 0 and log 4: 12.706 · (log 4 / √2) / √2.
    assert (cell["value"], cell["num_seeds"]) == (pytest.approx(2), 2)
    assert cell["high"] == pytest.approx(2 * 4 ** (12.7062 / 2), rel=1e-3)
    rates = table.loc[(AFTER, "effective_learning_rate")]
    assert set(rates.index) == {*CONV_LAYERS}
    assert rates.loc["conv1", "value"] == pytest.approx(0.01 / 4)
    assert "activation_gradient_norm" not in table.index.get_level_values("measure")
