"""`doctor`: what is damaged, missing or not installed, and what was asked for and is not there."""

from __future__ import annotations

import json
import re
import shutil
from itertools import product
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.__main__ import app
from core.cli import doctor
from core.config import VARIANTS, Variant
from core.data import datasets, digits
from core.training.checkpoint import load_network
from tests.fixtures_runs import write_run

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A folder to work in; all six are shipped with seeds 1 and 2, and all of them load."""
    monkeypatch.chdir(tmp_path)
    for name in ("NORMLAB_DATA", "NORMLAB_DEVICE", "NORMLAB_RUNS"):
        monkeypatch.delenv(name, raising=False)
    for dataset, variant, seed in product(("mnist", "digits"), VARIANTS.values(), (1, 2)):
        write_run(tmp_path / "checkpoints", dataset, variant, seed)
    monkeypatch.setattr(doctor, "SHIPPED_DIR", tmp_path / "checkpoints")
    monkeypatch.setattr(doctor, "load_network", lambda run: None)
    return tmp_path


def run_cli(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["doctor", *map(str, arguments)])


def document(*arguments: object, status: int = 0) -> dict:
    result = run_cli(*arguments, "--json")
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def test_all_is_well():
    found = document()
    assert (found["problems"], found["notes"], found["runs_intact"]) == ([], [], 24)


def test_every_required_package_is_looked_for(monkeypatch):
    required = set(re.findall(r"^([\w-]+)==", REQUIREMENTS.read_text(), re.MULTILINE))
    assert required == {*doctor.PACKAGES, "torch", "numpy"}
    assert required <= document()["versions"].keys()
    monkeypatch.setattr(doctor, "PACKAGES", (*doctor.PACKAGES, "normlab-unknown"))
    (problem,) = document(status=1)["problems"]
    assert problem.startswith("normlab-unknown is not installed: pip install")


@pytest.mark.parametrize("name", ["train-images", "t10k-labels"])
def test_data_of_the_right_size_with_a_wrong_byte_are_a_problem(name, home, write_dataset):
    files = write_dataset("kmnist", home / "data")
    path = next(path for path in files if name in path.name)
    sums = path.with_name(datasets.CHECKSUMS_FILE)
    sums.write_text(f"{'0' * 64}  {path.name}\n")
    found = document(status=1)
    (problem,) = found["problems"]
    assert str(path.relative_to(home)) in problem and "SHA-256" in problem
    entry = next(entry for entry in found["datasets"] if entry["name"] == "kmnist")
    assert entry["damaged"] and not entry["present"]
    assert re.search(r"kmnist +damaged", run_cli().stdout)


def test_damaged_digits_are_a_problem(tmp_path, monkeypatch):
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(digits.digits_path().read_bytes()[:5_000])
    monkeypatch.setattr(digits, "digits_path", lambda: path)
    (problem,) = document(status=1)["problems"]
    assert f"{path} is damaged" in problem


def test_a_seed_that_others_have_is_missed_by_name(home):
    shutil.rmtree(home / "checkpoints/mnist/gn/seed-2")
    shutil.rmtree(home / "checkpoints/mnist/ln")
    shutil.rmtree(home / "checkpoints/digits/bn_l1/seed-1")
    assert document(status=1)["problems"] == [
        "no shipped mnist run of gn (seed 2), ln: fetch the checkout again",
        "no shipped digits run of bn_l1 (seed 1): fetch the checkout again",
    ]


def test_a_damaged_run_is_not_called_missing(home, monkeypatch):
    monkeypatch.setattr(doctor, "load_network", load_network)
    (home / "checkpoints/mnist/gn/seed-2/run.json").write_text("{}")
    problems = document(status=1)["problems"]
    assert any("mnist/gn/seed-2 is damaged" in problem for problem in problems)
    assert not any("no shipped" in problem for problem in problems)


def test_a_variant_of_ones_own_is_to_be_trained_not_fetched(home, monkeypatch):
    monkeypatch.setitem(VARIANTS, "mine", Variant("mine", "group"))
    found = document()
    assert found["problems"] == [] and len(found["notes"]) == 2
    said = run_cli().stdout
    assert (
        "note: mine has no shipped digits run of seed 1: train it with `python -m core train mine"
        in said
    )
    write_run(home / "runs", "digits", VARIANTS["mine"], 1)
    assert [note.split()[4] for note in document()["notes"]] == ["mnist"]


def test_a_device_that_was_asked_for_is_refused_and_one_of_the_environment_reported(monkeypatch):
    result = run_cli("--device", "foo")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("normlab: Unknown device 'foo' (--device): choose one of")
    monkeypatch.setenv("NORMLAB_DEVICE", "foo")
    assert "Unknown device 'foo' (NORMLAB_DEVICE)" in document(status=1)["problems"][0]
