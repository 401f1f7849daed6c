"""Networks on corrupted images: the same as by hand, computed once, kept beside the run."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch

from core.analysis import derived, robustness
from core.analysis.evaluate import evaluate_logits
from core.analysis.metrics import score
from core.analysis.robustness import (
    COLUMNS,
    Outcome,
    corrupted_logits,
    curve_cells,
    curves_frame,
    evaluate_corruptions,
    missing,
    reported_severity,
    severities,
    stored,
    table_cells,
)
from core.data.corruptions import CORRUPTIONS, corrupt, to_inputs
from core.data.datasets import get_dataset
from core.errors import RunError
from core.model.network import Network
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, Run, read_run
from tests.explain_helpers import shipped
from tests.fixtures_explain import digits_split
from tests.fixtures_runs import copy_shipped

INFO = get_dataset("digits")
CELLS = [("gaussian_noise", 0.3), ("contrast", 0.25), ("contrast", 0.5)]


@pytest.fixture
def runs(tmp_path) -> list[Run]:
    return copy_shipped(tmp_path, "digits/gn/seed-1", "digits/bn_l1/seed-2")


def compute(runs: list[Run], cells=CELLS, **options) -> bool:
    split = digits_split()
    return evaluate_corruptions(missing(runs, cells), split.images, split.targets, INFO, **options)


@pytest.fixture
def asked(monkeypatch) -> list[tuple[int, str, float]]:
    """What networks are asked: how many of them, the corruption, the severity."""
    calls: list[tuple[int, str, float]] = []

    def spy(networks, images, key, severity, info):
        calls.append((len(networks), key, severity))
        return corrupted_logits(networks, images, key, severity, info)

    monkeypatch.setattr(robustness, "corrupted_logits", spy)
    return calls


def test_logits_are_those_of_one_network_and_one_batch(monkeypatch):
    """Neither other networks nor the chunks of images may matter, nor the noise in them."""
    images = digits_split().images[:50]
    networks = [shipped("gn"), shipped("bn_l1")]
    for key, severity in CELLS[:2]:
        pixels = corrupt(torch.tensor(images), key, severity, mean=INFO.mean)
        with torch.inference_mode():
            whole = [net(to_inputs(pixels, INFO.mean, INFO.std)).numpy() for net in networks]
        monkeypatch.setattr(robustness, "CHUNK_SIZE", 7)
        monkeypatch.setattr(robustness, "BATCH_SIZE", 3)
        found = corrupted_logits(networks, images, key, severity, INFO)
        assert found.shape == (2, 50, 10) and found.dtype == np.float32
        assert found == pytest.approx(np.array(whole), abs=1e-4)
        alone = corrupted_logits(networks[1:], images, key, severity, INFO)
        assert alone == pytest.approx(found[1:], abs=1e-4)


def test_the_neutral_severity_is_the_clean_test_set():
    images = digits_split().images[:50]
    found = corrupted_logits([shipped("ln")], images, "rotation", 0, INFO)[0]
    assert found == pytest.approx(evaluate_logits(shipped("ln"), images, INFO), abs=1e-4)


def test_networks_are_only_read():
    network = shipped("bn_l1")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    corrupted_logits([network], digits_split().images[:20], "brightness", 0.5, INFO)
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_was_computed_is_kept_and_not_computed_again(runs, asked):
    assert compute(runs)
    assert asked == [(2, *cell) for cell in CELLS]
    assert missing(runs, CELLS) == {}
    for run in runs:
        for key, severity in CELLS:
            logits = corrupted_logits(
                [load_network(run)], digits_split().images, key, severity, INFO
            )
            by_hand = score(logits[0], digits_split().targets)
            outcome = stored(run)[key][severity]
            assert outcome.errors == by_hand["errors"]
            assert outcome.cross_entropy == pytest.approx(by_hand["cross_entropy"], abs=1e-5)
    assert (runs[0].path / "robustness.json").stat().st_size < 40_000


def test_only_what_is_missing_is_computed(runs, asked):
    compute(runs[:1], CELLS[:2])
    asked.clear()
    assert {cell: len(lacking) for cell, lacking in missing(runs, CELLS).items()} == dict(
        zip(CELLS, (1, 1, 2), strict=True)
    )
    progress = []
    compute(runs, on_progress=lambda *of: progress.append(of))
    assert asked == [(1, *CELLS[0]), (1, *CELLS[1]), (2, *CELLS[2])]
    assert progress == [(0, 4), (1, 4), (2, 4), (4, 4)]


def test_an_interruption_costs_one_corruption(runs):
    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compute(runs, on_progress=stop)
    assert stored(runs[0]).keys() == {"gaussian_noise"}
    compute(runs)
    assert missing(runs, CELLS) == {}


def test_a_folder_that_cannot_be_written_is_no_failure(runs, monkeypatch):
    def refuse(*args: object) -> None:
        raise RunError("Cannot write")

    monkeypatch.setattr(derived, "write_atomic", refuse)
    monkeypatch.setattr(derived, "_unwritten", {})
    assert compute(runs, CELLS[:1]) is False
    assert missing(runs, CELLS[:1]) == {}
    assert not (runs[0].path / "robustness.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"num_images": 359},
        {"noise_seed": 1},
        {"corruptions": []},
        {"corruptions": {"contrast": {"severity": [0.5], "errors": [1]}}},
        {"corruptions": {"contrast": {"severity": [0.5], "errors": [], "cross_entropy": [1]}}},
        {"corruptions": {"contrast": {"severity": ["x"], "errors": [1], "cross_entropy": [1]}}},
        {"corruptions": {"contrast": None}},
    ],
)
def test_a_document_that_does_not_fit_counts_as_none(runs, change):
    compute(runs[:1], CELLS[1:2])
    path = runs[0].path / "robustness.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    assert stored(runs[0]) == {}


def test_corruptions_that_are_gone_are_left_out(runs):
    compute(runs[:1], CELLS[1:2])
    path = runs[0].path / "robustness.json"
    document = json.loads(path.read_bytes())
    document["corruptions"]["gone"] = document["corruptions"]["contrast"]
    path.write_text(json.dumps(document))
    assert stored(runs[0]).keys() == {"contrast"}


def test_curves_hold_every_outcome_and_the_end_of_training_at_neutral(runs):
    compute(runs)
    frame = curves_frame(runs, ["contrast"])
    assert tuple(frame.columns) == COLUMNS
    assert frame[["severity", "variant", "seed"]].to_numpy().tolist() == [
        *([severity, "gn", 1] for severity in (0.25, 0.5, 1.0)),
        *([severity, "bn_l1", 2] for severity in (0.25, 0.5, 1.0)),
    ]
    clean = frame[frame["severity"] == 1].iloc[1]
    assert (clean["errors"], clean["cross_entropy"]) == (
        runs[1].final["errors"],
        runs[1].final["test_loss"],
    )
    first = frame.iloc[0]
    assert Outcome(first["errors"], first["cross_entropy"]) == stored(runs[0])["contrast"][0.25]
    assert first["accuracy_percent"] == pytest.approx(100 - first["errors"] / 3.6)
    assert curves_frame(runs, []).empty and list(curves_frame([]).columns) == list(COLUMNS)


@pytest.mark.parametrize("kind", CORRUPTIONS.values(), ids=CORRUPTIONS)
def test_every_corruption_has_one_reported_severity_on_its_curve(kind):
    reported = reported_severity(kind.key)
    kind.check(reported)
    assert reported != kind.neutral and reported in severities(kind.key)
    assert kind.neutral not in severities(kind.key)
    assert list(severities(kind.key)) == sorted(set(severities(kind.key)))
    assert len(curve_cells([kind.key])) == len(severities(kind.key)) >= len(kind.grid) - 1
    assert (kind.key, reported) in table_cells() and len(table_cells()) == len(CORRUPTIONS)


def errors_about_grey(network: Network) -> list[int]:
    """Errors on the test digits at five severities of contrast about grey, from 0.1 to 4."""
    split = digits_split()
    found = []
    for severity in (0.1, 0.25, 0.5, 2.0, 4.0):
        logits = corrupted_logits([network], split.images, "contrast_grey", severity, INFO)[0]
        found.append(int((logits.argmax(1) != split.targets).sum()))
    return found


@pytest.mark.parametrize("variant", ["gn", "ln", "gn_l1", "ln_l2"])
def test_group_and_layer_norm_do_not_see_contrast_about_grey(variant):
    """But for ε, no longer small beside the variance of faint images: it may tip one of 360."""
    run = read_run(SHIPPED_DIR / f"digits/{variant}/seed-1", SHIPPED_DIR)
    clean = run.final["errors"]
    assert all(abs(found - clean) <= 1 for found in errors_about_grey(shipped(variant)))
    exact = copy.deepcopy(shipped(variant))
    for module in exact.modules():
        if isinstance(module, torch.nn.GroupNorm):
            module.eps = 1e-12
    without = errors_about_grey(exact)
    assert without == [without[-1]] * 5


def test_batch_norm_does():
    assert len(set(errors_about_grey(shipped("bn_l1")))) == 5
