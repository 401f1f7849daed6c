"""Which runs may be averaged together, and what is said of the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.config import VARIANTS, Recipe, Variant
from core.training.runs import Run
from ui.pooling import pool, say_who_is_missing, unusual_lengths

GN = VARIANTS["gn"]


def run(seed: int, variant: Variant = GN, **recipe: float) -> Run:
    name = f"digits/{variant.key}/seed-{seed}"
    info = {"recipe": {**vars(Recipe()), **recipe}}
    return Run(Path("runs") / name, name, "digits", seed, "done", variant, info=info)


SHORT = replace(GN, epochs=2)


@pytest.mark.parametrize(
    ("shipped", "local", "kept", "said"),
    [
        ([run(1), run(2)], [run(3)], [1, 2, 3], ""),
        ([run(1)], [run(1)], [1], "Group norm (seed 1; 20 epochs): the shipped runs have"),
        ([run(1)], [run(2, SHORT)], [1], "(seed 2; 2 epochs): trained for another number of"),
        ([run(1)], [run(2, momentum=0.5)], [1], "trained with other settings than the shipped"),
        ([], [run(1, SHORT), run(2), run(3)], [2, 3], "(seed 1; 2 epochs): trained for another"),
        ([], [run(1, SHORT), run(2)], [2], "epochs than most runs of the variant"),
        ([], [run(1, SHORT), run(2, SHORT), run(3)], [1, 2], "Group norm (seed 3; 20 epochs)"),
        ([run(1)], [run(1, VARIANTS["ln"])], [1, 1], ""),
    ],
)
def test_only_runs_that_differ_in_their_seed_alone_stand_together(shipped, local, kept, said):
    found = pool(shipped, local)
    assert [one.seed for one in found.runs] == kept
    assert said in " ".join(found.sentences())
    assert bool(said) == bool(found.sentences())


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
