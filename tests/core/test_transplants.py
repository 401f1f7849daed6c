"""Transplants: the diagonal is the network itself, batch statistics are those counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from core.analysis import transplants
from core.analysis.transplant_matrix import (
    OTHER,
    REESTIMATED,
    TO_RIGHT,
    TO_WRONG,
    decode,
    flips,
    matrix_frame,
    matrix_table,
    norms_to_compute,
    read_answers,
)
from core.analysis.transplants import compute_transplants, estimate_statistics, transplant
from core.config import NORMS, VARIANTS
from core.data.datasets import data_dir, get_dataset, load_split
from core.model.network import build_network
from core.training.runs import SHIPPED_DIR, Predictions, read_run, run_path
from tests.explain_helpers import predictions, shipped

INFO = get_dataset("digits")


def images(split: str) -> np.ndarray:
    return load_split("digits", data_dir(), split).images


def inputs(num_images: int) -> torch.Tensor:
    return transplants.estimation_inputs(images("train")[:num_images], INFO)


def made_up(variant: str = "gn") -> Predictions:
    """Four images, the last two wrong."""
    logits = np.zeros((4, 10), np.float32)
    return Predictions(logits, np.array([0, 1, 2, 3]), np.array([0, 1, 5, 6]))


@pytest.mark.parametrize("key", ["gn", "ln"])
def test_a_network_under_its_own_normalization_is_unchanged(key):
    network, x = shipped(key), inputs(20)
    with torch.inference_mode():
        assert torch.equal(transplant(network, network.variant.norm, x)(x), network(x))


@pytest.mark.parametrize("key", ["gn", "ln", "bn_l1"])
@pytest.mark.parametrize("norm", NORMS)
def test_every_weight_moves_and_the_network_stays_as_it_was(key, norm):
    network = shipped(key)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    moved = transplant(network, norm, inputs(20))
    assert moved.variant.norm == norm and not moved.training
    assert all(torch.equal(p, before[name]) for name, p in moved.named_parameters())
    assert [name for name, _ in moved.named_children()] == [n for n, _ in network.named_children()]
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    assert network.variant.key == key and network.variant == VARIANTS[key]


def test_one_group_of_all_channels_is_what_layer_norm_computes():
    """A group-norm network under layer norm equals the layer-norm network with its weights."""
    network, x = shipped("gn"), inputs(20)
    host = build_network(VARIANTS["ln"], seed=0).eval()
    host.load_state_dict(network.state_dict())
    with torch.inference_mode():
        assert torch.equal(transplant(network, "layer", x)(x), host(x))


def tiny() -> nn.Sequential:
    """Two layers of one channel: ×2, batch norm, ×3, batch norm."""
    layers = [nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=1e-12)]
    layers += [nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=1e-12)]
    network = nn.Sequential(*layers).eval()
    with torch.no_grad():
        network[0].weight.fill_(2)
        network[2].weight.fill_(3)
    return network


def test_batch_statistics_are_those_counted_by_hand():
    """Batches {1, 3} and {2, 8}: doubled, their means are 4 and 10, unbiased variances 8 and 72.

    The second layer sees three times what is normalized, ±3 in both: mean 0, variance 18.
    """
    network = tiny()
    estimate_statistics(network, torch.tensor([1.0, 3, 2, 8]).view(4, 1, 1, 1), batch=2)
    first, second = network[1], network[3]
    assert (first.running_mean.item(), first.running_var.item()) == (7, 40)
    assert second.running_mean.item() == 0
    assert second.running_var.item() == pytest.approx(18, rel=1e-6)
    assert not network.training and first.momentum == 0.1


def test_one_batch_leaves_that_batchs_statistics_in_the_first_layer():
    network, x = shipped("ln"), inputs(50)
    moved = transplant(network, "batch", x)
    with torch.inference_mode():
        h = network.get_submodule("conv1")(x)
    assert torch.allclose(moved.norm1.running_mean, h.mean((0, 2, 3)), atol=1e-6)
    assert torch.allclose(moved.norm1.running_var, h.var((0, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize(("num_images", "used"), [(20, 20), (251, 250), (1437, 1250)])
def test_statistics_come_from_whole_batches(num_images, used):
    chosen = inputs(num_images)
    assert chosen.shape == (used, 1, 28, 28)
    assert torch.equal(chosen, inputs(num_images))


@pytest.fixture(scope="module")
def documents() -> dict[str, dict]:
    networks = {key: shipped(key) for key in ("gn", "bn_l1")}
    train, test = images("train")[:250], images("test")[:60]
    return compute_transplants(networks, train, test, INFO)


def test_a_document_holds_one_class_per_image_and_foreign_normalization(documents):
    assert list(documents["gn"]["predicted"]) == ["batch", "layer"]
    assert list(documents["bn_l1"]["predicted"]) == ["batch", "group", "layer"]
    assert documents["gn"]["num_estimation"] == 250
    host = transplant(shipped("gn"), "layer", inputs(1))
    pixels = (torch.tensor(images("test")[:60]) / 255 - INFO.mean) / INFO.std
    with torch.inference_mode():
        expected = host(pixels.unsqueeze(1)).argmax(1).numpy()
    assert np.array_equal(decode(documents["gn"]["predicted"]["layer"]), expected)


def test_progress_counts_transplants():
    seen: list[tuple[int, int]] = []
    networks = {"gn": shipped("gn")}
    some = images("train")[:20], images("test")[:5]
    compute_transplants(networks, *some, INFO, lambda *counts: seen.append(counts))
    assert seen == [(1, 2), (2, 2)]


def run(key: str):
    return read_run(run_path(SHIPPED_DIR, "digits", key, 1), SHIPPED_DIR)


@pytest.mark.parametrize("key", ["gn", "bn_l1"])
def test_the_diagonal_is_what_the_run_itself_says(key):
    own = predictions(key)
    texts = {norm: "7" * len(own.targets) for norm in NORMS}
    answers = read_answers(run(key), {"num_estimation": 4, "predicted": texts}, own)
    diagonal = VARIANTS[key].norm
    control = [REESTIMATED] if diagonal == "batch" else []
    assert answers is not None and list(answers) == [*NORMS, *control]
    for norm, classes in answers.items():
        assert np.array_equal(classes, own.predicted) == (norm == diagonal)
    cells = matrix_frame([(run(key), answers, own)]).set_index("norm")
    assert cells.loc[diagonal, "errors"] == run(key).final["errors"]
    assert cells.loc[diagonal, ["to_wrong", "to_right"]].sum() == 0
    assert cells["own"].sum() == 1 and cells.loc[diagonal, "own"]


@pytest.mark.parametrize(
    "document",
    [
        None,
        {},
        {"predicted": None},
        {"predicted": {"batch": "1" * 360}},
        {"predicted": {"batch": "1" * 359, "layer": "1" * 360}},
        {"predicted": {"batch": "1" * 360, "layer": ["1"] * 360}},
        {"predicted": {"batch": "1" * 360, "layer": "x" * 360}},
    ],
)
def test_a_document_that_does_not_fit_is_as_good_as_none(document):
    own = predictions("gn")
    counted = None if document is None else {"num_estimation": 4, **document}
    assert read_answers(run("gn"), counted, own) is None
    whole = {"predicted": {"batch": "1" * 360, "layer": "1" * 360}}
    assert read_answers(run("gn"), {"num_estimation": 4, **whole}, own) is not None
    assert read_answers(run("gn"), whole, own) is None


def test_flips_are_counted_by_kind():
    found = flips(made_up(), np.array([0, 7, 5, 4]))
    assert found["index"].to_list() == [1, 2, 3]
    assert found["kind"].to_list() == [TO_WRONG, TO_RIGHT, OTHER]
    assert found.loc[0, ["target", "before", "after"]].to_list() == [1, 1, 7]


def test_the_table_averages_seeds_and_one_seed_has_wilsons_interval():
    own = made_up()
    answers = {"batch": np.array([0, 7, 5, 4]), "group": own.predicted, "layer": own.targets}
    single = matrix_frame([(run("gn"), answers, own)])
    table = matrix_table(single).set_index("norm")
    assert table["accuracy_percent"].to_list() == [50, 50, 100]
    assert table.loc["layer", "high_percent"] == 100 and table.loc["layer", "low_percent"] < 60
    assert table.loc["batch", ["to_wrong", "to_right"]].to_list() == [1, 1]
    other = single.assign(seed=2, accuracy_percent=[52.0, 50, 100])
    both = pd.concat([single, other]).assign(num_images=100)
    means = matrix_table(both).set_index("norm")
    assert means.loc["batch", "accuracy_percent"] == 51 and means.loc["batch", "num_seeds"] == 2
    # Student's t of two values that differ by 2: 12.706 · √2 / √2.
    assert means.loc["batch", "low_percent"] == pytest.approx(51 - 12.7062, abs=1e-3)
    # Two that tie differ by less than an image of 100.
    half = 12.7062 / 24**0.5
    assert means.loc["group", "low_percent"] == pytest.approx(50 - half, abs=1e-3)
    bounds = means.loc["layer", ["low_percent", "high_percent"]].to_list()
    assert bounds == pytest.approx([100 - half, 100], abs=1e-3)


def test_batch_norm_alone_is_computed_under_its_own_normalization():
    assert norms_to_compute(VARIANTS["bn_l1"]) == [*NORMS]
    assert norms_to_compute(VARIANTS["ln"]) == ["batch", "group"]
