"""The plain network: its shapes, its parameters and its values, computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from core.config import CONV_CHANNELS, VARIANTS, Variant, grid
from core.model.network import Network, build_network, flatten_parameters
from core.model.normalization import make_normalization

ALL = [*VARIANTS.values(), *(v for v in grid() if v.key not in VARIANTS)]
CONV_SIZES = (28, 28, 12, 10, 8, 6, 4)
"""Height and width behind each convolution."""
OTHER_SHAPES = {
    "pool": (8, 14, 14),
    "gap": (16, 1, 1),
    "hidden": (24, 1, 1),
    "classifier": (10, 1, 1),
    "flatten": (10,),
}
CONV_PARAMETERS = (72, 576, 864, 1296, 1296, 1296, 1728)
NORM_PARAMETERS = (16, 16, 24, 24, 24, 24, 32)


def count_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


@pytest.fixture
def images():
    return torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("variant", ALL, ids=lambda v: v.key)
def test_parameters_are_those_of_the_published_table(variant):
    network = Network(variant)
    assert count_parameters(network) == 7_946
    assert flatten_parameters(network).shape == (7_946,)
    for number in range(1, 8):
        conv, norm = network.get_submodule(f"conv{number}"), network.get_submodule(f"norm{number}")
        assert count_parameters(conv) == CONV_PARAMETERS[number - 1]
        assert count_parameters(norm) == NORM_PARAMETERS[number - 1]
        assert conv.bias is None
    assert count_parameters(network.hidden) == 408
    assert count_parameters(network.classifier) == 250


@pytest.mark.parametrize("variant", ALL, ids=lambda v: v.key)
def test_shapes_are_those_of_the_table_and_each_relu_runs_once(variant, images):
    network = Network(variant)
    shapes, calls = {}, {}
    for name, module in network.named_children():

        def note(module, inputs, output, name=name):
            shapes[name] = tuple(output.shape[1:])
            calls[name] = calls.get(name, 0) + 1

        module.register_forward_hook(note)
    logits = network(images)
    assert logits.shape == (3, 10)
    assert set(calls.values()) == {1}
    for number, (channels, size) in enumerate(zip(CONV_CHANNELS, CONV_SIZES, strict=True), start=1):
        for name in ("conv", "norm", "relu"):
            assert shapes[f"{name}{number}"] == (channels, size, size), name
    assert CONV_CHANNELS == (8, 8, 12, 12, 12, 12, 16)
    assert {name: shapes[name] for name in OTHER_SHAPES} == OTHER_SHAPES
    relus = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    assert len(relus) == len({id(relu) for relu in relus}) == 7


@pytest.mark.parametrize("variant", ALL, ids=lambda v: v.key)
def test_each_convolution_is_followed_by_the_variants_normalization(variant):
    network = Network(variant)
    order = [name for name, _ in network.named_children()]
    blocks = [f"{kind}{n}" for n in range(1, 8) for kind in ("conv", "norm", "relu")]
    assert order == [*blocks[:6], "pool", *blocks[6:], "gap", "hidden", "classifier", "flatten"]
    for position in range(7):
        norm = network.get_submodule(f"norm{position + 1}")
        assert norm.eps == 1e-5
        if variant.norm == "batch":
            assert isinstance(norm, nn.BatchNorm2d) and norm.momentum == 0.1
            assert norm.num_features == CONV_CHANNELS[position]
        else:
            assert isinstance(norm, nn.GroupNorm)
            assert norm.num_groups == variant.num_groups[position]
            assert norm.num_channels == CONV_CHANNELS[position]


def test_batch_norm_keeps_160_statistics_and_7_counters_and_the_others_none():
    kept = {key: list(Network(v).named_buffers()) for key, v in VARIANTS.items()}
    for key, buffers in kept.items():
        sizes = [buffer.numel() for name, buffer in buffers if "running" in name]
        assert sum(sizes) == (160 if key.startswith("bn") else 0)
        assert len(buffers) - len(sizes) == (7 if key.startswith("bn") else 0)


def test_logits_are_returned_not_log_probabilities(images):
    network = build_network(VARIANTS["gn"], seed=1).eval()
    logits = network(images)
    assert (logits.logsumexp(1).abs() > 0.1).all()
    with torch.no_grad():
        network.classifier.bias += 5.0
    assert torch.allclose(network(images), logits + 5.0, atol=1e-5)


def test_values_by_hand():
    """Every convolution copies its centre pixel to all channels, so all can be followed by hand.

    The image is 2 in its left half and 0 in its right one; after pooling and five convolutions
    without padding, columns 5 to 8 of 14 are left: 2, 2, 0, 0. Over each whole map mean and
    variance are those of the columns that exist there.
    """
    network = build_network(VARIANTS["ln"], seed=0).eval()
    with torch.no_grad():
        for number in range(1, 8):
            weight = network.get_submodule(f"conv{number}").weight
            weight.zero_()
            weight[:, 0, 1, 1] = 1.0
        network.hidden.weight.fill_(1.0 / 16)
        network.hidden.bias.fill_(0.25)
        network.classifier.weight.fill_(1.0 / 24)
        network.classifier.bias.copy_(torch.arange(10.0))
    image = torch.zeros(1, 1, 28, 28)
    image[..., :14] = 2.0
    high, low = 2.0, 0.0
    for _ in range(7):
        # Half of each map holds one value, half the other: mean and variance follow.
        mean, variance = (high + low) / 2, ((high - low) / 2) ** 2
        high, low = ((v - mean) / (variance + 1e-5) ** 0.5 for v in (high, low))
        high, low = max(high, 0.0), max(low, 0.0)
    expected = (high + low) / 2 + 0.25 + torch.arange(10.0)
    assert torch.allclose(network(image)[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("norm", "expected"),
    [
        # Channels 0 to 3 hold (0, 2), (4, 6), (1, 1), (3, 3) in one image.
        ("group", [[-3, -1], [1, 3], [-1, -1], [1, 1]]),
        ("layer", [[-2.5, -0.5], [1.5, 3.5], [-1.5, -1.5], [0.5, 0.5]]),
        ("batch", [[-1, 1], [-1, 1], [0, 0], [0, 0]]),
    ],
)
def test_what_each_normalization_averages(norm, expected):
    x = torch.tensor([[[0.0, 2], [4, 6], [1, 1], [3, 3]]]).view(1, 4, 1, 2)
    # Centred by hand over pairs of channels, all channels, or one; scaled by the mean square.
    variances = {"group": [5, 5, 1, 1], "layer": [3.25] * 4, "batch": [1, 1, 0, 0]}[norm]
    scale = (torch.tensor(variances) + 1e-5).sqrt().view(4, 1)
    layer = make_normalization(Variant("x", norm), nn.Conv2d(1, 4, 3)).train()
    assert torch.allclose(layer(x)[0, :, 0], torch.tensor(expected) / scale, atol=1e-4)


def test_initial_weights_depend_on_the_seed_alone():
    first = flatten_parameters(build_network(VARIANTS["gn"], seed=3))
    for variant in ALL:
        assert torch.equal(flatten_parameters(build_network(variant, seed=3)), first), variant.key
    assert not torch.equal(flatten_parameters(build_network(VARIANTS["gn"], seed=4)), first)
    torch.manual_seed(3)
    assert torch.equal(flatten_parameters(Network(VARIANTS["gn"])), first)


def test_the_global_random_state_is_untouched():
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    build_network(VARIANTS["bn_l1"], seed=5)
    assert torch.equal(torch.random.get_rng_state(), before)
