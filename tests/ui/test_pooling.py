"""Which runs may be averaged together, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.config import VARIANTS, Recipe, Variant
from core.training.runs import Run
from ui.pooling import pool, say_who_is_missing, unusual_lengths

GN = VARIANTS["gn"]


def run(
    seed: int, variant: Variant = GN, state: str = "done", begun: str = "", **recipe: float
) -> Run:
    name = f"digits/{variant.key}/seed-{seed}"
    info = {"recipe": {**vars(Recipe()), **recipe}, "created": begun}
    return Run(Path("runs") / name, name, "digits", seed, state, variant, info=info)


def of(seed: int, epochs: int, hour: int, state: str = "done") -> Run:
    """A run of so many epochs that was begun at that hour."""
    return run(seed, replace(GN, epochs=epochs), state, f"2026-01-01T{hour:02}:00:00+00:00")


SHORT = replace(GN, epochs=2)


@pytest.mark.parametrize(
    ("shipped", "local", "kept", "said"),
    [
        ([run(1), run(2)], [run(3)], [1, 2, 3], ""),
        ([run(1)], [run(1)], [1], "Group norm (seed 1; 20 epochs): the shipped runs have"),
        ([run(1)], [run(2, SHORT)], [1], "(seed 2; 2 epochs): trained for another number of"),
        ([run(1)], [run(2, momentum=0.5)], [1], "trained with other settings than the shipped"),
        ([], [run(1, SHORT), run(2), run(3)], [2, 3], "(seed 1; 2 epochs): trained for another"),
        ([], [run(1, SHORT), run(2)], [2], "epochs than the newest run of the variant, whose 20"),
        ([], [run(1, SHORT), run(2), run(3)], [2, 3], "epochs than most runs of the variant."),
        ([], [run(1, SHORT), run(2, SHORT), run(3)], [1, 2], "Group norm (seed 3; 20 epochs)"),
        ([run(1)], [run(1, VARIANTS["ln"])], [1, 1], ""),
    ],
)
def test_only_runs_that_differ_in_their_seed_alone_stand_together(shipped, local, kept, said):
    found = pool(shipped, local)
    assert [one.seed for one in found.runs] == kept
    assert said in " ".join(found.sentences())
    assert bool(said) == bool(found.sentences())


def test_of_as_many_lengths_as_runs_the_newest_is_shown():
    found = pool([], [of(1, 60, 9), of(2, 80, 10), of(3, 3, 11)])
    assert [one.seed for one in found.runs] == [3]
    assert found.sentences() == [
        "Left out: Group norm (seed 1; 60 epochs), Group norm (seed 2; 80 epochs): trained for "
        "another number of epochs than the newest run of the variant, whose 3 are shown because "
        "most runs do not agree."
    ]


@pytest.mark.parametrize("state", ["running", "done"])
def test_the_same_holds_before_and_after_a_run_has_ended(state):
    long = of(11, 80, 12, state)
    beside_shipped = pool([run(1), run(2)], [long])
    assert [one.seed for one in beside_shipped.runs] == [1, 2]
    assert "than the shipped runs of the variant" in beside_shipped.sentences()[0]
    assert pool([], [of(1, 3, 9), long]).runs == (long,)
    assert "whose 80 are shown" in pool([], [of(1, 3, 9), long]).sentences()[0]
    assert pool([run(11)], [of(11, 20, 9, state)]).sentences()[0].endswith("seed already.")


def test_one_that_was_cut_short_is_not_shown_instead_of_a_whole_one():
    found = pool([], [of(1, 20, 9), of(2, 80, 10, "stopped")])
    assert [one.seed for one in found.runs] == [1]
    assert "than the newest whole run of the variant, whose 20" in found.sentences()[0]
    assert pool([], [of(2, 80, 10, "stopped")]).left_out == ()


def test_each_reason_is_one_line_that_names_its_runs():
    ln = replace(VARIANTS["ln"], epochs=3)
    found = pool([run(1), run(1, VARIANTS["ln"])], [run(1), run(2, SHORT), run(3, ln), run(4, ln)])
    assert found.sentences() == [
        "Left out: Group norm (seed 1; 20 epochs): the shipped runs have their variant and seed "
        "already.",
        "Left out: Group norm (seed 2; 2 epochs), Layer norm (seeds 3-4; 3 epochs): trained for "
        "another number of epochs than the shipped runs of the variant.",
    ]


def test_lengths_other_than_the_published_are_named():
    own = Variant("gn_12345678", "group", channels_per_group=4)
    assert unusual_lengths([run(1), run(1, VARIANTS["gn_l1"]), run(1, own)]) == ""
    said = unusual_lengths([run(1, replace(GN, epochs=25)), run(1, replace(own, epochs=1))])
    assert "Group norm (seed 1; 25 epochs)" in said and "(seed 1; 1 epoch)" in said


def test_variants_without_the_asked_seed_are_named():
    by_variant = {"gn": [run(1), run(2)], "ln": [run(1, VARIANTS["ln"])]}
    assert say_who_is_missing(by_variant, 1) == ""
    assert say_who_is_missing(by_variant, 2) == "Not trained with seed 2: Layer norm."
