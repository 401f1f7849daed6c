"""`robustness` and `evaluate --corruption`: documents, tables, what is stored, and bad use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.__main__ import app
from core.analysis import derived
from core.analysis.robustness import COLUMNS, severities, stored
from core.analysis.robustness_table import TABLE_COLUMNS
from core.cli import robustness
from core.data.corruptions import CORRUPTIONS
from core.errors import RunError
from core.training.runs import list_runs
from tests.fixtures_runs import copy_shipped

DIGITS = ("--dataset", "digits")
ZIGZAG = ("--corruption", "zigzag")


def run_cli(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def document(*arguments: object) -> dict:
    """What is on standard output, which must be one JSON document and nothing else."""
    result = run_cli(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in; two variants with two seeds are shipped."""
    monkeypatch.chdir(tmp_path)
    for name in ("NORMLAB_DATA", "NORMLAB_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    names = [f"digits/{key}/seed-{seed}" for key in ("gn", "bn_l1") for seed in (1, 2)]
    copy_shipped(tmp_path / "checkpoints", *names)
    for module in ("core.training.runs", "core.cli.reports"):
        monkeypatch.setattr(f"{module}.SHIPPED_DIR", tmp_path / "checkpoints")
    return tmp_path


def test_the_document_holds_every_outcome_and_the_table(home):
    found = document("robustness", *DIGITS, *ZIGZAG)
    assert list(found) == ["dataset", "results", "table"] and found["dataset"] == "digits"
    assert all(tuple(row) == COLUMNS for row in found["results"])
    rows = [(r["corruption"], r["severity"], r["variant"], r["seed"]) for r in found["results"]]
    assert rows == [
        ("mnist_c_zigzag", severity, variant, seed)
        for variant in ("gn", "bn_l1")
        for seed in (1, 2)
        for severity in (0, 1)
    ]
    assert all(list(row) == TABLE_COLUMNS for row in found["table"])
    assert [row["corruption"] for row in found["table"]] == ["clean"] * 2 + ["mnist_c_zigzag"] * 2
    assert found["table"][0]["severity"] is None and found["table"][0]["num_seeds"] == 2
    run = list_runs(home / "checkpoints")[0]
    assert stored(run)["mnist_c_zigzag"][1].errors == found["results"][1]["errors"]


def test_nothing_is_computed_twice(monkeypatch):
    first = document("robustness", *DIGITS, *ZIGZAG, "--seed", "1")
    monkeypatch.setattr(robustness, "load_split", None)
    assert document("robustness", *DIGITS, *ZIGZAG, "--seed", "1") == first
    by_name = document("robustness", "digits/gn/seed-1", *ZIGZAG)
    assert by_name["results"] == first["results"][:2]
    assert by_name["table"][1]["low_percent"] < by_name["table"][1]["accuracy_percent"]


def test_a_run_that_is_named_twice_is_one_seed():
    once = document("robustness", "digits/gn/seed-1", *ZIGZAG)
    assert document("robustness", "digits/gn/seed-1", "digits/gn/seed-1", *ZIGZAG) == once
    assert {row["num_seeds"] for row in once["table"]} == {1}
    assert len(document("evaluate", "digits/gn/seed-1", "digits/gn/seed-1")["runs"]) == 1


def test_progress_is_told_apart_from_the_table():
    result = run_cli("robustness", *DIGITS, "--corruption", "zigzag", "--corruption", "stripe")
    assert result.exit_code == 0
    assert "evaluating corrupted images" in result.stderr and "8/8" in result.stderr
    assert "evaluating" not in result.stdout
    for said in ("Clean test images", "Zigzag (MNIST-C)", "Stripe (MNIST-C)", "2 seeds", "#1"):
        assert said in result.stdout
    assert "evaluating" not in run_cli("robustness", *DIGITS, *ZIGZAG).stderr


def test_all_corruptions_are_the_default(monkeypatch):
    asked = []
    monkeypatch.setattr(robustness, "_compute", lambda runs, keys, *rest: asked.extend(keys))
    document("robustness", *DIGITS)
    assert asked == list(CORRUPTIONS)


def test_one_seed_is_named_as_such():
    said = run_cli("robustness", *DIGITS, *ZIGZAG, "--seed", "2").stdout
    assert "one seed" in said and "Wilson over images" in said


@pytest.mark.parametrize(
    ("names", "said", "columns"),
    [
        (("gn/seed-1", "bn_l1/seed-1"), "Wilson over images) and rank; one seed,", ["gn", "bn_l1"]),
        (
            ("gn/seed-1", "gn/seed-2", "bn_l1/seed-1"),
            "Student's t over seeds; *: one seed, Wilson over images) and rank; 1 or 2 seeds,",
            ["gn", "bn_l1 *"],
        ),
    ],
)
def test_columns_of_one_seed_are_told_from_those_of_several(names, said, columns):
    shown = run_cli("robustness", *(f"digits/{name}" for name in names), *ZIGZAG).stdout
    title, _, table = shown.partition("┏")
    assert said in " ".join(title.split())
    header = table.splitlines()[1]
    assert [cell.strip() for cell in header.split("┃")[2:-1]] == columns


def test_a_folder_that_cannot_be_written_costs_one_line(monkeypatch):
    def refuse(*args: object) -> None:
        raise RunError("Cannot write")

    monkeypatch.setattr(derived, "write_atomic", refuse)
    monkeypatch.setattr(derived, "_unwritten", {})
    result = run_cli("robustness", *DIGITS, *ZIGZAG, "--seed", "1", "--json")
    assert result.exit_code == 0 and len(json.loads(result.stdout)["results"]) == 4
    assert "The results were not stored" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((*DIGITS, "--corruption", "rain"), 2, "Unknown corruption 'rain': choose from"),
        ((*DIGITS, "--seed", "7"), 2, "None of these runs has seed 7: choose from 1, 2."),
        ((*DIGITS, "--seed", "x"), 2, "not understood"),
        (("--dataset", "nist"), 2, "Unknown data set 'nist'"),
        (("digits/gn/seed-1", "--dataset", "mnist"), 2, "is of digits, not mnist"),
        (("digits/gn/seed-9",), 2, "No run 'digits/gn/seed-9'"),
        (("--dataset", "kmnist"), 1, "No shipped run of kmnist"),
    ],
)
def test_bad_use_costs_one_line(arguments, status, said):
    result = run_cli("robustness", *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("normlab: ") and said in line


def test_a_damaged_run_is_named(home):
    (home / "checkpoints/digits/gn/seed-2/model.safetensors").write_bytes(b"")
    result = run_cli("robustness", *DIGITS, *ZIGZAG)
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 1 and "digits/gn/seed-2 is damaged" in line


# evaluate --corruption


def test_evaluate_says_which_corruption_and_agrees_with_what_is_stored(home):
    found = document("evaluate", "digits/gn/seed-1", "--corruption", "zigzag")
    assert list(found) == ["dataset", "corruption", "severity", "runs"]
    assert (found["corruption"], found["severity"]) == ("mnist_c_zigzag", 1)
    assert severities("mnist_c_zigzag") == (1,)
    document("robustness", *DIGITS, *ZIGZAG, "--seed", "1")
    outcome = stored(list_runs(home / "checkpoints")[0])["mnist_c_zigzag"][1]
    assert found["runs"][0]["errors"] == outcome.errors
    table = run_cli("evaluate", "digits/gn/seed-1", "--corruption", "contrast=0.25").stdout
    assert "Contrast about black, 0.25 ×" in table


def test_evaluate_at_the_neutral_severity_is_evaluate():
    plain = document("evaluate", "digits/bn_l1/seed-1")
    neutral = document("evaluate", "digits/bn_l1/seed-1", "--corruption", "rotation=0")
    assert (neutral["corruption"], neutral["severity"]) == ("rotation", 0)
    (a,), (b,) = plain["runs"], neutral["runs"]
    assert a["errors"] == b["errors"]
    assert a["cross_entropy"] == pytest.approx(b["cross_entropy"], abs=1e-5)
    assert "corruption" not in plain


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("contrast", "names no severity"),
        ("contrast=9", "choose from 0.05 to 2 ×"),
        ("contrast=nan", "contrast is nan"),
        ("fog=1.5", "choose a whole level"),
        ("rain=1", "Unknown corruption"),
    ],
)
def test_evaluate_refuses_what_is_no_corruption(asked, said):
    result = run_cli("evaluate", "digits/gn/seed-1", "--corruption", asked)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert said in line
