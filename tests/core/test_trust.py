"""All tests of one map together, on trained networks."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from core.analysis.attribution import attribute
from core.analysis.baselines import make_baseline
from core.analysis.randomization import NUM_NETWORKS
from core.analysis.target import resolve_target
from core.analysis.trust import NETWORKS, examine_map
from core.data.datasets import DIGIT_NAMES, get_dataset
from core.errors import UsageError
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, read_run, run_path
from tests.fixtures_explain import digits_split, normalized_digit

pytestmark = pytest.mark.thorough

INDEX = 3
BLACK = make_baseline("black", get_dataset("digits"), Path())


def network_of(key: str, seed: int = 1):
    return load_network(read_run(run_path(SHIPPED_DIR, "digits", key, seed), SHIPPED_DIR))


def explained(key: str, method: str):
    """A network, the image, and its map of the predicted class less the runner-up."""
    network, image = network_of(key), torch.tensor(normalized_digit(INDEX))
    with torch.no_grad():
        logits = network(image[None])[0].numpy()
    true = int(digits_split().targets[INDEX])
    target = resolve_target("pred_minus_true", logits, true, DIGIT_NAMES)
    return network, image, attribute(network, image, method, target, BLACK)


@pytest.mark.parametrize("key", ["gn", "ln", "bn_l1"])
def test_integrated_gradients_depend_on_the_weights_and_curves_end_where_they_must(key):
    network, image, found = explained(key, "integrated_gradients")
    assert found.valid
    trust = examine_map(network, image, found, BLACK)
    assert trust.randomization.passed and trust.randomization.all_layers < 0.3
    assert trust.randomization.num_networks == NUM_NETWORKS
    assert 0 < trust.infidelity.unexplained < 1 and trust.max_sensitivity < 1
    first, last = trust.deletion.values[0], trust.deletion.values[-1]
    assert (first, last) == pytest.approx((found.output, found.output_baseline), abs=1e-4)
    assert trust.insertion.values[0] == pytest.approx(last, abs=1e-4)
    assert trust.insertion.values[-1] == pytest.approx(first, abs=1e-4)
    # What speaks for the output goes first in one curve and comes first in the other.
    assert trust.insertion.auc > trust.deletion.auc
    assert trust.seeds is None


def test_guided_backprop_outlives_deep_layers_that_the_gradient_does_not():
    """Adebayo and others' finding: it changes little until the first layers are random."""
    ends = {}
    for method in ("saliency", "guided_backprop"):
        network, image, found = explained("bn_l1", method)
        trust = examine_map(network, image, found, BLACK)
        ends[method] = trust.randomization.layers.index(trust.randomization.alike_until)
    assert ends["saliency"] <= 1 and ends["guided_backprop"] >= 4


def test_seeds_of_equal_networks_agree_wholly_and_others_do_not():
    network, image, found = explained("gn", "saliency")
    same = examine_map(network, image, found, BLACK, [network, network_of("gn")])
    assert (same.seeds.mean, same.seeds.num_maps) == (pytest.approx(1), 3)
    other = examine_map(network, image, found, BLACK, [network_of("gn", 2)])
    assert other.seeds.mean < 0.5 and other.seeds.num_pairs == 1


def test_a_seed_whose_map_is_not_valid_does_not_count():
    """DeepLIFT has a map for batch norm only."""
    network, image, found = explained("bn_l1", "deep_lift")
    assert found.valid
    others = [network_of("gn"), network_of("bn_l1", 2)]
    assert examine_map(network, image, found, BLACK, others).seeds.num_maps == 2
    assert examine_map(network, image, found, BLACK, others[:1]).seeds is None


def test_a_map_that_was_refused_cannot_be_tested():
    network, image, found = explained("gn", "deep_lift")
    with pytest.raises(UsageError, match="no map of gn by deep_lift"):
        examine_map(network, image, found, BLACK)


@pytest.mark.parametrize("method", ["layer_grad_cam", "noise_tunnel", "occlusion", "lrp"])
def test_repeatable_in_threads_and_nothing_is_changed(method):
    network, image, found = explained("bn_l1", method)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()
    alone = examine_map(network, image, found, BLACK)
    with ThreadPoolExecutor(2) as pool:
        beside = list(pool.map(lambda _: examine_map(network, image, found, BLACK), range(2)))
    assert beside == [alone, alone]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == np.random.get_state()[1].tolist()
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    assert not any(getattr(module, name) for module in network.modules() for name in hooks)


def test_document_and_frames_hold_the_figures():
    network, image, found = explained("gn", "saliency")
    trust = examine_map(network, image, found, BLACK, [network_of("gn", 2)])
    document = json.loads(json.dumps(trust.to_dict(), allow_nan=False))
    assert list(document) == [
        *("randomization", "infidelity", "max_sensitivity", "deletion", "insertion", "seeds")
    ]
    assert document["infidelity"]["value"] == trust.infidelity.value
    assert document["deletion"]["auc"] == trust.deletion.auc
    assert document["seeds"]["mean"] == trust.seeds.mean
    frame = trust.curves_frame()
    assert frame["kind"].unique().tolist() == ["deletion", "insertion"]
    assert tuple(frame["value"][frame["kind"] == "insertion"]) == trust.insertion.values
    assert document["randomization"]["layers"] == trust.randomization.frame()["layer"].tolist()


def test_slow_methods_get_fewer_random_networks(monkeypatch):
    assert NETWORKS == {"shapley_value_sampling": 2}
    monkeypatch.setitem(NETWORKS, "saliency", 3)
    network, image, found = explained("bn_l1", "saliency")
    assert examine_map(network, image, found, BLACK).randomization.num_networks == 3
