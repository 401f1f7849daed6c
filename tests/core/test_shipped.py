"""The runs that NormLab comes with: complete, intact, and what they say is what they do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from core.analysis.derived import read_derived
from core.analysis.evaluate import evaluate_logits
from core.analysis.metrics import score
from core.config import VARIANTS, Recipe
from core.data.datasets import get_dataset, load_split
from core.training.checkpoint import load_network
from core.training.insights import NORM_LAYERS, WEIGHT_LAYERS, read_records
from core.training.runs import (
    COMMITTED_FILES,
    METRIC_COLUMNS,
    OPTIONAL_FILES,
    Run,
    list_runs,
    read_metrics,
    read_predictions,
)

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints"
"""Not `SHIPPED_DIR`, which an environment variable can point elsewhere."""

DATASETS = ("mnist", "digits")
MAX_BYTES = 20 * 10**6
PUBLISHED_RANGE = (99.2, 99.6)
"""Where every MNIST run ends, in percent; the published ones do."""

RUNS = {run.name: run for run in list_runs(SHIPPED)}


@pytest.fixture(params=RUNS)
def run(request) -> Run:
    return RUNS[request.param]


@pytest.mark.parametrize("dataset", DATASETS)
def test_all_six_variants_are_shipped_with_the_same_seeds(dataset):
    seeds = {
        key: sorted(run.seed for run in RUNS.values() if run.name.startswith(f"{dataset}/{key}/"))
        for key in VARIANTS
    }
    assert 1 in seeds["gn"]
    assert all(found == seeds["gn"] for found in seeds.values()), seeds


def test_nothing_else_is_shipped_and_it_is_small():
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    committed = dict.fromkeys((*COMMITTED_FILES, "manifest.json"), len(RUNS))
    names = Counter(path.name for path in files if path.name in committed)
    assert names == committed
    runs = {run.path: run for run in RUNS.values()}
    for path in (path for path in files if path.name not in (*committed, *OPTIONAL_FILES)):
        # What was computed from the runs belongs to these very weights.
        assert path.suffix == ".json" and read_derived(runs[path.parent], path.stem), path
    assert {run.dataset for run in RUNS.values()} == set(DATASETS)
    assert sum(path.stat().st_size for path in files) < MAX_BYTES


def test_it_was_trained_by_the_published_recipe_to_the_end(run):
    assert (run.state, run.reason) == ("done", None)
    assert run.variant == VARIANTS[run.variant.key]
    assert Recipe(**run.info["recipe"]) == Recipe()
    assert run.info["trainable_parameters"] == 7_946
    metrics = read_metrics(run.path)
    assert [record["epoch"] for record in metrics] == list(range(1, run.variant.epochs + 1))
    assert all(tuple(record) == METRIC_COLUMNS for record in metrics)
    rates = [record["learning_rate"] for record in metrics]
    assert rates == pytest.approx([Recipe().learning_rate_at(e) for e in range(1, len(rates) + 1)])
    assert all((record["penalty"] > 0) == (run.variant.l1_weight > 0) for record in metrics)
    assert run.final["train_seconds"] == pytest.approx(sum(r["seconds"] for r in metrics))


def test_its_network_loads_and_its_figures_agree_with_one_another(run):
    assert load_network(run).variant == run.variant
    info, final, last = get_dataset(run.dataset), run.final, read_metrics(run.path)[-1]
    predictions = read_predictions(run.path)
    wrong = (predictions.predicted != predictions.targets).sum()
    assert final["num_images"] == len(predictions.targets) == info.num_test
    assert final["errors"] == wrong
    assert final["test_accuracy_percent"] == pytest.approx(100 * (1 - wrong / info.num_test))
    # The last epoch was evaluated on the training device, the final figures on the CPU.
    tolerance = 100 * 2 / info.num_test
    assert last["test_accuracy_percent"] == pytest.approx(
        final["test_accuracy_percent"], abs=tolerance
    )
    assert last["test_loss"] == pytest.approx(final["test_loss"], abs=1e-4)


def test_the_insights_end_at_the_very_weights(run):
    records = read_records(run.path)
    assert [record["epoch"] for record in records] == list(range(1, run.epochs + 1))
    network = load_network(run)
    weights = [network.get_submodule(name).weight.detach().numpy() for name in WEIGHT_LAYERS]
    norms = [float(np.linalg.norm(weight)) for weight in weights]
    assert records[-1]["weight_norm"] == pytest.approx(norms, rel=1e-3)
    largest = [float(network.get_submodule(name).weight.detach().max()) for name in NORM_LAYERS]
    assert records[-1]["gamma_max"] == pytest.approx(largest, rel=1e-3)


def test_runs_of_one_seed_started_alike_and_differ_now():
    for dataset in DATASETS:
        seeds = [run for run in RUNS.values() if run.dataset == dataset and run.seed == 1]
        assert len({run.digest for run in seeds}) == len(VARIANTS)
        losses = {read_metrics(run.path)[0]["train_cross_entropy"] for run in seeds}
        assert len(losses) == len(VARIANTS)


def reevaluate(run: Run, root: Path) -> dict:
    """The score of the shipped network on its test set, after comparing stored logits."""
    info = get_dataset(run.dataset)
    images, targets = load_split(run.dataset, root, "test")
    logits = evaluate_logits(load_network(run), images, info)
    stored = read_predictions(run.path)
    assert np.array_equal(stored.targets, targets)
    # Half precision keeps eleven bits.
    assert stored.logits == pytest.approx(logits, rel=1e-3, abs=2e-3)
    assert (stored.predicted != logits.argmax(1)).sum() <= 1
    return score(logits, targets)


def assert_as_stored(run: Run, found: dict) -> None:
    assert found["errors"] == run.final["errors"]
    assert found["num_images"] == run.final["num_images"]
    assert found["cross_entropy"] == pytest.approx(run.final["test_loss"], abs=1e-4)


def outer_seeds(dataset: str) -> list[Run]:
    """The first and the last seed of each variant; the probe batch has tried all of them."""
    runs = [run for run in RUNS.values() if run.dataset == dataset]
    assert len(runs) >= len(VARIANTS)
    seeds = [run.seed for run in runs]
    return [run for run in runs if run.seed in (min(seeds), max(seeds))]


def test_digits_are_classified_as_stored(tmp_path):
    for run in outer_seeds("digits"):
        assert_as_stored(run, reevaluate(run, tmp_path))


def test_mnist_is_classified_as_stored(mnist_root):
    for run in outer_seeds("mnist"):
        assert_as_stored(run, reevaluate(run, mnist_root))


def test_mnist_is_classified_about_as_well_as_published():
    low, high = PUBLISHED_RANGE
    accuracy = {
        name: run.final["test_accuracy_percent"]
        for name, run in RUNS.items()
        if run.dataset == "mnist"
    }
    assert accuracy
    assert all(low <= percent <= high for percent in accuracy.values()), accuracy
