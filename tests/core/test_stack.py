"""A stacked replica is its plain network: forward, statistics, and back again."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from core.config import VARIANTS, grid
from core.model.network import Network, build_network, flatten_parameters
from core.model.stack import (
    NetworkStack,
    num_parameters,
    parameter_shapes,
    read_statistics,
    write_network,
)

EXACT = {"atol": 1e-10, "rtol": 1e-9}
SPECS = list(itertools.product(VARIANTS.values(), (1, 2)))


def random_network(variant, seed: int) -> Network:
    """In float64, where formulas can be told from rounding; nothing has its initial value."""
    network = build_network(variant, seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():
                tensor.add_(0.2 * torch.rand(tensor.shape, generator=generator))
    return network


def stack_networks(networks: list[Network]) -> NetworkStack:
    parameters = torch.stack([flatten_parameters(network) for network in networks])
    statistics = torch.stack([read_statistics(network) for network in networks])
    return NetworkStack([network.variant for network in networks], parameters, statistics)


@pytest.fixture
def networks():
    return [random_network(variant, seed) for variant, seed in SPECS]


@pytest.fixture
def images():
    """(B, R, 28, 28): each replica sees its own."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(5, len(SPECS), 28, 28, generator=generator, dtype=torch.float64)


def test_the_flat_vector_is_that_of_the_plain_network():
    assert num_parameters() == 7_946
    for variant in (*VARIANTS.values(), *grid()):
        shapes = {name: p.shape for name, p in Network(variant).named_parameters()}
        assert list(parameter_shapes().items()) == list(shapes.items())


def test_evaluation_equals_the_plain_networks(networks, images):
    stack = stack_networks(networks)
    before = stack.statistics.clone()
    logits = stack.forward(images, training=False)
    assert logits.shape == (len(SPECS), 5, 10)
    for replica, network in enumerate(networks):
        alone = network.eval()(images[:, replica : replica + 1])
        torch.testing.assert_close(logits[replica], alone, **EXACT)
    assert torch.equal(stack.statistics, before)


def test_single_precision_agrees_to_six_digits(networks, images):
    networks = [network.float().eval() for network in networks]
    logits = stack_networks(networks).forward(images.float(), training=False)
    for replica, network in enumerate(networks):
        alone = network(images[:, replica : replica + 1].float())
        torch.testing.assert_close(logits[replica], alone, atol=1e-6, rtol=1e-5)


def test_training_and_running_statistics_equal_the_plain_networks(networks, images):
    stack = stack_networks(networks)
    for shift in (0.0, 0.5):
        logits = stack.forward(images + shift, training=True)
        for replica, network in enumerate(networks):
            alone = network.train()(images[:, replica : replica + 1] + shift)
            torch.testing.assert_close(logits[replica], alone, **EXACT)
    for replica, network in enumerate(networks):
        torch.testing.assert_close(
            stack.statistics[replica], read_statistics(network).double(), **EXACT
        )


def test_gradients_equal_the_plain_networks(networks, images):
    stack = stack_networks(networks)
    stack.parameters.requires_grad_()
    (gradient,) = torch.autograd.grad(
        stack.forward(images, training=True).square().mean((1, 2)).sum(), stack.parameters
    )
    for replica, network in enumerate(networks):
        network.train()(images[:, replica : replica + 1]).square().mean().backward()
        alone = torch.cat([p.grad.reshape(-1) for p in network.parameters()])
        torch.testing.assert_close(gradient[replica], alone, **EXACT)


class Operations(TorchDispatchMode):
    """Counts what is dispatched, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.counts[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("keys", [list(VARIANTS), ["gn"]])
def test_company_of_another_normalization_costs_one_gradient_a_layer_not_one_each(keys):
    stack = stack_networks([build_network(VARIANTS[key], 1) for key in sorted(keys)])
    stack.parameters.requires_grad_()
    with Operations() as operations:
        logits = stack.forward(torch.ones(2, len(keys), 28, 28), training=True)
        torch.autograd.grad(logits.sum(), stack.parameters)
    assert operations.counts["convolution_backward"] == 7
    assert operations.counts["slice_backward"] == operations.counts["add"] == 0


def test_replicas_do_not_touch_each_other(networks, images):
    """Changing the images of one replica changes its logits and nobody else's."""
    changed = images.clone()
    changed[:, 4] += 1.0
    before = stack_networks(networks).forward(images, training=True)
    after = stack_networks(networks).forward(changed, training=True)
    same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert same == [replica != 4 for replica in range(len(SPECS))]


def test_any_order_and_any_company_give_the_same(networks, images):
    order = torch.randperm(len(SPECS), generator=torch.Generator().manual_seed(1)).tolist()
    logits = stack_networks(networks).forward(images, training=False)
    shuffled = stack_networks([networks[r] for r in order]).forward(images[:, order], False)
    torch.testing.assert_close(shuffled, logits[order], **EXACT)


def test_only_neighbours_with_the_same_layer_share_a_kernel():
    keys = ["gn", "gn_l1", "ln", "bn_l1", "bn_l1_l2", "gn"]
    stack = stack_networks([build_network(VARIANTS[key], 1) for key in keys])
    assert [segment[1:] for segment in stack.segments] == [(0, 2), (2, 3), (3, 5), (5, 6)]
    assert stack.num_replicas == 6


def test_layer_norm_alone_is_laid_out_channels_last_and_computes_the_same(images):
    networks = [random_network(VARIANTS[key], 1) for key in ("ln", "ln_l2")]
    stack = stack_networks(networks)
    assert stack.memory_format == torch.channels_last
    pair = images[:, :2].contiguous(memory_format=torch.channels_last)
    for replica, network in enumerate(networks):
        alone = network.eval()(images[:, replica : replica + 1])
        together = stack.forward(pair, training=False)[replica]
        torch.testing.assert_close(together, alone, **EXACT)


def test_stacking_and_unstacking_are_exact_and_leave_the_networks_alone(networks):
    networks = [network.float() for network in networks]
    before = [{k: v.clone() for k, v in n.state_dict().items()} for n in networks]
    stack = stack_networks(networks)
    stack.parameters.add_(0)
    for replica, network in enumerate(networks):
        for name, value in network.state_dict().items():
            assert torch.equal(value, before[replica][name])
        back = write_network(
            network.variant, stack.parameters[replica], stack.statistics[replica], steps=7
        )
        assert torch.equal(flatten_parameters(back), flatten_parameters(network))
        assert torch.equal(read_statistics(back), read_statistics(network))
        state = back.state_dict()
        assert state.keys() == network.state_dict().keys()
        counters = [v for name, v in state.items() if name.endswith("num_batches_tracked")]
        assert all(counter == 7 for counter in counters)


def test_an_unstacked_network_shares_no_memory_with_the_stack(networks):
    stack: NetworkStack = stack_networks(networks)
    kept = stack.parameters.clone(), stack.statistics.clone()
    back = write_network(networks[5].variant, stack.parameters[5], stack.statistics[5], 0)
    with torch.no_grad():
        for tensor in back.state_dict().values():
            tensor.zero_()
    assert torch.equal(stack.parameters, kept[0]) and torch.equal(stack.statistics, kept[1])
