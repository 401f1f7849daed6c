"""`explain`: its document, its files, its table, and bad use in one line with nothing written."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from core.__main__ import app
from core.analysis.map_images import enlarge, to_enlarged_rgb, to_png
from core.analysis.methods import METHODS
from core.config import VARIANTS
from core.data.datasets import DATASETS
from core.training.runs import SHIPPED_DIR, read_predictions, run_path
from tests.fixtures_explain import digits_split
from tests.fixtures_runs import copy_shipped

DIGITS = ("--dataset", "digits")
GN = ("--variant", "gn")
FAST = (*DIGITS, *GN, "--method", "saliency")
KEYS = {"variant", "method", "target", "baseline", "valid", "reason", "n_steps"}
KEYS |= {"completeness_error"}


def run_cli(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def document(*arguments: object) -> dict:
    """What is on standard output, which must be one JSON document and nothing else."""
    result = run_cli(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in, without data sets to download."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("NORMLAB_DATA", "NORMLAB_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def picture(home) -> Path:
    """Test digit 7 as a picture."""
    path = home / "seven.png"
    path.write_bytes(to_png(digits_split().images[7]))
    return path


def test_shipped_runs_go_first_unless_a_folder_is_named(picture, tmp_path, monkeypatch):
    own = tmp_path / "own"
    copy_shipped(own, "digits/gn/seed-1")
    monkeypatch.setenv("NORMLAB_RUNS", str(own))
    assert document(picture, *FAST)["predictions"][0]["shipped"] is True
    assert document(picture, *FAST, "--runs-dir", own)["predictions"][0]["shipped"] is False
    said = " ".join(run_cli(picture, *FAST, "--runs-dir", own).stdout.split())
    assert "digits networks of seed 1, from " in said


def first_failure(key: str) -> int:
    found = read_predictions(run_path(SHIPPED_DIR, "digits", key, 1))
    return int(np.flatnonzero(found.predicted != found.targets)[0])


# What is said


def test_six_variants_one_method_with_the_keys_that_were_promised():
    index = first_failure("gn")
    found = document(*DIGITS, "--index", index)
    assert [one["variant"] for one in found["maps"]] == list(VARIANTS)
    for one in found["maps"]:
        assert one.keys() >= KEYS
        assert one["method"] == "integrated_gradients" and one["baseline"] == "black"
        if one["valid"]:
            assert one["completeness_error"] <= 0.05 and 64 <= one["n_steps"] <= 2048
        else:
            assert one["reason"]
    assert any(one["valid"] for one in found["maps"])
    gn = found["predictions"][0]
    logits = read_predictions(run_path(SHIPPED_DIR, "digits", "gn", 1)).logits[index]
    assert gn["logits"] == pytest.approx(logits.tolist(), abs=0.02)
    assert gn["label"] == logits.argmax() and gn["run"] == "digits/gn/seed-1"
    assert gn["probability"] == max(gn["probabilities"])
    assert sum(gn["probabilities"]) == pytest.approx(1)
    true = int(digits_split().targets[index])
    assert found["image"] == {"file": None, "index": index, "true": true}
    first = found["maps"][0]
    assert first["target"] == "pred_minus_true"
    assert first["target_text"] == f"logit {gn['label']} − logit {true} (predicted minus true)"


def test_the_sum_of_a_complete_map_is_the_change_of_the_output():
    (one,) = document(*DIGITS, *GN, "--index", first_failure("gn"))["maps"]
    change = one["output"] - one["output_baseline"]
    error = abs(one["sum"] - change) / abs(change)
    assert error == pytest.approx(one["completeness_error"], abs=1e-4)


def test_seed_target_and_baseline_are_taken(home):
    index = first_failure("gn")
    true = int(digits_split().targets[index])
    for spec, words in [
        ("pred", "(predicted)"),
        ("true", f"logit {true} (true)"),
        ("4", "logit 4 ("),
        ("4-9", "logit 4 − logit 9"),
    ]:
        (one,) = document(*FAST, "--index", index, "--target", spec)["maps"]
        assert one["target"] == spec and words in one["target_text"]
    found = document(*FAST, "--index", index, "--seed", 2)
    assert found["seed"] == 2 and found["predictions"][0]["run"] == "digits/gn/seed-2"
    occlusion = (*DIGITS, *GN, "--index", 0, "--method", "occlusion")
    (mean,) = document(*occlusion, "--baseline", "mean")["maps"]
    assert mean["baseline"] == "mean" and mean["valid"]


def test_a_baseline_that_misleads_is_said_so():
    arguments = (*DIGITS, "--variant", "gn", "--variant", "bn_l1", "--index", 0)
    gn, bn = document(*arguments, "--method", "occlusion", "--baseline", "zero")["maps"]
    assert "not valid for group norm" in gn["warning"] and bn["warning"] is None


def test_a_picture_is_explained_like_the_image_it_was_made_of(picture):
    of_file = document(picture, *FAST)
    of_index = document(*FAST, "--index", 7, "--target", of_file_target(of_file))
    assert of_file["image"] == {"file": str(picture), "index": None, "true": None}
    assert of_file["predictions"] == of_index["predictions"]
    for name in ("sum", "minimum", "maximum"):
        assert of_file["maps"][0][name] == of_index["maps"][0][name]
    assert "the true class is unknown" in of_file["maps"][0]["target_text"]


def of_file_target(found: dict) -> str:
    """The same contrast by its classes."""
    order = np.argsort(found["predictions"][0]["logits"])
    return f"{order[-1]}-{order[-2]}"


def test_a_picture_can_be_the_baseline(picture):
    arguments = (*DIGITS, *GN, "--index", 0, "--method", "occlusion")
    (one,) = document(*arguments, "--baseline", picture)["maps"]
    assert one["valid"] and one["baseline"] == str(picture)


def test_notices_of_a_picture_are_passed_on(home):
    inverted = 255 - digits_split().images[7]
    (home / "paper.png").write_bytes(to_png(inverted))
    found = document("paper.png", *FAST)
    assert any("inverted" in notice for notice in found["notices"])
    assert "inverted" in run_cli("paper.png", *FAST).stdout


def test_a_method_without_meaning_is_refused_with_the_reason_and_no_map():
    arguments = (*DIGITS, "--variant", "gn", "--variant", "bn_l1", "--index", 0)
    gn, bn = document(*arguments, "--method", "deep_lift")["maps"]
    assert not gn["valid"] and "Captum has no DeepLIFT rule" in gn["reason"] and "sum" not in gn
    assert bn["valid"] and bn["reason"] is None and "sum" in bn


def test_what_is_named_twice_is_explained_once():
    names = ("--method", "grad_cam", "--method", "layer_grad_cam")
    found = document(*DIGITS, *GN, *GN, "--index", 0, *names)
    (one,) = found["maps"]
    assert (one["variant"], one["method"]) == ("gn", "layer_grad_cam")


def test_the_table_says_the_same(home):
    result = run_cli(*DIGITS, *GN, "--index", 0, "--method", "lrp", "--method", "grad_cam")
    assert result.exit_code == 0
    true = digits_split().targets[0]
    title, table = result.stdout.split("\n", 1)
    assert title.strip() == f"digits test image 0, a true {true}; digits networks of seed 1"
    for words in (
        "gn",
        "layer_grad_cam",
        "drawn",
        "lrp",
        "none: Captum has no LRP rule",
        "Grad-CAM:",
    ):
        assert words in " ".join(table.replace("│", " ").split())
    assert list(home.iterdir()) == []


# What is written


def test_maps_arrays_and_figures_agree(home):
    methods = ("saliency", "occlusion")
    arguments = [part for method in methods for part in ("--method", method)]
    networks = ("--variant", "gn", "--variant", "bn_l1")
    found = document(*DIGITS, *networks, "--index", 3, *arguments, "--out", "new/explained")
    folder = home / "new/explained"
    assert json.loads((folder / "explanation.json").read_bytes()) == found
    names = [f"{key}-{method}" for key in ("gn", "bn_l1") for method in methods]
    files = {f"{name}{ending}" for name in names for ending in (".npy", ".png")}
    assert {path.name for path in folder.iterdir()} == files | {"image.png", "explanation.json"}
    shown = np.array(Image.open(folder / "image.png"))
    assert np.array_equal(shown, enlarge(digits_split().images[3]))
    maps = {name: np.load(folder / f"{name}.npy") for name in names}
    for one in found["maps"]:
        values = maps[f"{one['variant']}-{one['method']}"]
        assert values.shape == (28, 28) and values.dtype == np.float32
        assert one["sum"] == pytest.approx(values.sum(dtype=float))
        assert (one["minimum"], one["maximum"]) == (values.min(), values.max())
    for method in methods:
        limit = max(np.abs(maps[f"{key}-{method}"]).max() for key in ("gn", "bn_l1"))
        assert found["color_limits"][method] == limit
        for key in ("gn", "bn_l1"):
            drawn = np.array(Image.open(folder / f"{key}-{method}.png"))
            expected = to_enlarged_rgb(maps[f"{key}-{method}"], float(limit))
            assert drawn.shape == (224, 224, 3) and np.array_equal(drawn, expected)


def test_a_map_that_is_refused_leaves_no_file(home):
    document(*DIGITS, *GN, "--index", 3, "--method", "lrp", "--out", "explained")
    assert {path.name for path in (home / "explained").iterdir()} == {
        "image.png",
        "explanation.json",
    }


def test_a_second_run_gives_the_same_bytes(home):
    arguments = (*DIGITS, *GN, "--index", 3, "--method", "noise_tunnel")
    for name in ("a", "b"):
        document(*arguments, "--out", name)
    for path in (home / "a").iterdir():
        assert path.read_bytes() == (home / "b" / path.name).read_bytes()


# On request


@pytest.mark.thorough
def test_trust_and_diagnosis_come_on_request():
    plain = document(*FAST, "--index", 3)
    assert plain["diagnoses"] == [] and "trust" not in plain["maps"][0]
    arguments = (*DIGITS, *GN, "--index", 3, "--method", "saliency", "--method", "lrp")
    found = document(*arguments, "--trust", "--diagnose")
    saliency, lrp = found["maps"]
    trust = saliency["trust"]
    assert lrp["trust"] is None
    assert trust["randomization"]["passed"] and trust["seeds"]["num_maps"] == 10
    assert 0 <= trust["infidelity"]["unexplained"] <= 1 and trust["max_sensitivity"] > 0
    assert trust["deletion"]["values"][0] == pytest.approx(saliency["output"], abs=1e-4)
    (diagnosis,) = found["diagnoses"]
    assert diagnosis["variant"] == "gn" and diagnosis["sentences"]
    assert plain["counterfactuals"] == plain["counterfactual_sentences"] == []
    assert {row["variant"] for row in found["counterfactuals"]} == {"gn"}
    text = run_cli(*arguments, "--trust", "--diagnose").stdout
    assert diagnosis["sentences"][0] in text
    assert found["counterfactual_sentences"][0] in text
    row = next(line for line in text.split("unexplained")[1].splitlines() if "saliency" in line)
    assert f"{trust['randomization']['all_layers']:.2f}, passed" in row
    assert f"{trust['max_sensitivity']:.2f}" in row and "(10 maps)" in row


# Bad use


def refuse(home: Path, *arguments: object, status: int = 2) -> str:
    """Runs what must be refused in one line, with nothing written; that line."""
    before = {path: path.is_file() and path.read_bytes() for path in home.parent.rglob("*")}
    result = run_cli(*arguments)
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("normlab: ") and len(line) < 500
    after = {path: path.is_file() and path.read_bytes() for path in home.parent.rglob("*")}
    assert before == after
    return line


@pytest.mark.parametrize("out", [(), ("--out", "explained"), ("--json", "--out", "explained")])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*DIGITS, "--index", "360"), ("index is 360", "0 to 359")),
        ((*DIGITS, "--index", "-1"), ("index is -1", "0 to 359")),
        (DIGITS, ("picture", "--index")),
        (("seven.png", *DIGITS, "--index", "0"), ("--index", "one of the two")),
        ((*DIGITS, "--index", "0", "--method", "magic"), ("method 'magic'", *METHODS)),
        ((*DIGITS, "--index", "0", "--variant", "bn"), ("variant 'bn'", *VARIANTS)),
        (("--dataset", "cifar", "--index", "0"), ("data set 'cifar'", *DATASETS)),
        ((*FAST, "--index", "0", "--target", "11"), ("target '11'", "pred_minus_true")),
        ((*FAST, "--index", "0", "--target", "5-5"), ("target '5-5'",)),
        ((*FAST, "--index", "0", "--target", ""), ("target ''",)),
        ((*FAST, "--index", "0", "--baseline", "white"), ("baseline 'white'", "black")),
        (("seven.png", *FAST, "--target", "true"), ("true class", "unknown")),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_wrong_use_is_refused_by_name(home, picture, arguments, words, out):
    line = refuse(home, *arguments, *out)
    assert all(word in line for word in words), line


def test_runs_and_data_that_are_not_here(home):
    assert "'digits/gn/seed-99'" in refuse(home, *FAST, "--index", 0, "--seed", 99)
    mnist = ("--variant", "gn", "--out", "explained")
    assert "data/MNIST/raw" in refuse(home, *mnist, "--index", 0, status=1)
    line = refuse(home, *mnist, "--index", 0, "--data-dir", "elsewhere", status=1)
    assert "elsewhere/MNIST/raw" in line
    line = refuse(home, *mnist, "--index", 0, "--dataset", "kmnist", status=1)
    assert "KMNIST" in line


def test_a_picture_needs_no_data_set_unless_its_images_are_asked_for(home, picture):
    mnist = (picture, "--variant", "gn", "--method", "saliency")
    assert document(*mnist)["dataset"] == "mnist"
    assert "data/MNIST/raw" in refuse(home, *mnist, "--baseline", "mean", status=1)
    assert "data/MNIST/raw" in refuse(home, *mnist, "--diagnose", "--out", "new", status=1)


@pytest.mark.parametrize("place", [(), ("--index", "0", "--baseline")])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ("missing.png",)),
        (b"a shopping list", ("picture",)),
        (b"", ("empty",)),
        (to_png(np.zeros((28, 28), np.uint8)), ("blank",)),
    ],
    ids=["missing", "text", "empty", "all black"],
)
def test_files_that_are_no_picture_of_a_digit(home, content, words, place):
    path = home / ("missing.png" if content is None else "here.png")
    if content is not None:
        path.write_bytes(content)
    status = 2 if content is None else 1
    line = refuse(home, *place, path, *FAST, "--out", "explained", status=status)
    assert all(word in line for word in words), line


def test_a_folder_is_no_picture(home):
    (home / "folder").mkdir()
    assert "folder" in refuse(home, "folder", *FAST)


def test_files_that_exist_are_not_overwritten(home):
    document(*FAST, "--index", 3, "--out", "explained")
    assert "explained/image.png exists" in refuse(home, *FAST, "--index", 4, "--out", "explained")
    (home / "explained/image.png").unlink()
    line = refuse(home, *FAST, "--index", 4, "--out", "explained")
    assert "explained/gn-saliency.npy exists" in line and "--out" in line


def test_a_folder_with_other_files_is_fine(home):
    (home / "explained").mkdir()
    (home / "explained/notes.txt").write_text("mine")
    document(*FAST, "--index", 3, "--out", "explained")
    assert (home / "explained/notes.txt").read_text() == "mine"
    assert (home / "explained/explanation.json").is_file()


def test_a_folder_that_cannot_be_written(home, monkeypatch):
    (home / "file").touch()
    arguments = (*FAST, "--index", 3, "--out")
    for folder in ("file", "file/below"):
        assert "not a folder: choose another with --out" in refuse(home, *arguments, folder)
    assert "File name too long" in refuse(home, *arguments, "x" * 300)
    monkeypatch.setattr("core.training.checks.os.access", lambda *args: False)
    assert "cannot be written: choose another" in refuse(home, *arguments, "new")


@pytest.mark.parametrize("writes", range(4))
def test_a_full_disk_leaves_nothing_behind(home, monkeypatch, writes):
    plain, count = os.replace, iter(range(10))

    def replace(source, target):
        if next(count) == writes:
            raise OSError(28, "No space left on device")
        plain(source, target)

    monkeypatch.setattr("core.training.storage.os.replace", replace)
    line = refuse(home, *FAST, "--index", 3, "--out", "new/explained", status=1)
    assert "No space left on device" in line and "--out" in line and "--runs-dir" not in line


def test_npy_files_hold_no_pickle(home):
    document(*FAST, "--index", 3, "--out", "explained")
    content = (home / "explained/gn-saliency.npy").read_bytes()
    assert np.load(io.BytesIO(content), allow_pickle=False).shape == (28, 28)
