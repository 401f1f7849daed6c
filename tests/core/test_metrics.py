"""Metrics against values that can be computed by hand, tables and other libraries."""

import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn import metrics as reference

from core.analysis import metrics
from core.training.runs import Predictions

TARGETS = np.array([0, 0, 1, 1, 2, 2])
PREDICTED = np.array([0, 1, 1, 1, 0, 2])


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe 1998 (Statistics in Medicine 17, 857-872), Table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_table(successes, n, low, high):
    assert metrics.wilson_interval(n - successes, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("errors", [0, 1, 60, 5_000, 10_000])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.999])
def test_wilson_agrees_with_scipy(errors, confidence):
    test = stats.binomtest(10_000 - errors, 10_000)
    expected = test.proportion_ci(confidence, method="wilson")
    assert metrics.wilson_interval(errors, 10_000, confidence) == pytest.approx(tuple(expected))


def test_wilson_bounds():
    assert metrics.wilson_interval(0, 0) == (0, 1)
    assert metrics.wilson_interval(0, 10)[1] == 1.0
    assert metrics.wilson_interval(10, 10)[0] == pytest.approx(0, abs=1e-15)
    for errors, n in [(-1, 10), (11, 10)]:
        with pytest.raises(ValueError, match="0 to n"):
            metrics.wilson_interval(errors, n)


def test_mean_interval_by_hand():
    # Mean 2, sample deviation 1, t(0.975, 2) = 4.3027.
    mean, low, high = metrics.mean_interval([1.0, 2.0, 3.0])
    assert mean == 2
    assert (low, high) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)


def test_seeds_that_tie_have_the_interval_of_rounding():
    mean, low, high = metrics.mean_interval([97.5, 97.5], step=0.25)
    half = 12.7062 * 0.25 / 12**0.5 / 2**0.5  # t(0.975, 1) = 12.7062
    assert mean == 97.5 and (low, high) == pytest.approx((97.5 - half, 97.5 + half))
    assert metrics.mean_interval([1.0, 2.0, 3.0], step=1) == metrics.mean_interval([1.0, 2.0, 3.0])


def test_mean_of_one_value_has_no_interval():
    mean, low, high = metrics.mean_interval([99.4])
    assert mean == 99.4 and math.isnan(low) and math.isnan(high)
    with pytest.raises(ValueError, match="no value"):
        metrics.mean_interval([])


def test_softmax_by_hand():
    logits = np.log(np.array([[1.0, 2.0, 5.0]]))
    assert metrics.softmax(logits) == pytest.approx(np.array([[0.125, 0.25, 0.625]]))
    assert metrics.softmax(np.array([[1000.0, 0.0]])) == pytest.approx(np.array([[1.0, 0.0]]))


def test_cross_entropy_by_hand_and_by_torch():
    logits = np.log(np.array([[1.0, 3.0], [1.0, 1.0]]))
    expected = (math.log(4 / 3) + math.log(2)) / 2
    assert metrics.cross_entropy(logits, np.array([1, 0])) == pytest.approx(expected)
    logits = np.random.default_rng(0).normal(size=(50, 10)).astype(np.float32) * 20
    targets = np.arange(50) % 10
    loss = torch.nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(targets))
    assert metrics.cross_entropy(logits, targets) == pytest.approx(loss.item(), rel=1e-5)


def test_score_by_hand():
    logits = np.array([[0.0, 0.0, 9.0], [9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [9.0, 0.0, 0.0]])
    result = metrics.score(logits, np.array([2, 0, 1, 1]))
    assert (result["num_images"], result["errors"], result["accuracy_percent"]) == (4, 1, 75)
    rest = math.log(1 + 2 * math.exp(-9))
    assert result["cross_entropy"] == pytest.approx(rest + 9 / 4)


def test_confusion_matrix_by_hand():
    matrix = metrics.confusion_matrix(TARGETS, PREDICTED, 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]
    assert matrix.tolist() == reference.confusion_matrix(TARGETS, PREDICTED).tolist()


def test_per_class_accuracy_by_hand():
    frame = metrics.per_class_accuracy(TARGETS, PREDICTED, 4)
    assert frame["class"].tolist() == [0, 1, 2, 3]
    assert frame["num_images"].tolist() == [2, 2, 2, 0]
    assert frame["errors"].tolist() == [1, 0, 1, 0]
    assert frame["accuracy_percent"].tolist()[:3] == [50, 100, 50]
    assert math.isnan(frame["accuracy_percent"][3])
    expected = [100 * bound for bound in metrics.wilson_interval(1, 2)]
    assert frame.loc[0, ["low_percent", "high_percent"]].tolist() == pytest.approx(expected)
    assert frame.loc[3, ["low_percent", "high_percent"]].tolist() == [0, 100]


@pytest.fixture
def predictions():
    """Four images, three classes; images 1 and 3 fail, 3 on a tie in the stored logits."""
    logits = np.log(np.array([[8, 1, 1], [2, 5, 1], [1, 1, 8], [4, 4, 2]], np.float32))
    return Predictions(logits, np.array([0, 1, 2, 1]), np.array([0, 0, 2, 0]))


def test_failures_of_hand_made_logits(predictions):
    frame = metrics.failures(predictions)
    assert frame["index"].tolist() == [1, 3]
    assert frame["target"].tolist() == [0, 0]
    assert frame["predicted"].tolist() == [1, 1]
    assert frame["probability"].tolist() == pytest.approx([5 / 8, 0.4])
    assert frame["target_probability"].tolist() == pytest.approx([2 / 8, 0.4])
    assert frame["margin"].tolist() == pytest.approx([math.log(2.5), 0], abs=1e-6)


def test_probabilities_of_chosen_images(predictions):
    rows = metrics.probabilities(predictions, np.array([3, 0]))
    assert rows == pytest.approx(np.array([[0.4, 0.4, 0.2], [0.8, 0.1, 0.1]]))


def test_no_failures_give_an_empty_table():
    perfect = Predictions(np.eye(3, dtype=np.float32), np.arange(3), np.arange(3))
    frame = metrics.failures(perfect)
    assert len(frame) == 0
    assert list(frame) == [
        "index", "target", "predicted", "probability", "target_probability", "margin",
    ]  # fmt: skip


def test_overlap_by_hand():
    sets = {"gn": {1, 2, 3}, "ln": np.array([2, 3, 4, 5]), "bn": []}
    frame = metrics.failure_overlap(sets).set_index(["row", "column"])
    assert len(frame) == 9
    assert frame.loc[("gn", "ln")].tolist() == frame.loc[("ln", "gn")].tolist() == [2, 5, 0.4]
    assert frame.loc[("gn", "gn")].tolist() == [3, 3, 1]
    assert frame.loc[("gn", "bn")].tolist() == [0, 3, 0]
    assert math.isnan(frame.loc[("bn", "bn"), "jaccard"])


def test_first_page_modules_do_not_import_torch_or_scipy_stats():
    code = (
        "import sys, core.analysis.metrics, core.analysis.significance, core.published;"
        "print({'torch', 'scipy.stats'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_class_accuracy_over_seeds_has_the_interval_of_its_mean():
    seeds = [
        metrics.per_class_accuracy(np.zeros(10, int), (np.arange(10) < wrong).astype(int), 2)
        for wrong in (1, 3)
    ]
    single = pd.concat([frame.assign(seed=seed) for seed, frame in enumerate(seeds)])
    row = metrics.mean_class_accuracy(single).iloc[0]
    assert (row["errors"], row["num_images"]) == (2, 10)
    assert row["accuracy_percent"] == pytest.approx(80)
    # 90 and 70: standard error 10, and t = 12.706 for one degree of freedom.
    assert (row["low_percent"], row["high_percent"]) == (0, 100)
