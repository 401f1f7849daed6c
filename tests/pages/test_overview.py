"""The overview: the answer first, then the six side by side."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.config import VARIANTS
from tests.fixtures_runs import write_run

PAGE = Path(__file__).resolve().parents[2] / "pages" / "overview.py"


def page(**query: str) -> AppTest:
    app = AppTest.from_file(str(PAGE), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception and not app.error
    return app


def captions(app: AppTest) -> str:
    return " ".join(caption.value for caption in app.caption)


def test_the_answer_comes_first(fake_checkpoints):
    fake_checkpoints({"mnist": (1,)}, num_images=1000)
    app = page()
    assert app.subheader[0].value.startswith("None of the 15 differences in accuracy is resolved")
    assert "With one seed each" in app.markdown[1].value
    assert "MNIST, 1,000 test images · 6 runs · seed 1" in captions(app)


def test_what_was_trained_longer_is_not_called_the_better_method(fake_checkpoints, tmp_path):
    fake_checkpoints({"digits": (1,)})
    for key, epochs, errors in (("gn", 3, 150), ("bn_l1", 80, 10)):
        variant = replace(VARIANTS[key], epochs=epochs)
        write_run(tmp_path / "runs", "digits", variant, 1, errors=errors)
    app = page(runs="Made here", dataset="digits")
    assert "may come from the length of training alone" in app.subheader[0].value
    assert "Group norm for 3, Batch norm + L1 for 80" in app.markdown[1].value
    assert "Nor has a pair a colour" in captions(app)


def test_what_else_differs_stands_in_the_answer(fake_checkpoints):
    root = fake_checkpoints({"digits": (1,)}, variants=("bn_l1",), errors=10)
    write_run(root, "digits", VARIANTS["ln"], 1, errors=100)
    app = page(dataset="digits")
    assert "is resolved, that is, larger than chance." in app.subheader[0].value
    assert "which differ in L1 as well as in normalization." in app.markdown[1].value


def test_one_seed_side_by_side(fake_checkpoints):
    fake_checkpoints({"mnist": (1,)}, num_images=1000, errors=10)
    table = page().table[0].value
    assert list(table.columns) == [variant.label for variant in VARIANTS.values()]
    column = table["Batch norm + L1"]
    assert column["Normalization"] == "batch"
    assert (column["L1, λ"], column["L2, weight decay"]) == ("5e-5", "–")
    assert column["Trainable parameters"] == "7,946"
    assert column["**Test accuracy (%)**"] == "**99.00**"
    assert column["95 % interval (%)"] == "98.17 – 99.46"  # Wilson, 10 of 1,000
    assert column["Errors of 1,000"] == "10"
    assert column["Published accuracy (%)"] == "99.51"
    assert column["Training time (s)"] == "400"
    assert column["Device"] == "Test processor"


def test_several_seeds_are_averaged(fake_checkpoints):
    fake_checkpoints({"digits": (1, 2, 3)}, num_images=100)  # gn: 5, 6 and 4 errors
    column = page().table[0].value["Group norm"]
    assert column["Seeds"] == "3"
    assert column["**Test accuracy (%)**"] == "**95.00**"
    assert column["95 % interval (%)"] == "92.52 – 97.48"  # 95 ± 4.303 · 1 / √3
    assert column["Errors of 100"] == "5.0"
    assert "Published accuracy (%)" not in column


def test_one_seed_beside_several_is_said_to_have_another_interval(fake_checkpoints):
    root = fake_checkpoints({"digits": (1, 2, 3)}, num_images=100)
    for seed in (2, 3):
        shutil.rmtree(root / "digits" / "ln" / f"seed-{seed}")
    app = page()
    assert "One seed only, so for other images: Layer norm." in captions(app)
    said = " ".join(text.value for text in app.markdown)
    assert "**Interval over seeds.**" in said and "**Interval of one seed.**" in said


def test_runs_tested_on_other_images_are_said_to_be_so(fake_checkpoints):
    root = fake_checkpoints({"digits": (1,)}, num_images=100)
    shutil.rmtree(root / "digits" / "ln")
    write_run(root, "digits", VARIANTS["ln"], 1, num_images=110)
    assert "tested on different images" in page().warning[0].value


def test_a_mean_of_counts_is_rounded(fake_checkpoints):
    fake_checkpoints({"digits": (1, 2, 4)}, num_images=100)  # gn: 5, 6 and 5 errors
    assert page().table[0].value["Group norm"]["Errors of 100"] == "5.3"


def test_one_of_several_seeds_can_be_chosen(fake_checkpoints):
    fake_checkpoints({"digits": (1, 2, 3)}, num_images=100)
    app = page(seed="2")
    assert app.table[0].value["Group norm"]["Errors of 100"] == "6"
    assert "seed 2" in captions(app)


def test_files_say_which_runs_they_are_of(fake_checkpoints):
    fake_checkpoints({"mnist": (1, 2), "digits": (1, 3)}, num_images=200)

    def files(**query: str) -> set[str]:
        return {part.proto.help for part in page(**query).get("download_button")}

    assert "Download test accuracy mnist 2 seeds as PNG" in files()
    assert "Download pairs digits seed 3 as CSV" in files(dataset="digits", seed="3")


def test_the_data_set_comes_from_the_address(fake_checkpoints):
    fake_checkpoints({"mnist": (1,), "digits": (1,)}, num_images=100)
    assert "MNIST" in captions(page())
    assert "Digits" in captions(page(dataset="digits"))


def test_an_unknown_data_set_is_refused_by_name(fake_checkpoints):
    fake_checkpoints({"mnist": (1,)}, num_images=100)
    assert "does not exist" in page(dataset="nope").warning[0].value


def test_runs_made_here_are_shown_only_when_asked_for(fake_checkpoints, tmp_path):
    fake_checkpoints({"digits": (1,)}, num_images=100)
    write_run(tmp_path / "runs", "digits", VARIANTS["gn"], 7, num_images=100, errors=50)
    assert "6 runs · seed 1" in captions(page())
    assert "1 run · seed 7" in captions(page(runs="Made here"))


@pytest.mark.parametrize("seeds", [(1,), (1, 2)])
def test_charts_hold_the_figures(fake_checkpoints, seeds):
    fake_checkpoints({"mnist": seeds}, num_images=1000)
    app = page()
    accuracy, pairs = (json.loads(part.proto.spec) for part in app.get("vega_lite_chart"))
    marks = [layer["mark"]["type"] for layer in accuracy["layer"]]
    assert marks == ["rule", "point", "point"] + ["point"] * (len(seeds) > 1)
    assert [layer["mark"]["type"] for layer in pairs["layer"]] == ["rect", "text"]
