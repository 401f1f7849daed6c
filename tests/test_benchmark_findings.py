"""The benchmark of findings counts what the diagnoses and maps say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from benchmarks import findings

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def subject() -> findings.Subject:
    return next(one for one in findings.load_subjects("digits") if one.run.variant.key == "bn_l1")


def test_images_are_failures_and_correct_ones_of_which_some_are_close(subject):
    drawn = findings.draw_images(subject)
    found = subject.predictions
    right = found.predicted == found.targets
    assert not right[drawn["failure"]].any() and len(drawn["failure"]) == (~right).sum()
    for kind, count in (("close", findings.NUM_CLOSE), ("random", findings.NUM_RANDOM)):
        assert right[drawn[kind]].all() and len(np.unique(drawn[kind])) == count


def test_a_method_without_a_rule_for_the_normalization_is_never_valid(subject):
    maps = findings.summarize_maps(findings.explain_failures(subject, 1)).set_index("method")
    assert (maps["norm"] == "batch").all() and (maps["maps"] == 1).all()
    assert maps.loc["integrated_gradients", "valid"] == 1
    assert 0 <= maps.loc["integrated_gradients", "error"] <= 0.05
    assert np.isnan(maps.loc["saliency", "error"])


def test_shares_are_counted_over_all_variants():
    def row(variant: str, kind: str, named: int) -> dict:
        shares = dict.fromkeys(["gradient_share", "rescaling_share"], named / 2)
        flips = {"fixed_or_broken_by_all": 1, "equally_close_broken_by_all": 0.5}
        return {"variant": variant, "kind": kind, "images": 1, "named": named, **shares, **flips}

    rows = [row("gn", "failure", 1), row("gn", "failure", 0), row("ln", "failure", 0)]
    rows += [row("gn", "close", 0), row("ln", "close", 1)]
    found = findings.summarize_diagnoses(rows)
    assert list(found["images"]) == [2, 1, 1, 1] and list(found["named"]) == [1, 0, 0, 1]
    assert found["gradient_share"][0] == pytest.approx(0.25)
    assert findings.share_named(found, "failure") == pytest.approx(1 / 3)
    assert findings.share_named(found, "close") == pytest.approx(1 / 2)


def test_the_document_has_what_every_benchmark_gives(monkeypatch, subject):
    monkeypatch.setattr(findings, "load_subjects", lambda dataset: [subject])
    monkeypatch.setattr(
        findings,
        "draw_images",
        lambda one: {"failure": np.array([2, 3]), "close": np.array([4]), "random": np.array([5])},
    )
    document = findings.measure("digits", 1)
    assert {"ratio", "reference", "ours", "unit", "machine"} <= document.keys()
    counts = pd.DataFrame(document["diagnosis"]).set_index("kind")["images"]
    assert dict(counts) == {"failure": 2, "close": 1, "random": 1}
    assert len(document["maps"]) == len(findings.METHODS)
