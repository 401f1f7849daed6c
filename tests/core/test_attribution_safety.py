"""Nothing that is explained is changed: networks, tensors, random generators, other threads."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch
from torch import nn

from core.analysis import attribution, raw_attributions
from core.analysis.attribution import AttributionMap, attribute, attribute_all
from core.analysis.methods import METHODS
from core.config import VARIANTS
from core.model.inference import predict_logits
from core.model.network import Network
from tests.explain_helpers import baseline, cases, image, shipped, target

pytestmark = pytest.mark.thorough

HOOK_TABLES = [name for name in vars(nn.Module()) if "hooks" in name]


def explain(variant: str, method: str, index: int = 3) -> AttributionMap:
    about = (target(variant, index), baseline())
    return attribute(shipped(variant), image(index), method, *about)


def traces(network: nn.Module) -> list:
    """All that a method could leave on a module: hooks, attributes, modes, gradients, weights."""
    return [
        (
            name,
            sorted(vars(module)),
            [len(getattr(module, table)) for table in HOOK_TABLES],
            module.training,
            [(p.requires_grad, p.grad, p.tolist()) for p in module.parameters(recurse=False)],
            [buffer.tolist() for buffer in module.buffers(recurse=False)],
        )
        for name, module in network.named_modules()
    ]


def test_a_hook_or_an_attribute_would_be_noticed():
    assert {"_forward_hooks", "_forward_pre_hooks", "_backward_hooks"} <= set(HOOK_TABLES)
    network = nn.Sequential(nn.ReLU(), nn.Linear(1, 1))
    before = traces(network)
    assert traces(network) == before
    handle = network[0].register_forward_pre_hook(lambda *_: None)
    assert traces(network) != before
    handle.remove()
    network[0].rule = None
    assert traces(network) != before
    del network[0].rule
    assert traces(network) == before
    nn.init.zeros_(network[1].weight)
    assert traces(network) != before


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("variant", ["gn", "bn_l1"])
def test_the_network_and_the_image_are_left_as_they_were(variant, method):
    network, x, black = shipped(variant), image(3), baseline()
    before, pixels, base = traces(network), x.clone(), black.image.copy()
    attribute(network, x, method, target(variant, 3), black)
    assert traces(network) == before
    assert torch.equal(x, pixels) and not x.requires_grad and x.grad_fn is None
    assert not x._backward_hooks and np.array_equal(black.image, base)


BREAKABLE = [
    key for key in METHODS if key not in ("occlusion", "feature_ablation", "shapley_value_sampling")
]
"""Those that use gradients, and so may have hooks set when one fails."""


@pytest.mark.parametrize("method", BREAKABLE)
def test_also_after_an_exception_in_the_middle(method, monkeypatch):
    expected = explain("bn_l1", method).attributions
    before = traces(shipped("bn_l1"))

    def fail(*_: object, **__: object) -> None:
        raise MemoryError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(torch.autograd, "grad", fail)
        with pytest.raises(MemoryError, match="in the middle"):
            explain("bn_l1", method)
    assert traces(shipped("bn_l1")) == before
    np.testing.assert_array_equal(explain("bn_l1", method).attributions, expected)


def random_states() -> list:
    return [
        repr(random.getstate()),
        repr(np.random.get_state()),
        torch.get_rng_state().tolist(),
    ]


@pytest.mark.parametrize("method", METHODS)
def test_the_global_random_generators_are_left_as_they_were(method):
    before = random_states()
    explain("bn_l1", method)
    assert random_states() == before


def test_also_when_several_networks_are_explained_beside_each_other():
    before = random_states()
    networks = {variant: shipped(variant) for variant in VARIANTS}
    targets = {variant: target(variant, 3) for variant in VARIANTS}
    attribute_all(networks, image(3), "noise_tunnel", targets, baseline())
    assert random_states() == before


@pytest.mark.parametrize("method", [key for key, m in METHODS.items() if m.stochastic])
def test_the_global_random_generators_do_not_matter(method):
    first = explain("ln", method)
    torch.manual_seed(99)
    np.random.seed(99)
    np.testing.assert_array_equal(explain("ln", method).attributions, first.attributions)


def test_a_map_does_not_depend_on_what_was_explained_before():
    alone = explain("bn_l1", "saliency").attributions
    for method in METHODS:
        explain("bn_l1", method)
    np.testing.assert_array_equal(explain("bn_l1", "saliency").attributions, alone)


def logits(network: Network) -> np.ndarray:
    pixels = torch.arange(20 * 784).remainder(251).to(torch.uint8).view(20, 28, 28)
    return predict_logits(network, pixels, 0.1307, 0.3081).numpy()


@pytest.mark.thorough
def test_eight_threads_explaining_and_predicting_at_once_say_what_one_says(monkeypatch):
    """On networks that they share; all start together, each with its methods in another order."""
    monkeypatch.setattr(attribution, "MAX_STEPS", 128)  # for the sake of time
    monkeypatch.setattr(raw_attributions, "NUM_ORDERS", 4)
    variants, index = ("bn_l1", "gn"), cases("gn")[-1]

    def work(thread: int, wait: Callable[[], object]) -> dict[tuple[str, str], np.ndarray]:
        wait()
        found = {}
        order = [*METHODS, "predict"]
        for method in order[thread:] + order[:thread]:
            for variant in variants:
                if method == "predict":
                    found[variant, method] = logits(shipped(variant))
                else:
                    one = explain(variant, method, index)
                    found[variant, method] = np.array(one.attributions, float)
        return found

    expected = work(0, lambda: None)
    assert len(expected) == len(variants) * (len(METHODS) + 1)
    together = Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda thread: work(thread, together.wait), range(8)))
    for found in results:
        for key, value in expected.items():
            np.testing.assert_array_equal(found[key], value, err_msg=str(key))
