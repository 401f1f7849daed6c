"""What can be taken along from the Explain page holds the figures that it shows, computed once."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest

from core.config import VARIANTS
from core.data.datasets import data_dir, get_dataset, load_split
from core.training.runs import SHIPPED_DIR, list_runs, read_predictions
from ui import explain_maps, explain_resources, explain_verdict
from ui.downloads import csv_file, json_file
from ui.explain_data import Subject, make_subject
from ui.explain_settings import Settings
from ui.map_figure import figure_svg

INDEX = 83
METHODS = ("integrated_gradients", "deep_lift")


@pytest.fixture(scope="module")
def subject() -> Subject:
    runs = {run.variant.key: run for run in list_runs(SHIPPED_DIR, "digits") if run.seed == 1}
    predictions = {key: read_predictions(run.path) for key, run in runs.items()}
    image = load_split("digits", data_dir(), "test").images[INDEX]
    return make_subject(get_dataset("digits"), INDEX, "gn", runs, predictions, image)


@pytest.fixture(scope="module")
def settings() -> Settings:
    black = explain_resources.baseline("black", "digits")
    return Settings(tuple(VARIANTS), METHODS, "pred_minus_true", black, False)


def compute(subject: Subject, settings: Settings) -> explain_maps.Maps:
    return explain_resources.maps(
        subject, settings.variants, settings.methods, settings.target, settings.baseline
    )


@pytest.fixture(scope="module")
def maps(subject, settings) -> explain_maps.Maps:
    return compute(subject, settings)


def test_maps_are_computed_once_for_all(subject, settings, maps):
    again = compute(subject, settings)
    assert len(again) == 12 and all(again[key] is one for key, one in maps.items())


def test_pixels_add_up_to_what_they_explain_and_refusals_have_none(maps):
    frame = pd.read_csv(io.BytesIO(csv_file(explain_maps.maps_frame(maps))()))
    drawn = {key for key, one in maps.items() if one.attributions is not None}
    assert set(zip(frame["variant"], frame["method"], strict=True)) == drawn
    assert len(drawn) < len(maps)  # DeepLIFT has no meaning for group and layer norm
    for (key, method), pixels in frame.groupby(["variant", "method"]):
        one = maps[key, method]
        assert len(pixels) == 28 * 28
        difference = one.output - one.output_baseline
        error = abs(pixels["attribution"].sum() - difference) / abs(difference)
        assert error == pytest.approx(one.completeness_error, abs=1e-4) and error <= 0.05
        at = pixels.set_index(["row", "column"])["attribution"][10, 13]
        assert at == pytest.approx(one.attributions[10, 13], rel=1e-5)


def test_the_document_of_the_maps_has_a_reason_for_each_that_is_missing(subject, maps):
    found = json.loads(json_file(lambda: explain_maps.document(subject, maps, 1.5))())
    assert (found["index"], found["true"], found["seed"], found["color_limit"]) == (83, 5, 1, 1.5)
    assert len(found["maps"]) == 12
    for one in found["maps"]:
        assert one["valid"] is (one["reason"] is None)
        assert one["target_text"] == "logit 9 − logit 5 (predicted minus true)"


def test_tiles_share_one_scale_that_cuts_nothing_off(subject, settings, maps):
    tiles = explain_maps.make_tiles(subject, settings, maps)
    assert len({tile.limit for tile in tiles}) == 1
    largest = max(np.abs(t.attributions).max() for t in tiles if t.attributions is not None)
    assert tiles[0].limit == pytest.approx(largest)
    for tile in tiles:
        assert (tile.reason is None) == (tile.attributions is not None)
    svg = figure_svg("Maps", tiles, subject.image, [])
    assert svg.count("<image") == sum(tile.attributions is not None for tile in tiles)


def test_what_the_six_say_as_json(subject):
    found = json.loads(json_file(lambda: explain_verdict.document(subject))())
    assert found["true"] == "5" and len(found["classes"]) == 60
    assert [one["right"] for one in found["verdicts"]] == [False] * 6


def test_a_diagnosis_is_computed_once_and_can_be_taken_along(subject):
    seeds = {key: [run] for key, run in subject.runs.items()}
    found = explain_resources.diagnosis(subject, seeds)
    assert explain_resources.diagnosis(subject, seeds) is found
    shares = explain_resources.gradient_shares(subject)
    assert shares["gn"] == pytest.approx(found.gradient_share, abs=1e-6)
    assert shares["bn_l1"] == shares["bn_l1_l2"] == 0
    document = json.loads(json_file(found.to_dict)())
    assert document["variant"] == "gn" and len(document["layers"]) == 7
