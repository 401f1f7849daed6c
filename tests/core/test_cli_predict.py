"""`predict`: its document, its table, labels, and refused pictures among good ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from core.__main__ import app
from core.analysis.image_properties import PROPERTIES
from core.analysis.predict import describe_logits
from core.analysis.predict import predict as ask
from core.cli import output
from core.config import VARIANTS
from core.data.datasets import get_dataset
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, find_runs
from tests.fixtures_explain import digits_split
from tests.fixtures_runs import copy_shipped
from tests.pictures import encode

DIGITS = ("--dataset", "digits")
FAST = (*DIGITS, "--variant", "gn")
PREDICTION = {
    "variant",
    "run",
    "shipped",
    "label",
    "probability",
    "runner_up",
    "runner_up_probability",
}
PREDICTION |= {"margin", "entropy", "probabilities", "logits"}


def run_cli(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def document(*arguments: object, status: int = 0) -> dict:
    """What is on standard output, which must be one JSON document and nothing else."""
    result = run_cli(*arguments, "--json")
    assert result.exit_code == status, result.stderr
    return json.loads(result.stdout)


def refuse(*arguments: object) -> str:
    """The one line of a command that is not carried out."""
    result = run_cli(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A folder to work in, without data sets, in which nothing may appear."""
    monkeypatch.chdir(tmp_path)
    for name in ("NORMLAB_DATA", "NORMLAB_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    assert not (tmp_path / "runs").exists() and not (tmp_path / "data").exists()


@pytest.fixture
def digit(home) -> Path:
    """Test digit 7, whose label is in its name."""
    path = home / f"digit_{digits_split().targets[7]}.png"
    path.write_bytes(encode(digits_split().images[7]))
    return path


@pytest.fixture
def text(home) -> Path:
    path = home / "text.png"
    path.write_text("Dear sir,\n")
    return path


# The document


def test_six_answers_with_the_keys_that_were_promised(digit):
    found = document(*DIGITS, digit)
    (one,) = found["images"]
    assert (one["file"], one["digit"], one["error"]) == (str(digit), 1, None)
    assert [said["variant"] for said in one["predictions"]] == list(VARIANTS)
    for said in one["predictions"]:
        assert said.keys() == PREDICTION
        assert said["run"] == f"digits/{said['variant']}/seed-1"
        assert said["probability"] == max(said["probabilities"])
        assert sum(said["probabilities"]) == pytest.approx(1)
    assert [row["property"] for row in one["typicality"]] == list(PROPERTIES)
    assert one["agreement"] == f"All 6 variants read it as {digits_split().targets[7]}."
    assert (found["dataset"], found["seed"], found["accuracy"]) == ("digits", 1, [])


def test_the_numbers_are_those_of_the_library_and_of_explain(digit):
    image, info = digits_split().images[7:8], get_dataset("digits")
    networks = {
        k: load_network(r) for k, r in find_runs(VARIANTS, "digits", 1, SHIPPED_DIR).items()
    }
    expected = ask(networks, image, info)
    found = document(*DIGITS, digit)["images"][0]["predictions"]
    for said in found:
        described = describe_logits(expected[said["variant"]][0])
        who = {key: said[key] for key in ("variant", "run", "shipped")}
        assert said == {**who, **described} and said["shipped"]
    explained = CliRunner().invoke(
        app, ["explain", str(digit), *FAST, "--method", "saliency", "--json"]
    )
    assert json.loads(explained.stdout)["predictions"] == found[:1]


def test_a_refused_picture_has_an_error_and_the_others_are_answered(digit, text, home):
    found = document(*FAST, text, digit, home / "nowhere.png", digit, status=1)["images"]
    assert [one["file"] for one in found] == [
        *(str(text), str(digit), str(home / "nowhere.png"), str(digit)),
    ]
    assert found[0].keys() == {"file", "error", "predictions"}
    assert found[0]["error"]["code"] == "format" and found[0]["predictions"] == []
    assert "no picture" in found[0]["error"]["message"]
    assert found[2]["error"]["code"] == "unreadable"
    assert found[1] == found[3] and len(found[1]["predictions"]) == 1


def test_other_seeds_and_one_variant(digit):
    (said,) = document(*FAST, "--seed", 3, digit)["images"][0]["predictions"]
    assert said["run"] == "digits/gn/seed-3"
    result = run_cli(*FAST, "--seed", 99, digit)
    assert result.exit_code == 2 and result.stdout == ""
    assert "No run 'digits/gn/seed-99'" in result.stderr and result.stderr.count("\n") == 1


def test_shipped_runs_go_first_unless_a_folder_is_named(digit, tmp_path, monkeypatch):
    own = tmp_path / "own"
    copy_shipped(own, "digits/gn/seed-1", "digits/ln/seed-1")
    (own / "digits/ln/seed-1/manifest.json").unlink()  # an unfinished run
    monkeypatch.setenv("NORMLAB_RUNS", str(own))
    said = document(*DIGITS, digit)["images"][0]["predictions"]
    assert len(said) == len(VARIANTS) and all(one["shipped"] for one in said)
    assert " from " not in run_cli(*DIGITS, digit).stdout
    named = (*FAST, "--runs-dir", own)
    (one,) = document(*named, digit)["images"][0]["predictions"]
    assert (one["run"], one["shipped"]) == ("digits/gn/seed-1", False)
    said = " ".join(run_cli(*named, "--variant", "bn_l1", digit).stdout.split())
    assert "networks of seed 1, gn from " in said
    assert "networks of seed 1, from " in " ".join(run_cli(*named, digit).stdout.split())
    assert "ln/seed-1 is interrupted" in run_cli(*DIGITS, "--runs-dir", own, digit).stderr


# How pictures are read


def test_dark_on_light_is_found_out_or_told(home):
    path = home / "negative.png"
    path.write_bytes(encode(255 - digits_split().images[7]))
    (upright,) = document(*FAST, path)["images"]
    assert upright["notices"] == ["The ink is darker than the paper: the picture was inverted."]
    (told,) = document(*FAST, "--polarity", "dark_on_light", path)["images"]
    assert told["notices"] == [] and told["predictions"] == upright["predictions"]
    (plain,) = document(*FAST, "--as-is", path)["images"]
    (wrong,) = document(*FAST, "--polarity", "light_on_dark", path)["images"]
    assert plain["predictions"] == wrong["predictions"] != upright["predictions"]


def two_digits(home: Path) -> Path:
    """A picture of a small test digit 3 and a larger test digit 7."""
    small, large = (
        np.pad(np.kron(digits_split().images[index], np.ones((times, times), np.uint8)), 20)
        for index, times in ((3, 3), (7, 4))
    )
    small = np.pad(small, ((0, len(large) - len(small)), (0, 0)))
    path = home / "two_5.png"
    path.write_bytes(encode(255 - np.hstack([small, large])))
    return path


def test_of_two_digits_the_largest_or_all(home):
    path = two_digits(home)
    (largest,) = document(*FAST, path)["images"]
    assert any("2 digits" in notice for notice in largest["notices"])
    found = document(*FAST, "--all-digits", "--labels", "names", path)
    assert [one["digit"] for one in found["images"]] == [1, 2]
    assert found["images"][1]["predictions"] == largest["predictions"]
    assert found["images"][0]["box"][1] < found["images"][1]["box"][1]
    assert found["accuracy"] == []  # one label is not that of two digits
    table = run_cli(*FAST, "--all-digits", path).stdout
    assert "two_5.png (1)" in table and "two_5.png (2)" in table


# Labels


def test_labels_by_names_give_an_accuracy(home, digit):
    true = int(digits_split().targets[7])
    wrong = home / f"digit_{(true + 1) % 10}.png"
    wrong.write_bytes(digit.read_bytes())
    found = document(*FAST, "--labels", "names", digit, wrong)
    assert [one["true"] for one in found["images"]] == [true, (true + 1) % 10]
    (row,) = found["accuracy"]
    assert (row["variant"], row["num_images"], row["errors"]) == ("gn", 2, 1)
    assert row["accuracy_percent"] == 50 and 0 < row["low_percent"] < row["high_percent"] < 100
    assert "Group norm: 50.0 % right" in run_cli(*FAST, "--labels", "names", digit, wrong).stdout


def test_labels_by_a_table(home, digit):
    table = home / "labels.csv"
    table.write_text(f"file,label\n{digit.name},4\n")
    assert document(*FAST, "--labels", table, digit)["images"][0]["true"] == 4
    table.write_text(f"file,label\n{digit.name},four\n")
    result = run_cli(*FAST, "--labels", table, digit)
    assert result.exit_code == 1 and "Row 2" in result.stderr and result.stdout == ""
    table.write_text("file,label\nother.png,4\n")
    result = run_cli(*FAST, "--labels", table, digit)
    assert result.exit_code == 1 and result.stdout == "" and result.stderr.count("\n") == 1
    assert f"{table} has a label for none of the pictures" in result.stderr
    (home / "other.png").write_bytes(digit.read_bytes())
    found = document(*FAST, "--labels", table, digit, home / "other.png")["images"]
    assert [one["true"] for one in found] == [None, 4]


@pytest.mark.parametrize("name", ["none.csv", "nmaes", "."])
def test_a_table_that_cannot_be_read_is_wrong_use(name, digit):
    assert f"--labels {name} cannot be read: " in refuse(*FAST, "--labels", name, digit)


# The table


def test_the_table_has_a_row_per_picture_and_a_line_per_refusal(digit, text):
    digit, text = Path(digit.name), Path(text.name)  # short ones, for a row on one line
    result = run_cli(*DIGITS, digit, text)
    assert result.exit_code == 1
    line = next(line for line in result.stdout.splitlines() if digit.name in line)
    assert line.count(f"{digits_split().targets[7]} (") == 6 and "6 of 6" in line
    assert result.stderr.startswith(f"normlab: {text}: The file is no picture")
    assert result.stderr.count("\n") == 1 and text.name not in result.stdout


def test_what_is_unusual_is_named(home):
    path = home / "thin.png"
    path.write_bytes(encode(np.pad(np.full((24, 1), 255, np.uint8), ((2, 2), (13, 14)))))
    assert "thinner strokes" in run_cli(*FAST, path).stdout


def test_without_a_digit_there_is_no_table(text):
    result = run_cli(*FAST, text)
    assert result.exit_code == 1 and result.stdout == ""


def test_names_cannot_paint_or_break_anything(home, digit, capsysbinary):
    names = [b"[red]a.png", b"\x1b[31mred.png", b"two\nlines.png", b"\xff.png", b":smile:.png"]
    for name in names:
        (home / os.fsdecode(name)).write_bytes(digit.read_bytes())
    shown = run_cli(*FAST, *(os.fsdecode(name) for name in names)).stdout
    for escaped in ("[red]a.png", "\\x1b[31mred.png", "two\\nlines.png", "\\udcff.png"):
        assert escaped in shown
    assert "\x1b" not in shown and ":smile:.png" in shown
    output.print_json({"file": os.fsdecode(b"\xff.png")})
    assert json.loads(capsysbinary.readouterr().out)["file"] == os.fsdecode(b"\xff.png")


# Wrong use


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--variant", "bn"), "Unknown variant 'bn'"),
        (("--dataset", "cifar"), "Unknown data set 'cifar'"),
        (("--polarity", "dark"), "Unknown polarity 'dark'"),
        (("--as-is", "--all-digits"), "give one"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_read(arguments, word, home):
    assert word in refuse(*arguments, home / "nowhere.png")
