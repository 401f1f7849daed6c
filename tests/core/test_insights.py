"""Insights: what is measured, against the plain network; how it is kept, cut back and believed."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest
import torch

from core.config import MAX_EPOCHS, VARIANTS
from core.model.network import Network
from core.training.insights import (
    COLUMNS,
    CONV_LAYERS,
    EFFECTIVE_RATE,
    MAX_EPOCHS_KEPT,
    NEAR_ZERO,
    NORM_LAYERS,
    RUNNING,
    WEIGHT_LAYERS,
    cut_back,
    encode,
    is_kept,
    read_insights,
    read_records,
)
from core.training.measure import measure
from core.training.runs import INSIGHTS_FILE, read_run
from core.training.state import ReplicaState, new_state
from tests.fixtures_runs import write_run
from tests.training_helpers import assert_same_state, train_tiny

RATE = 0.01
LAST_DIGIT = 6e-4
"""Relative error of four significant digits, with some room."""
MAX_BYTES = 60_000


def trained_state(key: str) -> ReplicaState:
    """Random parameters and statistics, with running variances above 0."""
    state, generator = new_state(VARIANTS[key], 3), torch.Generator().manual_seed(0)
    state.parameters = torch.randn(state.parameters.shape, generator=generator)
    state.statistics = torch.randn(state.statistics.shape, generator=generator)
    state.statistics[1].abs_()
    state.epoch = 2
    return state


def plain_figures(network: Network) -> dict[tuple[str, str], tuple[float, ...]]:
    """(layer, quantity) → value, or mean, smallest and largest, from the modules' own tensors."""
    found: dict[tuple[str, str], tuple[float, ...]] = {}
    for layer in WEIGHT_LAYERS:
        weight = network.get_parameter(f"{layer}.weight").detach().flatten()
        limit = NEAR_ZERO * float(weight.square().mean()) ** 0.5
        small = sum(abs(value) <= limit for value in weight.tolist())
        found[layer, "weight_norm"] = (float(weight.norm()),)
        found[layer, "near_zero_percent"] = (100 * small / len(weight),)
        if layer in CONV_LAYERS:
            found[layer, EFFECTIVE_RATE] = (RATE / float(weight.norm()) ** 2,)
    for layer in NORM_LAYERS:
        module = network.get_submodule(layer)
        tensors = {"gamma": module.weight.detach(), "beta": module.bias.detach()}
        if network.variant.norm == "batch":
            tensors |= {"running_mean": module.running_mean, "running_variance": module.running_var}
        for quantity, tensor in tensors.items():
            mean = sum(tensor.tolist()) / len(tensor)
            found[layer, quantity] = (mean, float(tensor.min()), float(tensor.max()))
    return found


def write(path, *records: dict) -> pd.DataFrame:
    (path / INSIGHTS_FILE).write_text("".join(encode(record) + "\n" for record in records))
    return read_insights(path)


@pytest.mark.parametrize("key", ["bn_l1", "gn", "ln"])
def test_every_figure_is_that_of_the_plain_network(tmp_path, key):
    state = trained_state(key)
    expected = plain_figures(state.network(num_batches=1))
    frame = write(tmp_path, measure(state, RATE))
    assert tuple(frame) == COLUMNS and set(frame["epoch"]) == {2}
    rows = frame.set_index(["layer", "quantity"])[["value", "low", "high"]]
    found = {name: [x for x in row if not math.isnan(x)] for name, *row in rows.itertuples()}
    assert found.keys() == expected.keys()
    for name, figures in expected.items():
        assert found[name] == pytest.approx(figures, rel=LAST_DIGIT, abs=1e-6), name
    assert set(RUNNING) <= set(frame["quantity"]) if key == "bn_l1" else len(found) == 39


def test_measuring_changes_nothing():
    state = trained_state("bn_l1")
    measure(state, RATE)
    assert_same_state(state, trained_state("bn_l1"))


def test_zeros_are_near_zero_at_any_scale_of_the_layer(tmp_path):
    state = trained_state("gn")
    network = state.network(num_batches=1)
    with torch.no_grad():
        network.get_parameter("conv3.weight")[:6] = 0
        network.get_parameter("conv4.weight").zero_()
    for scale in (1.0, 1e-6):
        parameters = torch.nn.utils.parameters_to_vector(network.parameters()).detach()
        state.parameters = scale * parameters
        frame = write(tmp_path, measure(state, RATE))
        share = frame[frame["quantity"] == "near_zero_percent"].set_index("layer")["value"]
        assert 50 <= share["conv3"] < 52 and share["conv4"] == 100 and share["conv5"] < 3
        rate = frame[frame["quantity"] == EFFECTIVE_RATE].set_index("layer")["value"]
        assert math.isnan(rate["conv4"]) and rate["conv5"] > 0


def test_what_is_not_finite_is_no_reason_to_fail(tmp_path):
    state = trained_state("gn")
    state.parameters[0] = math.inf
    frame = write(tmp_path, measure(state, RATE)).set_index(["layer", "quantity"])["value"]
    assert math.isnan(frame["conv1", "weight_norm"]) and frame["conv2", "weight_norm"] > 0


@pytest.mark.parametrize("epochs", [1, 25, 40, 41, 79, 81, MAX_EPOCHS])
def test_a_long_training_keeps_few_epochs_and_the_last(epochs):
    kept = [epoch for epoch in range(1, epochs + 1) if is_kept(epoch, epochs)]
    assert kept[-1] == epochs and min(epochs, MAX_EPOCHS_KEPT // 2) <= len(kept) <= MAX_EPOCHS_KEPT
    assert epochs > MAX_EPOCHS_KEPT or len(kept) == epochs


def test_the_file_stays_small(tmp_path):
    """Also where every number is as long as one can be."""
    state = trained_state("bn_l1")
    state.parameters = -state.parameters.abs() * 1.234e-5
    state.statistics = -state.statistics.abs() * 1.234e-5
    records = [measure(state, 1e-05) | {"epoch": 900 + n} for n in range(MAX_EPOCHS_KEPT)]
    write(tmp_path, *records)
    assert len(read_records(tmp_path)) == MAX_EPOCHS_KEPT
    assert (tmp_path / INSIGHTS_FILE).stat().st_size < MAX_BYTES


# Lines


@pytest.fixture(scope="module")
def record() -> dict:
    return measure(trained_state("bn_l1"), RATE)


def test_torn_and_foreign_lines_are_skipped(tmp_path, record):
    good = encode(record)
    foreign = [
        *({"epoch": "2"}, {"epoch": True}, {"learning_rate": None, "weight_norm": [1]}),
        *({"gamma_min": [math.nan] * 7}, {"beta_max": "1" * 7}, {"running_mean_max": [1] * 6}),
    ]
    lines = [json.dumps(record | {"epoch": 5} | change) for change in foreign]
    torn = encode(record | {"epoch": 3})[:-9]
    (tmp_path / INSIGHTS_FILE).write_text("\n".join([*lines, "", "7", good, good, torn]))
    assert read_records(tmp_path) == [record]


def test_it_is_cut_back_to_what_a_resume_point_knows(tmp_path, record):
    lines = [record | {"epoch": epoch} for epoch in (1, 2, 3, 3)]
    write(tmp_path, *lines)
    with (tmp_path / INSIGHTS_FILE).open("a") as file:
        file.write(encode(lines[0])[:50])
    for epoch in (3, 2, 0):
        cut_back(tmp_path, epoch)
        assert read_records(tmp_path) == lines[:epoch]
        assert (tmp_path / INSIGHTS_FILE).read_text().count("\n") == epoch


def test_where_there_is_none_or_no_file_training_goes_on(tmp_path, record):
    cut_back(tmp_path, 3)
    assert list(tmp_path.iterdir()) == [] and read_insights(tmp_path).empty
    with (tmp_path / INSIGHTS_FILE).open("wb") as file:
        file.truncate(1 << 20)
    cut_back(tmp_path, 3)
    assert (tmp_path / INSIGHTS_FILE).read_bytes() == b""


# Runs


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Root and folder of a run of two epochs."""
    root = tmp_path_factory.mktemp("runs")
    return root, *train_tiny(root, ("bn_l1", 1, 2))


def test_a_run_keeps_its_insights_and_the_manifest_commits_them(trained):
    root, path = trained
    frame = read_insights(path)
    assert read_run(path, root).state == "done"
    assert sorted(set(frame["epoch"])) == [1, 2]
    rates = frame[frame["quantity"] == EFFECTIVE_RATE].groupby("epoch")["value"].mean()
    assert rates[1] > 5 * rates[2] > 0  # the learning rate fell to a tenth
    assert read_records(path)[0]["learning_rate"] == 0.01
    (path / INSIGHTS_FILE).rename(path / "aside")
    assert "insights.jsonl is missing" in read_run(path, root).reason
    (path / INSIGHTS_FILE).write_bytes((path / "aside").read_bytes() + b"\n")
    assert "insights.jsonl is not the file" in read_run(path, root).reason
    (path / "aside").replace(path / INSIGHTS_FILE)
    assert read_run(path, root).state == "done"


def test_an_older_run_is_whole_without_and_what_is_put_there_is_not_believed(tmp_path, record):
    path = write_run(tmp_path, "mnist", VARIANTS["gn"], 1)
    assert read_run(path, tmp_path).state == "done" and read_insights(path).empty
    assert write(path, record).empty
    assert read_run(path, tmp_path).state == "done"
    (path / "manifest.json").unlink()
    assert not read_insights(path).empty
