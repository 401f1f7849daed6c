"""The benchmark of false findings takes every effect from the runs, and counts what is named."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import false_findings as ff
from core.config import VARIANTS
from core.errors import UsageError


@pytest.fixture(scope="module")
def material() -> ff.Material:
    return ff.load("digits")


def test_every_run_is_dealt_out_once_whatever_it_was_trained_as(material):
    dealt = ff.deal(material.predictions, 10, np.random.default_rng(0))
    assert list(dealt) == list(VARIANTS) and {len(runs) for runs in dealt.values()} == {10}
    numbers = {id(one): i for i, one in enumerate(material.predictions)}
    order = [numbers[id(one)] for runs in dealt.values() for one in runs]
    assert sorted(order) == list(range(60)) != order
    few = ff.deal(material.predictions, 2, np.random.default_rng(0))
    assert len({id(one) for runs in few.values() for one in runs}) == 12


def test_groups_of_one_variant_share_no_run(material):
    groups = ff.split(material, 3, np.random.default_rng(1))
    numbers = {id(one): i for i, one in enumerate(material.predictions)}
    dealt = [material.runs[numbers[id(one)]] for runs in groups.values() for one in runs]
    assert [len(runs) for runs in groups.values()] == [3, 3, 3]
    assert len({run.name for run in dealt}) == 9 and len({run.variant for run in dealt}) == 1
    with pytest.raises(UsageError, match="no two groups of 10"):
        ff.split(material, 10, np.random.default_rng(1))


def test_an_exchanged_pair_counts_for_the_other_side_and_both_or_none_stay():
    document = {
        "failing": [2, 0, 3, 5],
        "controls": [1, 4, 6, 7],
        "rows": [["layer", "x", 0, "1230"]],
    }
    swapped = np.isin(np.arange(8), [2, 3, 5])
    [(*_, codes)] = ff.exchange(document, swapped)["rows"]
    assert codes == "2230"
    [(*_, codes)] = ff.exchange(document, ~swapped)["rows"]
    assert codes == "1130"
    assert document["rows"] == [["layer", "x", 0, "1230"]]


@pytest.mark.parametrize("verdict", ff.VERDICTS)
def test_a_verdict_is_asked_and_hardly_ever_names_anything(material, verdict):
    """At 5 % three of three tables are named once in 8,000 times."""
    answers = [ff.ask(material, (verdict, 5, table)) for table in range(3)]
    assert None not in answers and not all(answers)
    assert answers[0] == ff.ask(material, (verdict, 5, 0))


def test_what_is_refused_is_no_table():
    found = ff.summarize("differences", 2, [True, False, None, False, False])
    assert (found["tables"], found["refused"], found["named"], found["share"]) == (4, 1, 1, 0.25)
    assert found["low"] < 0.25 < found["high"]
    assert ff.summarize("properties", 2, [None])["share"] is None


@pytest.mark.thorough
def test_the_document_has_what_every_benchmark_gives():
    document = ff.measure("digits", 1, [10])
    assert {"ratio", "reference", "ours", "unit", "machine"} <= document.keys()
    assert [row["verdict"] for row in document["verdicts"]] == list(ff.VERDICTS)


@pytest.mark.parametrize("seeds", [[1], [2, 11]])
def test_a_number_of_seeds_that_there_is_not_is_refused(seeds):
    with pytest.raises(UsageError, match="2 to 10"):
        ff.measure("digits", 1, seeds)
