"""Every figure that can be downloaded says above it what it shows, of what, and how to read it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import pytest

import ui
from core.analysis.curves import Curve
from core.analysis.faithfulness import Infidelity
from core.analysis.randomization import LAYERS, RandomizationCheck
from core.analysis.robustness_table import SUMMARY_COLUMNS
from core.analysis.trust import Trust
from core.data.corruptions import CORRUPTIONS
from core.data.datasets import get_dataset
from core.training.runs import Run
from ui import (
    charts_batch,
    charts_causes,
    charts_explain,
    charts_inside,
    charts_predict,
    charts_robustness,
    charts_trust,
)
from ui.chart_titles import about, in_file_name, runs_in_file_name, said_seeds
from ui.charts import to_svg
from ui.shown_image import ShownImage

SHOWN = ShownImage(get_dataset("digits"), 83, 5, None)
ABOUT = about(SHOWN, 1)
ENDS = {"low": [0.1, 0.2], "high": [0.5, 0.6]}
PERCENT = {"accuracy_percent": [90.0, 95.0], "low_percent": [88.0, 93.0], "high_percent": [92, 97]}
BY_VARIANT = {"variant": ["gn", "bn_l1"], "label": ["Group norm", "Batch norm + L1"]}
RANGES = [f"{band}_{end}" for band in ("control", "donor") for end in ("low", "band")]
ELSEWHERE = {
    "charts_failures.class_accuracy_chart",
    "charts_overview.accuracy_chart",
    "charts_overview.pairs_chart",
    "charts_parameters.blocks_chart",
    "charts_curves.curves_chart",
    "charts_curves.panels_chart",
}
"""Titled too, as the tests of their own files say."""
NOT_EXPORTED = {
    "charts_byhand.running_chart",
    "charts_byhand.population_chart",
    "charts_trust.curve_chart",
}


def margins(**changed) -> alt.LayerChart:
    verdicts = {"predicted": ["9", "5"], "right": [False, True], "margin": [-1.0, 2.0]}
    shares = {"probability": [0.6, 0.9], "true_probability": [0.3, 0.9]}
    frame = pd.DataFrame({**BY_VARIANT, **verdicts, **shares, **changed})
    return charts_explain.margin_chart(frame, about=ABOUT)


def layers() -> alt.LayerChart:
    frame = pd.DataFrame({"layer": [1, 2], "phi": [0.1, 1.5], **dict.fromkeys(RANGES, 0.3)})
    frame = frame.assign(flips=False, named=[False, True])
    return charts_explain.layers_chart(
        frame, "#0072B2", label="Group norm", about=ABOUT, controls=200, donors=146
    )


def channels() -> alt.LayerChart:
    parts = {key: [0.5, -2.0] for key in ("total", *charts_explain.PARTS)}
    frame = pd.DataFrame({"channel": [1, 2], **parts})
    return charts_explain.channels_chart(frame, label="Group norm", about=ABOUT)


def shares() -> alt.LayerChart:
    frame = pd.DataFrame({**BY_VARIANT, "share": [0.4, 0.0]})
    return charts_explain.shares_chart(frame, about=ABOUT)


def randomization() -> alt.LayerChart:
    frame = pd.DataFrame({"layer": ["classifier", "hidden"], "similarity": [0.3, 0.4], **ENDS})
    return charts_trust.randomization_chart(frame, of=f"A map of {ABOUT}", num_networks=5)


def curves() -> alt.HConcatChart:
    values = ((0.0, 1.0), (3.0, -1.0), (3.0, 1.0), (3.0, 0.5), (3.0, 2.0))
    kinds = [Curve(kind, *values, 0, 0, 0, 0, 0.1, 285, 39) for kind in charts_trust.KINDS]
    zeros = (0.0,) * len(LAYERS)
    check = RandomizationCheck(LAYERS, zeros, zeros, zeros, 0.0, True, None, 5)
    trust = Trust(check, Infidelity(3.6, 0.6, 200), 0.4, *kinds, None)
    return charts_trust.curves_figure(
        trust, "#D55E00", of=f"A map of {ABOUT}", target="logit 9 − logit 5"
    )


def flow(num_seeds: int = 5) -> alt.LayerChart:
    frame = pd.DataFrame({**BY_VARIANT, "layer": "conv1", "value": [0.3, 0.4], **ENDS})
    frame = frame.assign(measure="weight_norm", when="before", num_seeds=num_seeds)
    return charts_inside.flow_chart(frame, "weight_norm")


def sigma() -> alt.LayerChart:
    frame = pd.DataFrame({**BY_VARIANT, "layer": "norm1", "value": [0.3, 0.4], **ENDS})
    return charts_inside.sigma_chart(frame, about=ABOUT)


def sizes(kind: str = "one_class") -> alt.LayerChart:
    frame = pd.DataFrame({**BY_VARIANT, **PERCENT, "kind": ["random", kind], "size": [1, 2]})
    return charts_batch.sizes_chart(frame.assign(num_batches=4, num_images=8), seed=1)


def recovery() -> alt.LayerChart:
    frame = pd.DataFrame({**BY_VARIANT, **PERCENT, "count": [0, 64]})
    frame = frame.assign(num_draws=5, num_images=10)
    return charts_batch.recovery_chart(frame, shift="Rotation 30 °", seed=1)


def severity(key: str = "rotation") -> alt.LayerChart:
    rows = [(key, size, "gn", 1, 360, 90.0, 88.0, 91.0) for size in (1.0, 2.0)]
    summary = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    kind = CORRUPTIONS[key]
    return charts_robustness.severity_chart(summary, kind, 1.0, intervals="95 % Wilson intervals.")


def answers(image: str = "form 7.png") -> alt.LayerChart:
    says = {"predicted_name": "9", "probability": 0.6, "margin": 1.5}
    then = {"runner_up_name": "4", "runner_up_probability": 0.2, "probabilities": None}
    frame = pd.DataFrame(BY_VARIANT).assign(**says, **then)
    return charts_predict.answers_chart(frame, image=image, seed=1)


def right_answers() -> alt.LayerChart:
    frame = pd.DataFrame({**BY_VARIANT, **PERCENT}).assign(num_images=12, errors=2)
    return charts_predict.accuracy_chart(frame, seed=1)


def effects(column: str) -> pd.DataFrame:
    keys = ["all", "group"] if column == "norm" else BY_VARIANT["variant"]
    return pd.DataFrame({column: keys, "property": "slant", "effect": [0.3, 0.4], **ENDS})


IMAGE = "test image 83, a 5, MNIST, seed 1"
CHARTS: dict[str, tuple[Callable[[], alt.TopLevelMixin], str, str]] = {
    "charts_explain.margin_chart": (
        margins,
        f"Margin of each variant on {IMAGE}",
        "Left of 0, in orange and with a cross, the variant is wrong.",
    ),
    "charts_explain.layers_chart": (
        layers,
        f"φ of each normalization layer of Group norm on {IMAGE}",
        "φ of 200 correct test images about as close to the boundary (thick)",
    ),
    "charts_explain.channels_chart": (
        channels,
        f"Part of each channel of Group norm in the margin on {IMAGE}",
        "Dots: their sum.",
    ),
    "charts_explain.shares_chart": (
        shares,
        f"Share of the gradient that flows through the statistics, {IMAGE}",
        "batch norm uses stored ones.",
    ),
    "charts_trust.randomization_chart": (
        randomization,
        f"Likeness to maps of randomized networks: A map of {IMAGE}",
        "Points: mean of 5 draws; lines: their range. Dashed: the limit",
    ),
    "charts_trust.curves_figure": (
        curves,
        f"Deletion and insertion: A map of {IMAGE}",
        "The explained output, logit 9 − logit 5, while the 285 pixels",
    ),
    "charts_inside.flow_chart": (
        flow,
        "Weight norm by layer, before training, MNIST",
        "Geometric means over 5 seeds, with their 95 % interval.",
    ),
    "charts_inside.sigma_chart": (
        sigma,
        f"What each normalization layer divides by: {IMAGE}",
        "Points: the median over the layer's groups; bars: their range.",
    ),
    "charts_batch.sizes_chart": (
        sizes,
        "Test accuracy by batch size, MNIST, seed 1",
        "over the batches, for batches of one class (dashed) over the classes.",
    ),
    "charts_batch.recovery_chart": (
        recovery,
        "Test accuracy with statistics estimated anew: Rotation 30 °, MNIST, seed 1",
        "Means over 5 draws; bars: 95 % intervals over the draws",
    ),
    "charts_robustness.severity_chart": (
        severity,
        "Test accuracy under corruption: Rotation, MNIST",
        "Dashed: the severity that was set. 95 % Wilson intervals.",
    ),
    "charts_predict.answers_chart": (
        answers,
        "What each variant says of form 7.png, networks of MNIST, seed 1",
        "Margin: the logit of what it says less that of the runner-up.",
    ),
    "charts_predict.accuracy_chart": (
        right_answers,
        "Right answers on 12 labelled images of a user's own, networks of MNIST, seed 1",
        "bars: Wilson's 95 % interval.",
    ),
    "charts_causes.norm_forest": (
        lambda: charts_causes.norm_forest(effects("norm"), "5 seeds"),
        "What sets a normalization apart in failing, MNIST, 5 seeds",
        "Grey: the mean of all normalizations; coloured: what each adds to it.",
    ),
    "charts_causes.variant_forest": (
        lambda: charts_causes.variant_forest(effects("variant")),
        "How properties of images make each variant fail, MNIST",
        "full points: they exclude 0.",
    ),
}
"""Each chart, its title, and some of what stands below that."""


def words(chart: alt.TopLevelMixin) -> str:
    """What stands above the chart in a file, on one line."""
    spec = chart.to_dict()["usermeta"]
    text = " ".join([spec["title"], *spec["lines"]])
    return text.replace("{data set}", "MNIST").replace("\u00a0", " ")


@pytest.mark.parametrize("name", CHARTS)
def test_a_file_says_what_it_shows_of_what_and_how_to_read_it(name):
    make, title, line = CHARTS[name]
    chart = make()
    assert words(chart).startswith(f"{title} ") and line in words(chart)
    svg = to_svg(chart, "MNIST").decode().replace("\u00a0", " ")
    assert title.split(",")[0].split(" on ")[0][:40] in svg and "MNIST" in svg
    assert "title" not in chart.to_dict()


def test_no_chart_is_forgotten():
    found = {
        f"{module.name}.{name}"
        for module in pkgutil.iter_modules(ui.__path__)
        if module.name.startswith("charts_")
        for name, value in vars(importlib.import_module(f"ui.{module.name}")).items()
        if inspect.isfunction(value) and value.__module__ == f"ui.{module.name}"
        if not name.startswith("_") and name.endswith(("_chart", "_forest", "_figure"))
        if str(value.__annotations__["return"]).startswith("alt.")
    }
    assert found == CHARTS.keys() | ELSEWHERE | NOT_EXPORTED


def test_titles_say_only_what_is_drawn():
    assert "whether it is right is not known" in words(margins(right=None))
    assert "another seed may differ" in words(flow(num_seeds=1))
    assert "dashed" not in words(sizes("random"))
    assert "(MNIST-C), MNIST" in words(severity("mnist_c_fog"))
    different = charts_causes.variant_forest(effects("variant"), charts_causes.DIFFERENCE)
    assert words(different).startswith("How failing images of each variant differ from the others")


def test_a_positive_phi_is_said_to_be_what_repairing_takes_away():
    said = "how much of the margin repairing the layer"
    assert said in words(layers()) and "its statistics take away" not in words(layers())


def test_names_of_files_stay_text():
    assert b"&lt;b&gt;x&lt;/b&gt;" in to_svg(answers("<b>x</b>"), "MNIST")


@pytest.mark.parametrize(
    ("of_each", "said"),
    [
        ([[3], [3]], "seed 3"),
        ([[1, 2, 3], [3, 1, 2]], "3 seeds"),
        ([[2, 4], [2, 4]], "seeds 2, 4"),
        ([[1], [1, 2]], "1 to 2 seeds"),
        ([[1], [2]], "one seed each"),
        ([[1, 2], [1, 3]], "2 seeds each"),
    ],
)
def test_the_seeds_behind_a_figure_are_said(of_each, said):
    found = said_seeds(of_each)
    assert found.replace("\u00a0", " ") == said
    assert in_file_name(found) == said.replace(",", "").replace(" ", "-")


def test_an_image_is_named_with_its_data_set_and_seed():
    own = ShownImage(get_dataset("digits"), None, None, np.zeros((28, 28), np.uint8))
    said = about(own, 2).replace("\u00a0", " ")
    assert said == "a user's own image, networks of {data set}, seed 2"
    known = about(ShownImage(own.info, None, 8, own.image), 2).replace("\u00a0", " ")
    assert known.startswith("a user's own image, an 8, networks of")
    assert "seed 1" not in ABOUT and "a 5" not in ABOUT, "lines break within"


def test_a_variant_without_runs_does_not_count_in_the_name_of_a_file():
    runs = [Run(Path("x"), "x", "mnist", seed, "done") for seed in (1, 2)]
    assert runs_in_file_name("mnist", {"gn": runs, "ln": []}) == "mnist-2-seeds"
