"""The regression finds what was planted and nothing else, or says why it cannot tell."""

import numpy as np
import pandas as pd
import pytest

from core.analysis.clustered import logistic_slopes, mean_differences
from core.analysis.failure_causes import ALL, failure_causes, within_class
from core.config import VARIANTS
from core.errors import UsageError
from core.training.runs import Predictions

NORMS = {key: variant.norm for key, variant in VARIANTS.items()}
NAMES = list("abcdef")


def simulate(
    seed: int, *, planted: float = 0.0, shared: float = 0.0, runs: int = 3, num_images: int = 1500
) -> tuple[dict[str, list[Predictions]], pd.DataFrame]:
    """Failures that `shared` makes depend on "a" everywhere, and `planted` on "c" for group norm.

    Images differ in difficulty and runs in their slopes, as real ones do; "a" and "b" correlate.
    """
    random = np.random.default_rng(seed)
    x = random.normal(size=(num_images, len(NAMES)))
    x[:, 1] = 0.8 * x[:, 0] + 0.6 * x[:, 1]
    targets = np.arange(num_images) % 10
    hard = random.normal(size=num_images) - 4
    found: dict[str, list[Predictions]] = {}
    for key, norm in NORMS.items():
        for _ in range(runs):
            slopes = random.normal(size=len(NAMES)) * 0.15 * (runs > 1)
            slopes[0] += shared
            slopes[2] += planted * (norm == "group")
            fails = random.random(num_images) < 1 / (1 + np.exp(-hard - x @ slopes))
            predicted = np.where(fails, (targets + 1) % 10, targets)
            found.setdefault(key, []).append(Predictions(np.zeros((1, 10)), predicted, targets))
    return found, pd.DataFrame(x, columns=NAMES)


def causes(seed: int, **options: float):
    predictions, properties = simulate(seed, **options)  # type: ignore[arg-type]
    return failure_causes(predictions, NORMS, properties)


@pytest.mark.parametrize("runs", [1, 3])
def test_a_planted_interaction_is_named_with_its_sign_and_no_other(runs):
    found = causes(1, planted=-1.2, shared=0.8, runs=runs, num_images=3000)
    named = set(zip(found.named["norm"], found.named["property"], strict=True))
    assert ("group", "c") in named
    assert {name for _, name in named} == {"c"}
    effect = found.named.set_index("norm").loc["group", "effect"]
    # Two thirds of it: the mean over the normalizations contains group norm itself.
    assert effect == pytest.approx(-1.2 * 2 / 3, abs=0.3)


def test_what_holds_for_all_is_shared_and_sets_none_apart():
    found = causes(2, shared=0.8, num_images=3000)
    assert list(found.shared["property"]) == ["a"] and found.named.empty
    assert found.shared["effect"].item() == pytest.approx(0.8, abs=0.3)


@pytest.mark.parametrize("runs", [1, 4])
def test_nothing_is_named_where_nothing_was_planted(runs):
    """Jointly at 95 %, of 16 data sets five or more with any name have a chance of 1 in 1,000."""
    named = [not causes(100 + seed, shared=0.5, runs=runs).named.empty for seed in range(16)]
    assert sum(named) < 5


def test_intervals_hold_jointly_and_cover_what_is_true():
    covered = []
    for seed in range(12):
        rows = causes(200 + seed, shared=0.6).causes.set_index(["norm", "property"])
        truth = rows["effect"] * 0
        truth[(ALL, "a")] = 0.6
        covered.append(((rows["low"] <= truth) & (truth <= rows["high"])).all())
    assert sum(covered) >= 8


def test_the_covariance_by_image_is_that_of_one_regression_with_interactions():
    """Against statsmodels on the stacked data, with errors clustered by image."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    predictions, properties = simulate(3, runs=2, num_images=800)
    z = properties[["a", "c"]].to_numpy()
    wrong = {
        key: np.stack([p.predicted != p.targets for p in predictions[key]]) for key in ("gn", "ln")
    }
    ours = logistic_slopes(wrong, z)
    design = np.column_stack([np.ones(len(z)), z])
    stacked = np.kron(np.eye(2), np.vstack([design] * 2))
    images = np.tile(np.arange(len(z)), 4)
    outcome = np.concatenate([rows.ravel() for rows in wrong.values()]).astype(float)
    theirs = GLM(outcome, stacked, Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": images, "use_correction": False}
    )
    slopes = [1, 2, 4, 5]
    assert ours.values.ravel() == pytest.approx(theirs.params[slopes], rel=1e-5)
    scale = len(z) / (len(z) - 1)
    covariance = theirs.cov_params()[np.ix_(slopes, slopes)] * scale
    assert ours.by_image == pytest.approx(covariance, rel=1e-4, abs=1e-9)


def test_a_difference_of_means_by_hand():
    z = np.array([[1.0], [2.0], [3.0], [6.0]])
    wrong = np.array([[False, False, False, True], [False, True, False, True]])
    found = mean_differences({"gn": wrong}, z)
    assert found.values.item() == pytest.approx((6 + 2 + 6) / 3 - (1 + 2 + 3 + 1 + 3) / 5)


def test_runs_that_differ_widen_the_intervals():
    predictions, properties = simulate(4, runs=4)
    z = properties.to_numpy()
    wrong = {k: np.stack([p.predicted != p.targets for p in v]) for k, v in predictions.items()}
    one = np.zeros((6, 6))
    one[0, 0] = 1
    found = mean_differences(wrong, z)
    alike = mean_differences({k: rows[:1] for k, rows in wrong.items()}, z)
    assert found.two_way is not None and alike.two_way is None
    value, low, high = found.interval(one, 0.05)
    assert low < value < high
    by_image = float(one.ravel() @ found.by_image @ one.ravel())
    assert high - low >= 2 * 1.95 * by_image**0.5


def test_classes_are_no_cause():
    """A class that fails more and looks different explains nothing within classes."""
    properties = pd.DataFrame({"a": [1.0, 3.0, 11.0, 13.0], "b": [5.0, 5.0, 5.0, 5.0]})
    z = within_class(properties, np.array([0, 0, 1, 1]))
    assert z.tolist() == [[-1, 0], [1, 0], [-1, 0], [1, 0]]


def test_too_few_failures_are_refused_with_the_reason():
    predictions, properties = simulate(5)
    run = predictions["ln"][0]
    predictions["ln"] = [Predictions(run.logits, run.targets.copy(), run.targets)]
    with pytest.raises(
        UsageError, match=r"Too few failures: Layer norm fails on 0 images.*need 30"
    ):
        failure_causes(predictions, NORMS, properties)


def test_one_normalization_cannot_be_set_apart():
    predictions, properties = simulate(6)
    with pytest.raises(UsageError, match="at least two"):
        failure_causes({"gn": predictions["gn"]}, NORMS, properties)


def test_exact_separation_is_said_and_gives_no_figures():
    predictions, properties = simulate(7)
    properties["a"] = properties["a"].abs() * np.where(
        predictions["gn"][0].predicted != predictions["gn"][0].targets, 1, -1
    )
    predictions["gn"] = predictions["gn"][:1]
    with pytest.raises(UsageError, match="Group norm.*told apart exactly"):
        failure_causes(predictions, NORMS, properties)


def test_images_without_ink_are_left_out():
    predictions, properties = simulate(8)
    properties.loc[:9, "a"] = np.nan
    assert failure_causes(predictions, NORMS, properties).num_images == len(properties) - 10


def test_a_property_that_never_varies_is_refused():
    predictions, properties = simulate(9)
    with pytest.raises(UsageError, match="the same for all images"):
        failure_causes(predictions, NORMS, properties.assign(d=1.0))
