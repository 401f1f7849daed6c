"""`fetch`: what it asks for, what it says, and the cures that name it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from core.__main__ import app
from core.cli import fetch
from core.cli.words import with_options
from core.data.datasets import DATASETS, check_dataset
from core.errors import DataError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NORMLAB_DATA", raising=False)
    return tmp_path


@pytest.fixture
def asked(write_dataset, monkeypatch) -> list[tuple[str, Path]]:
    """What was to be downloaded; it is there at once."""
    found: list[tuple[str, Path]] = []

    def download(key: str, root: Path, progress) -> None:
        found.append((key, root))
        if key != "digits":
            write_dataset(key, root)
            progress(5, 10)
            progress(10, 10)

    monkeypatch.setattr(fetch, "download_dataset", download)
    return found


def run_cli(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["fetch", *map(str, arguments)])


def test_what_is_named_is_fetched_once_with_progress_apart(asked):
    result = run_cli("kmnist", "qmnist", "kmnist")
    assert result.exit_code == 0, result.stderr
    assert asked == [("kmnist", Path("data")), ("qmnist", Path("data"))]
    assert "downloading kmnist into data" in result.stderr
    assert result.stdout == "kmnist is in data/KMNIST/raw\nqmnist is in data/QMNIST/raw\n"


def test_the_document_lists_data_sets_as_doctor_does(asked, home):
    result = run_cli("mnist", "digits", "--data-dir", "here", "--json")
    assert result.exit_code == 0, result.stderr
    (mnist, digits) = json.loads(result.stdout)["datasets"]
    path = "here/MNIST/raw"
    assert mnist == {"name": "mnist", "present": True, "damaged": False, "path": path}
    doctor = CliRunner().invoke(app, ["doctor", "--data-dir", "here", "--json"])
    entries = json.loads(doctor.stdout)["datasets"]
    assert mnist in entries and digits in entries
    assert asked[0] == ("mnist", Path("here"))


def test_digits_are_always_there(home):
    result = run_cli("digits")
    assert result.exit_code == 0 and result.stderr.strip() == ""
    assert result.stdout.rstrip().endswith("always: nothing to download")
    assert list(home.iterdir()) == []


def test_what_one_put_there_is_not_called_always_there(home, write_dataset, monkeypatch):
    own = replace(DATASETS["mnist"], key="mine", torchvision=None)
    monkeypatch.setitem(DATASETS, "mine", own)
    write_dataset("mine", home / "data")
    assert run_cli("mine").stdout == "mine is in data/mine/raw\n"


def test_an_unknown_name_is_refused_before_anything_is_fetched(asked):
    result = run_cli("kmnist", "cifar")
    assert (result.exit_code, result.stdout, asked) == (2, "", [])
    assert result.stderr.startswith("normlab: Unknown data set 'cifar': choose from mnist")
    assert run_cli().exit_code == 2


def test_what_arrived_damaged_is_a_failure(asked, monkeypatch):
    monkeypatch.setattr("core.data.datasets.MNIST_SHA256", {"train-labels-idx1-ubyte": "0"})
    result = run_cli("mnist")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "its SHA-256 is not the expected one" in result.stderr.splitlines()[-1]


def test_a_download_that_fails_is_one_line(monkeypatch):
    def fail(*args: object) -> None:
        raise DataError("Cannot download x: the connection failed.")

    monkeypatch.setattr(fetch, "download_dataset", fail)
    result = run_cli("mnist")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.strip() == "normlab: Cannot download x: the connection failed."


def test_the_cure_of_missing_data_fetches_them(asked, home):
    said = check_dataset("mnist", home / "my data").reason or ""
    assert "--runs-dir" not in with_options(said, home / "runs")
    command = said.split("`")[1].removeprefix("python -m core fetch ").replace("'", "")
    name, _, folder = command.partition(" --data-dir ")
    assert run_cli(name, "--data-dir", folder).exit_code == 0
    assert check_dataset("mnist", home / "my data").present
