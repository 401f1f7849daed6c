"""Small changes and layers over all failures: matching, outcomes, and what is then said."""

import json

import numpy as np
import pandas as pd
import pytest

from core.analysis.cause_words import answer, change_label, survey_answer
from core.analysis.counterfactual import ChangedImage, find_changes
from core.analysis.failure_causes import ALL, FailureCauses
from core.analysis.failure_survey import match, survey
from core.analysis.nuisances import NUISANCES
from core.analysis.survey_table import LAYER, NAME, NUISANCE, Outcomes, encode, survey_frame
from core.config import CONV_CHANNELS, VARIANTS
from core.training.runs import Predictions
from tests import diagnosis_runs as shipped

COUNT = 2 * len(NUISANCES) - 1 + len(CONV_CHANNELS) + 1


def predictions(margins: list[float], wrong: list[bool]) -> Predictions:
    """True class 0 everywhere; wrong ones say 1, that far ahead of 0."""
    logits = np.zeros((len(margins), 10), np.float32)
    predicted = np.array(wrong).astype(int)
    logits[range(len(margins)), predicted] = margins
    return Predictions(logits, predicted, np.zeros(len(margins), int))


def test_every_failure_gets_its_own_control_with_the_nearest_margin():
    found = match(predictions([1.0, 1.2, 3.0, 1.1, 9.0], [True, True, False, False, False]))
    assert [list(part) for part in found] == [[0, 1], [3, 2]]


def test_more_failures_than_controls_leave_the_last_failures_out():
    failing, controls = match(predictions([2.0, 1.0, 5.0], [True, True, False]))
    assert failing.tolist() == [1] and controls.tolist() == [2]


@pytest.fixture(scope="module")
def document() -> dict:
    return survey(shipped.reference("digits", "bn_l1"), shipped.predictions("digits", "bn_l1"))


def test_the_survey_counts_within_its_pairs_and_is_json(document):
    assert len(document["rows"]) == COUNT
    failing = shipped.failing("digits", "bn_l1")
    assert sorted(document["failing"]) == sorted(failing)
    assert not set(document["controls"]) & set(failing)
    for *_, outcomes in document["rows"]:
        assert len(outcomes) == len(document["controls"]) == len(failing)
        assert set(outcomes) <= set("0123")
    assert json.loads(json.dumps(document)) == document


def test_outcomes_are_one_character_a_pair():
    repaired, broken = np.array([0, 1, 0, 1], bool), np.array([0, 0, 1, 1], bool)
    assert encode(repaired, broken) == "0123"
    found = Outcomes.decode([4, 5, 6, 7], [0, 1, 2, 3], "0123")
    assert (found.repaired == repaired).all() and (found.broken == broken).all()
    assert found.shares == (0.5, 0.5) and found.effect == 0


def test_the_shipped_surveys_are_what_is_computed_now(document):
    from core.analysis.derived import read_derived

    stored = read_derived(shipped.run("digits", "bn_l1"), NAME)
    assert stored is not None and sorted(stored["failing"]) == sorted(document["failing"])
    for ours, theirs in zip(document["rows"], stored["rows"], strict=True):
        assert ours[:3] == theirs[:3]
        # Another processor rounds otherwise, and an image may lie exactly at the boundary.
        for outcome in "123":
            assert abs(ours[3].count(outcome) - theirs[3].count(outcome)) <= 1


def test_what_d3_repairs_by_a_small_step_the_survey_counts(document):
    """Both scan thickness in steps of 0.125 px or a multiple, so D3's steps are among them."""
    network = {"bn_l1": shipped.network("digits", "bn_l1").eval()}
    test, repaired = shipped.split("digits", "test"), 0
    info = shipped.reference("digits", "bn_l1").info
    for index in shipped.failing("digits", "bn_l1"):
        image = ChangedImage(test.images[index], int(test.targets[index]), info, int(index))
        thinner, _ = find_changes(network, image, None, [NUISANCES["thickness"]])
        steps = thinner.steps[np.abs(thinner.steps) <= NUISANCES["thickness"].small]
        repaired += thinner.severity is not None and thinner.severity >= steps[-1]
    row = next(row for row in document["rows"] if row[1:3] == ["thickness", -1])
    assert num_repaired(row) >= repaired


def test_layers_agree_with_the_diagnosis(document):
    fixed = shipped.reference("digits", "bn_l1").fixed.tolist()
    assert [num_repaired(row) for row in document["rows"] if row[0] == LAYER] == fixed


def num_repaired(row: list) -> int:
    return row[3].count("1") + row[3].count("3")


def test_a_network_without_failures_has_nothing_to_survey():
    found = shipped.predictions("digits", "gn")
    right = Predictions(found.logits, found.targets, found.targets)
    nothing = {"failing": [], "controls": [], "rows": []}
    assert survey(shipped.reference("digits", "gn"), right) == nothing
    assert survey_frame({"gn": [nothing]}).empty


def document_of(*rows: tuple[int, int, int], total: int = 100, first: int = 0) -> dict:
    """Of pairs repaired, broken and both in each row; `first` is the first of its own images."""
    return {
        "failing": list(range(first, first + total)),
        "controls": list(range(-first - total, -first)),
        "rows": [
            [NUISANCE, list(NUISANCES)[place % 5], 1 - 2 * (place // 5), outcomes(*row, total)]
            for place, row in enumerate(rows)
        ],
    }


def outcomes(repaired: int, broken: int, both: int, total: int) -> str:
    parts = "3" * both + "1" * (repaired - both) + "2" * (broken - both)
    return parts + "0" * (total - len(parts))


def test_one_seed_is_compared_over_its_pairs():
    frame = survey_frame({"gn": [document_of((60, 10, 5), (12, 10, 5))]})
    assert frame["effect"].tolist() == pytest.approx([0.5, 0.02])
    assert frame["named"].tolist() == [True, False]
    assert (frame["low"] < frame["effect"]).all() and (frame["effect"] < frame["high"]).all()


def test_several_seeds_are_compared_over_seeds():
    steady = [
        document_of((60 + k, 10, 5), (10 + 30 * (k % 2), 10, 5), first=100 * k) for k in range(6)
    ]
    frame = survey_frame({"gn": steady})
    assert frame["num_seeds"].tolist() == [6, 6] and frame["num_failures"].tolist() == [600, 600]
    assert frame["named"].tolist() == [True, False]
    assert frame["repaired"][0] == pytest.approx(np.mean([0.6 + 0.01 * k for k in range(6)]))


def test_seeds_that_tie_still_have_an_interval():
    seeds = [document_of((60, 10, 5), first=first) for first in (0, 100)]
    cell = survey_frame({"gn": seeds}).iloc[0]
    # (55.5 + 5.5 - 50² / 102) / 102² = 0.0035074; t with 1 degree of freedom at 97.5 %: 12.706
    assert cell["high"] - cell["effect"] == pytest.approx(12.706 * (0.0035074 / 2) ** 0.5, rel=1e-4)


def test_images_that_two_seeds_fail_count_once():
    cell = survey_frame({"gn": [document_of((60, 10, 5))] * 2}).iloc[0]
    # Shares 0.6 and 0.1 of the same 100 failing images and 100 controls.
    variance = (0.6 * 0.4 + 0.1 * 0.9) / 100 * 200 / 199
    assert cell["high"] - cell["effect"] == pytest.approx(12.706 * variance**0.5, rel=1e-4)


def test_what_differs_between_seeds_more_than_pairs_do_widens_all_intervals():
    calm, wild = (30, 20, 5), [(10, 40, 5), (60, 10, 5), (20, 30, 5)]
    alone = survey_frame({"gn": [document_of(calm, calm, first=100 * k) for k in range(3)]})
    beside = survey_frame(
        {"gn": [document_of(calm, row, first=100 * k) for k, row in enumerate(wild)]}
    )
    first, second = (frame["high"][0] - frame["low"][0] for frame in (alone, beside))
    # Dispersion of both cells together: that of the first is 0.
    between = np.var([-0.3, 0.5, -0.1], ddof=1)
    v_calm = (25.5 + 15.5 - 10**2 / 102) / 102**2
    v_wild = np.mean(
        [(a + b - (a - b) ** 2 / 102) / 102**2 for a, b in ((5.5, 35.5), (55.5, 5.5), (15.5, 25.5))]
    )
    assert second / first == pytest.approx((between / (v_calm + v_wild)) ** 0.5)


@pytest.mark.parametrize(("num_seeds", "same_images"), [(2, False), (3, False), (5, True)])
@pytest.mark.thorough
def test_chance_is_not_named_by_seeds(num_seeds, same_images):
    """By Student's t of each cell's own seeds some was in 0.96 and 0.45 of 300 such tables."""
    random, total = np.random.default_rng(0), 9

    def table() -> pd.DataFrame:
        documents = {}
        for variant in VARIANTS:
            counts = random.multinomial(total, [0.15, 0.15, 0.7], size=(num_seeds, 10))
            rows = [[(int(up), int(down), 0) for up, down, _ in seed] for seed in counts]
            documents[variant] = [
                document_of(*rows[0 if same_images else k], total=total, first=k * total)
                for k in range(num_seeds)
            ]
            if same_images:
                documents[variant] = [documents[variant][0]] * num_seeds
        return survey_frame(documents)

    assert sum(bool(table()["named"].any()) for _ in range(40)) <= 2


def test_the_more_is_shown_together_the_wider_the_intervals():
    row = (30, 20, 5)
    one, ten = (survey_frame({"gn": [document_of(*[row] * n)]}).iloc[0] for n in (1, 9))
    assert ten["high"] - ten["low"] > one["high"] - one["low"]


def test_the_answer_names_what_repairs_more_or_says_that_nothing_does():
    named = survey_frame({"gn": [document_of((60, 10, 5), (12, 10, 5))]})
    said = survey_answer(named, {"gn": "Group norm"})
    assert "1 of 2" in said and "Contrast: higher (×1.25) under Group norm (60 % repaired" in said
    none = survey_answer(survey_frame({"gn": [document_of((12, 10, 5))]}), {})
    assert none.startswith("**None of 1 small changes") and "must reach about" in none


def test_rows_are_named_in_words():
    assert change_label({"kind": LAYER, "name": "3", "direction": 0}) == "Layer 3"
    assert change_label({"kind": LAYER, "name": "all layers", "direction": 0}) == "All layers"
    thinner = {"kind": NUISANCE, "name": "thickness", "direction": -1}
    assert change_label(thinner) == "Stroke thickness: thinner (−0.5 px)"


def causes(*rows: tuple[str, str, float, float, float], seeds: int = 1) -> FailureCauses:
    columns = ["norm", "property", "effect", "low", "high"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["named"] = (frame["low"] > 0) | (frame["high"] < 0)
    empty = pd.DataFrame()
    runs, failing = {"gn": seeds, "ln": seeds}, {"gn": 40, "ln": 60}
    return FailureCauses(empty, empty, frame, 1000, runs, failing, ("a", "b", 0.5))


def test_a_named_cause_is_said_with_its_odds():
    said = answer(
        causes(
            ("group", "thickness", -0.5, -0.9, -0.1),
            ("layer", "thickness", 0.1, -0.3, 0.5),
            (ALL, "contrast", -0.7, -1.0, -0.4),
            seeds=10,
        )
    )
    assert said[0] == (
        "**Group norm fails more than the others on images that have, compared with their class, "
        "thinner strokes**: odds of failing ×1.65 per standard deviation, 1.11 to 2.46, beyond the "
        "mean of all."
    )
    assert "lower contrast (odds of failing ×2.01" in said[1]
    assert "10 seeds" in said[2] and "One seed each" not in said[2]


def test_a_negative_answer_is_said_as_plainly():
    said = answer(causes(("group", "thickness", -0.5, -0.9, 0.1)))
    assert said[0].startswith("**No property of the images sets a normalization apart.** Of 1 ")
    assert "by about 1.65 per standard deviation" in said[0]
    assert said[1] == "No property makes all normalizations together fail more or less."
    assert "**One seed each:**" in said[2]
