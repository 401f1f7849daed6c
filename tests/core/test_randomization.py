"""The randomization check finds out a map that ignores the weights, and changes no network."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from core.analysis.randomization import LAYERS, NUM_NETWORKS, cascade, check_randomization
from core.config import VARIANTS
from core.model.network import build_network
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, read_run, run_path
from tests.fixtures_explain import normalized_digit

NAMES = ["classifier", "hidden", "conv7", "conv6", "conv5", "conv4", "conv3", "conv2", "conv1"]
NORMS = ("gn", "ln", "bn_l1")


def network_of(key: str):
    return load_network(read_run(run_path(SHIPPED_DIR, "digits", key, 1), SHIPPED_DIR))


def gradient(network, inputs):
    """Of logit 3 less logit 5."""
    inputs = inputs.detach().clone().requires_grad_()
    with torch.enable_grad():
        logits = network(inputs)
        return torch.autograd.grad((logits[:, 3] - logits[:, 5]).sum(), inputs)[0]


def state_of(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("key", NORMS)
def test_the_cascade_goes_from_the_classifier_to_the_first_convolution(key):
    network = network_of(key)
    before = previous = state_of(network)
    assert tuple(NAMES) == LAYERS
    for number, (name, randomized) in enumerate(cascade(network, (0,)), start=1):
        assert name == NAMES[number - 1] and not randomized.training
        state = state_of(randomized)
        changed = {k.split(".")[0] for k in state if not torch.equal(state[k], previous[k])}
        norm = {name.replace("conv", "norm")} if name.startswith("conv") else set()
        assert changed == {name} | norm
        previous = state
    assert number == 9
    fresh = build_network(VARIANTS[key], seed=0).state_dict()
    assert all(torch.equal(previous[k], fresh[k]) for k in previous if k.startswith("norm"))
    assert all(torch.equal(before[k], value) for k, value in network.state_dict().items())


def test_weights_are_drawn_as_before_training():
    """Uniform within ±1/√fan-in, the same for one seed and others for another."""
    network = build_network(VARIANTS["gn"], seed=1)
    *_, (_, drawn) = cascade(network, (7, 0))
    *_, (_, again) = cascade(network, (7, 0))
    *_, (_, other) = cascade(network, (7, 1))
    for name, weight in drawn.named_parameters():
        if "norm" in name:
            continue
        fan_in = drawn.get_parameter(f"{name.split('.')[0]}.weight")[0].numel()
        bound = fan_in**-0.5
        assert weight.abs().max() <= bound
        assert torch.equal(weight, again.get_parameter(name))
        assert not torch.equal(weight, other.get_parameter(name))
        if weight.numel() > 200:
            assert weight.abs().max() > 0.97 * bound
            assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)


@pytest.mark.thorough
@pytest.mark.parametrize("key", NORMS)
def test_a_map_that_is_the_image_fails_and_the_gradient_passes(key):
    network, image = network_of(key), normalized_digit(0)
    before = state_of(network)
    state = torch.get_rng_state(), np.random.get_state()[1].tolist()

    def check(explain):
        attributions = explain(network, torch.tensor(image)[None]).squeeze().numpy()
        return check_randomization(network, image, attributions, explain)

    found = check(lambda network, inputs: inputs)
    assert found.similarities == pytest.approx([1] * 9) and found.all_layers == pytest.approx(1)
    assert not found.passed and found.alike_until is None
    found = check(gradient)
    assert found.all_layers == found.similarities[-1] < 0.2 and found.passed
    assert found.layers == tuple(NAMES) and found.num_networks == NUM_NETWORKS
    assert check(gradient) == found
    assert all(torch.equal(before[k], value) for k, value in network.state_dict().items())
    assert torch.equal(state[0], torch.get_rng_state())
    assert state[1] == np.random.get_state()[1].tolist()


def test_a_map_that_only_takes_its_sign_from_the_weights_fails():
    network, image = network_of("gn"), normalized_digit(0)

    def signed_image(network, inputs):
        return inputs * network(inputs)[:, :1, None, None].sign()

    attributions = signed_image(network, torch.tensor(image)[None]).squeeze().detach().numpy()
    found = check_randomization(network, image, attributions, signed_image)
    assert found.all_layers == pytest.approx(1) and not found.passed


def test_a_map_that_depends_on_the_first_layer_changes_with_it():
    """The map is the image, its pixels reordered by the first convolution's weights."""
    network, image = network_of("gn"), normalized_digit(0)

    def by_first_layer(network, inputs):
        seed = int(network.conv1.weight.abs().sum() * 1e4)
        order = np.random.default_rng(seed).permutation(784)
        return inputs.reshape(-1)[order].reshape(inputs.shape)

    attributions = by_first_layer(network, torch.tensor(image)[None]).squeeze().numpy()
    found = check_randomization(network, image, attributions, by_first_layer)
    assert found.similarities[:-1] == pytest.approx([1] * 8)
    assert found.all_layers < 0.2 and found.passed and found.alike_until == "conv1"


def test_frame_and_document_hold_the_same_figures():
    network, image = network_of("gn"), normalized_digit(0)
    attributions = gradient(network, torch.tensor(image)[None]).squeeze().numpy()
    found = check_randomization(network, image, attributions, gradient, num_networks=2)
    frame = found.frame()
    assert list(frame) == ["layer", "similarity", "low", "high"]
    assert frame["layer"].tolist() == NAMES
    assert (frame["low"] <= frame["similarity"]).all()
    assert (frame["similarity"] <= frame["high"]).all()
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["similarities"] == frame["similarity"].tolist()
    assert document["all_layers"] == found.all_layers and document["num_networks"] == 2
