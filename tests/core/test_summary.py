"""Layer facts against values worked out by hand and against a recount that shares no code."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import nn

from core.config import CONV_CHANNELS, VARIANTS, Variant
from core.model.network import Network, build_network
from core.model.summary import Summary, summarize, summary_to_dict

MAP_SIZES = (28, 28, 12, 10, 8, 6, 4)
CONV_WEIGHTS = (72, 576, 864, 1296, 1296, 1296, 1728)
ELEMENTS = [c * size**2 for c, size in zip(CONV_CHANNELS, MAP_SIZES, strict=True)]


@pytest.fixture(scope="module", params=VARIANTS)
def summary(request: pytest.FixtureRequest) -> Summary:
    return summarize(VARIANTS[request.param])


def row(summary: Summary, name: str):
    return next(layer for layer in summary.layers if layer.name == name)


def test_all_variants_have_the_published_number_of_trainable_parameters(summary):
    assert summary.trainable_parameters == 7946


def test_only_batch_norm_keeps_anything_between_batches(summary):
    is_batch = summary.variant.norm == "batch"
    assert summary.buffers == (167 if is_batch else 0)
    assert summary.running_statistics == (160 if is_batch else 0)
    assert row(summary, "norm1").buffers == (8 + 8 + 1 if is_batch else 0)


@pytest.mark.parametrize("column", ["trainable_parameters", "buffers", "multiply_adds"])
def test_rows_sum_to_the_totals(summary, column):
    assert sum(getattr(layer, column) for layer in summary.layers) == getattr(summary, column)


def test_convolutions_are_the_published_table(summary):
    for i, weights in enumerate(CONV_WEIGHTS):
        conv = row(summary, f"conv{i + 1}")
        size = MAP_SIZES[i]
        assert conv.type == "Conv2d" and conv.kernel == (3, 3) and conv.groups == 1
        assert conv.output_shape == (CONV_CHANNELS[i], size, size)
        assert conv.trainable_parameters == weights and conv.biases == 0
        assert conv.multiply_adds == weights * size**2


def test_normalizations_are_counted_by_hand(summary):
    groups = summary.variant.num_groups
    steps = 2 if summary.variant.norm == "batch" else 4
    for i, elements in enumerate(ELEMENTS):
        norm = row(summary, f"norm{i + 1}")
        assert norm.trainable_parameters == 2 * CONV_CHANNELS[i]
        assert norm.multiply_adds == steps * elements
        assert norm.groups == (groups[i] if groups else None)


def test_head_is_counted_by_hand(summary):
    facts = [
        (layer.name, layer.output_shape, layer.kernel, layer.trainable_parameters, layer.biases,
         layer.multiply_adds)
        for layer in summary.layers[-4:]
    ]  # fmt: skip
    assert facts == [
        ("gap", (16, 1, 1), (4, 4), 0, 0, 16 * 4 * 4),
        ("hidden", (24, 1, 1), (1, 1), 16 * 24 + 24, 24, 16 * 24 + 24),
        ("classifier", (10, 1, 1), (1, 1), 24 * 10 + 10, 10, 24 * 10 + 10),
        ("flatten", (10,), None, 0, 0, 0),
    ]


def test_totals_of_multiply_adds_by_hand():
    convolutions = sum(w * size**2 for w, size in zip(CONV_WEIGHTS, MAP_SIZES, strict=True))
    rest = 256 + 408 + 250
    assert summarize(VARIANTS["gn"]).multiply_adds == convolutions + 4 * sum(ELEMENTS) + rest
    assert summarize(VARIANTS["bn_l1"]).multiply_adds == convolutions + 2 * sum(ELEMENTS) + rest


def test_groups_are_those_of_any_variant_not_only_the_six():
    summary = summarize(Variant("gn4", "group", channels_per_group=4))
    assert [row(summary, f"norm{i}").groups for i in range(1, 8)] == [2, 2, 3, 3, 3, 3, 4]


def test_layer_facts_equal_a_recount_by_hooks(summary):
    network, seen = Network(summary.variant).eval(), []

    def record(name: str):
        def hook(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
            parameters = sum(p.numel() for p in module.parameters())
            buffers = sum(b.numel() for b in module.buffers())
            seen.append((name, tuple(output.shape[1:]), parameters, buffers))

        return hook

    for name, module in network.named_children():
        module.register_forward_hook(record(name))
    network(torch.zeros(1, 1, 28, 28))
    assert seen == [
        (layer.name, layer.output_shape, layer.trainable_parameters, layer.buffers)
        for layer in summary.layers
    ]


def test_convolution_multiply_adds_equal_the_profiler():
    """PyTorch's FLOP counter counts two per multiply-add and no biases."""
    from torch.utils.flop_counter import FlopCounterMode

    network = Network(VARIANTS["ln"])
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 1, 28, 28))
    summary = summarize(VARIANTS["ln"])
    convolutions = [layer for layer in summary.layers if layer.type == "Conv2d"]
    ours = sum(layer.multiply_adds - layer.biases for layer in convolutions)
    assert counter.get_total_flops() == 2 * ours


@pytest.mark.parametrize("name", ["relu1", "relu2", "pool", "relu3", "relu5", "relu7", "gap"])
def test_receptive_field_is_where_a_gradient_arrives(name):
    network = Network(VARIANTS["bn_l1"]).eval()
    network.pool = nn.AvgPool2d(2)  # max-pool would pass the gradient of its largest input only
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1.0)  # so that no gradient cancels
    image = torch.ones(1, 1, 28, 28).requires_grad_()
    position = {}
    network.get_submodule(name).register_forward_hook(
        lambda module, inputs, output: position.update(output=output)
    )
    network(image)
    output = position["output"]
    output[0, 0, output.shape[2] // 2, output.shape[3] // 2].backward()
    rows = image.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
    expected = row(summarize(VARIANTS["bn_l1"]), name).receptive_field
    assert int(rows.max() - rows.min()) + 1 == expected


@pytest.mark.parametrize("key", ["gn", "bn_l1"])
def test_the_network_is_left_as_it_was(key):
    network = build_network(VARIANTS[key], seed=3).train()
    network.norm2.eval()  # a mixed mode, which torchinfo alone would undo
    modes = [module.training for module in network.modules()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random_state = torch.get_rng_state()
    summarize(VARIANTS[key], network)
    summarize(VARIANTS[key])
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert not any(module._forward_hooks for module in network.modules())


def test_json_document_has_the_promised_keys():
    document = json.loads(json.dumps(summary_to_dict(summarize(VARIANTS["gn"]))))
    assert document["variant"] == "gn" and document["trainable_parameters"] == 7946
    assert {"variant", "trainable_parameters", "buffers", "multiply_adds", "layers"} <= set(
        document
    )
    layer = document["layers"][0]
    assert layer["name"] == "conv1" and layer["type"] == "Conv2d"
    assert math.prod(layer["output_shape"]) == 8 * 28 * 28
    assert {"trainable_parameters", "buffers", "multiply_adds"} <= set(layer)
