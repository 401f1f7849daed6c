"""Bad use gets one clear line and changes nothing."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from core.__main__ import app
from core.cli import fetch
from core.config import VARIANTS
from core.data.datasets import DATASETS
from core.training import checks
from core.training import trainer as trainer_module
from core.training.archive import export_run
from core.training.runs import read_run
from tests.training_helpers import REPOSITORY, tiny_data, train_tiny

DIGITS = ("--dataset", "digits")
KNOWN = tuple(VARIANTS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder of two finished runs: digits/gn/seed-1, and one that says it is of MNIST."""
    root = tmp_path_factory.mktemp("trained")
    for dataset in ("digits", "mnist"):
        train_tiny(root, ("gn", 1, 1), dataset=dataset)
    return root


@pytest.fixture
def runs_dir(home, trained) -> Path:
    """A copy of it that may be spoiled."""
    shutil.copytree(trained, home / "runs")
    return home / "runs"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in; nothing may be downloaded and nothing trained."""
    monkeypatch.chdir(tmp_path)
    for name in ("NORMLAB_DATA", "NORMLAB_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    for module in ("core.training.runs", "core.cli.reports", "core.cli.doctor"):
        monkeypatch.setattr(f"{module}.SHIPPED_DIR", tmp_path / "checkpoints")
    monkeypatch.setattr(fetch, "download_dataset", lambda *a: pytest.fail("downloaded"))
    monkeypatch.setattr(trainer_module, "load_training_data", lambda *a: tiny_data())
    monkeypatch.setattr(trainer_module.Engine, "fit", lambda self: pytest.fail("trained"))
    return tmp_path


def snapshot(root: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def refuse(home: Path, *arguments: object, status: int = 2) -> str:
    """Runs a command that must be refused in one line, with nothing changed; that line."""
    before = snapshot(home)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("normlab: ") and len(line) < 500
    assert snapshot(home) == before
    return line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "bn", *DIGITS), ("variant 'bn'", *KNOWN)),
        (("train", "gn", "GN", *DIGITS), ("variant 'GN'", *KNOWN)),
        (("train", "../gn", *DIGITS), ("variant '../gn'", *KNOWN)),
        (("train", *DIGITS), ("--all", *KNOWN)),
        (("train", "gn", "--all", *DIGITS), ("--all", "one of the two")),
        (("train", "gn", "--dataset", "cifar"), ("data set 'cifar'", *DATASETS)),
        (("train", "gn", "--dataset", ""), ("data set ''", *DATASETS)),
        (("train", "gn", "--device", "tpu", *DIGITS), ("device 'tpu'", "cuda", "cpu")),
        (("train", "gn", "--epochs", "0", *DIGITS), ("epochs is 0", "1 to 1000")),
        (("train", "gn", "--epochs", "-3", *DIGITS), ("epochs is -3", "1 to 1000")),
        (("train", "gn", "--epochs", "1000000000", *DIGITS), ("epochs is 1000000000",)),
        (("train", "gn", "--step-size", "0", *DIGITS), ("--step-size is 0: it must be",)),
        (("train", "gn", "--rotation", "nan", *DIGITS), ("--rotation is nan: it must lie in 0",)),
        (("train", "gn", "--gamma", "2", *DIGITS), ("--gamma is 2.0: it must lie in (0, 1].",)),
        (("train", "gn", "--seeds", "-1", *DIGITS), ("'-1'", "1-10")),
        (("train", "gn", "--seeds", "", *DIGITS), ("''", "1-10")),
        (("train", "gn", "--seeds", "one", *DIGITS), ("'one'", "1-10")),
        (("train", "gn", "--seeds", "nan", *DIGITS), ("'nan'", "1-10")),
        (("train", "gn", "--seeds", "9" * 5_000, *DIGITS), ("999", "1-10")),
        (("train", "gn", "--seeds", "1-5000", *DIGITS), ("'1-5000'", "at most")),
        (("summary", "bn"), ("variant 'bn'", *KNOWN)),
        (("evaluate", "--dataset", "cifar"), ("data set 'cifar'", *DATASETS)),
        (("evaluate", *DIGITS, "--device", "tpu"), ("device 'tpu'",)),
        (("resume", "--device", "tpu"), ("device 'tpu'",)),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_wrong_use_is_refused_by_name(home, arguments, words):
    line = refuse(home, *arguments)
    assert all(word in line for word in words), line


@pytest.mark.parametrize("command", [("train", "gn", *DIGITS), ("evaluate", *DIGITS)])
def test_a_device_that_is_not_there(home, command, monkeypatch):
    monkeypatch.setattr("core.device.is_available", lambda kind: kind == "cpu")
    assert "CUDA was asked for (--device)" in refuse(home, *command, "--device", "cuda")
    monkeypatch.setenv("NORMLAB_DEVICE", "mps")
    assert "MPS was asked for (NORMLAB_DEVICE)" in refuse(home, *command)


@pytest.mark.parametrize("command", ["predict", "explain", "robustness"])
def test_what_is_computed_on_the_cpu_says_so_and_refuses_an_unknown_device(
    home, command, monkeypatch
):
    assert "Always on the CPU" in CliRunner().invoke(app, [command, "--help"]).stdout
    monkeypatch.setenv("NORMLAB_DEVICE", "gpu")
    line = refuse(home, command, "digits/gn/seed-9")
    assert "Unknown device 'gpu' (NORMLAB_DEVICE): choose one of auto, cuda" in line
    monkeypatch.setenv("NORMLAB_DEVICE", "mps")  # known, though not there
    result = CliRunner().invoke(app, [command, "digits/gn/seed-9"])
    assert result.exit_code in (1, 2) and "mps" not in result.stderr.lower()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("evaluate", "digits/gn/seed-1", *DIGITS), ("'digits/gn/seed-1'", "runs")),
        (("robustness", "digits/gn/seed-1"), ("'digits/gn/seed-1'", "runs")),
        (("export", "digits/gn/seed-1"), ("'digits/gn/seed-1'", "runs")),
        (("label", "digits/gn/seed-1", "--name", "x"), ("'digits/gn/seed-1'", "runs")),
        (("import", "nowhere.zip"), ("nowhere.zip is not there", "`export` wrote")),
        (("import", "."), (". is no file",)),
        (("explain", "nowhere.png", *DIGITS), ("'nowhere.png' is not there",)),
        (("resume", "digits/gn/seed-1"), ("'digits/gn/seed-1'", "runs")),
        (("resume", "/etc/passwd"), ("'/etc/passwd'", "runs")),
        (("resume", "../../x"), ("'../../x'", "runs")),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_what_is_named_and_not_there_is_wrong_use(home, arguments, words):
    line = refuse(home, *arguments)
    assert all(word in line for word in words), line


def test_shipped_runs_that_are_not_there_are_a_failure(home):
    assert "No shipped run of digits" in refuse(home, "evaluate", *DIGITS, status=1)


def test_a_target_that_takes_nothing_is_wrong_use_and_a_full_one_is_not(
    home, runs_dir, monkeypatch
):
    command = ("export", "digits/gn/seed-1", "--to")
    assert "you may write to with --to." in refuse(home, *command, "nowhere/run.zip")

    def fill(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.training.storage.os.fsync", fill)
    assert "No space left" in refuse(home, *command, "run.zip", status=1)


def test_what_has_no_weights_says_what_to_do(home, runs_dir):
    name = "digits/gn/seed-1"
    path = runs_dir / name
    changed = (path / "metrics.jsonl").read_bytes()
    (path / "metrics.jsonl").write_bytes(b"")
    cure = f"its sha256 differs: `python -m core delete {name}` and train it again"
    for command in ("evaluate", "robustness", "export"):
        assert refuse(home, command, name, status=1).endswith(f"{cure}.")
    said = " ".join(CliRunner().invoke(app, ["runs"]).stdout.replace("│", " ").split())
    assert cure in said
    (path / "metrics.jsonl").write_bytes(changed)
    (path / "manifest.json").unlink()
    (path / "status.json").write_text('{"state": "stopped", "reason": "stopped in epoch 1"}')
    for command in ("evaluate", "robustness", "export"):
        line = refuse(home, command, name, status=1)
        assert "is stopped in epoch 1: only a finished run" in line
        assert line.endswith(f", so go on with `python -m core resume {name}`.")
    runs_dir.rename(home / "checkpoints")
    (home / "checkpoints" / name / "run.json").unlink()
    line = refuse(home, "evaluate", name, status=1)
    assert line.endswith("run.json is missing: get NormLab's own copy again.")


def test_a_runs_folder_that_cannot_be_written(home, monkeypatch):
    (home / "file").touch()
    command = ("train", "gn", *DIGITS, "--runs-dir")
    for folder in ("file", "file/below"):
        assert "file is not a folder: choose another with --runs-dir" in refuse(
            home, *command, folder
        )
    assert "File name too long" in refuse(home, *command, "x" * 300)
    monkeypatch.setattr(checks.os, "access", lambda *args: False)
    assert "cannot be written: choose another" in refuse(home, *command, "new/runs")


def test_other_errors_of_the_system_are_one_line_too(home):
    assert "File name too long" in refuse(home, "runs", "--runs-dir", "x" * 300, status=1)
    assert "File name too long" in refuse(home, "resume", "--runs-dir", "x" * 300, status=1)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory.\nTried to"), "out of memory: end other"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when"), "out of memory: end other"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "or on the CPU (--device cpu)."),
        (MemoryError(), "out of memory: end other programs"),
        (OSError("cannot find loader"), "the system: cannot find loader"),
        (OSError(), "the system: OSError"),
    ],
    ids=repr,
)
def test_too_little_memory_and_nameless_errors_are_one_line(
    home, runs_dir, monkeypatch, error, said
):
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr("core.cli.reports.evaluate_logits", fail)
    assert said in refuse(home, "evaluate", "digits/gn/seed-1", status=1)


def test_a_mistake_of_ours_is_not_taken_for_too_little_memory(home, runs_dir, monkeypatch):
    def fail(*args: object) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    monkeypatch.setattr("core.cli.reports.evaluate_logits", fail)
    with pytest.raises(RuntimeError, match="multiplied"):
        CliRunner().invoke(app, ["evaluate", "digits/gn/seed-1"], catch_exceptions=False)


def test_a_folder_of_runs_that_is_not_there_is_said(home):
    result = CliRunner().invoke(app, ["runs", "--runs-dir", "nowhere", "--json"])
    assert (result.exit_code, result.stdout.split()) == (0, ["{", '"runs":', "[]", "}"])
    assert result.stderr == "nowhere is not there: nothing was trained into it yet.\n"
    (home / "file").touch()
    assert "file is not a folder: choose another" in refuse(home, "runs", "--runs-dir", "file")
    assert CliRunner().invoke(app, ["runs", "--shipped"]).stderr == ""


def test_a_home_folder_is_meant_by_a_tilde(home, runs_dir, monkeypatch):
    monkeypatch.setenv("HOME", str(home))
    for arguments, variable in (((), "~/runs"), (("--runs-dir", "~/runs"), "elsewhere")):
        monkeypatch.setenv("NORMLAB_RUNS", variable)
        assert "digits/gn/seed-1" in CliRunner().invoke(app, ["runs", *arguments]).stdout
    monkeypatch.delenv("NORMLAB_RUNS")
    for option in ("--runs-dir", "--data-dir"):
        line = refuse(home, "evaluate", "digits/gn/seed-1", option, "~nobody0/x")
        assert line.endswith("~nobody0/x is nowhere: ~nobody0 has no home. Name it in full.")


@pytest.mark.parametrize(
    "folder", ["checkpoints", "./checkpoints/../checkpoints", "checkpoints/new", "link", "partly"]
)
def test_nothing_is_written_among_the_shipped_runs(home, folder):
    name = "digits/gn/seed-1"
    shutil.copytree(REPOSITORY / "checkpoints" / name, home / "checkpoints" / name)
    root = home / "checkpoints"
    (home / "run.zip").write_bytes(export_run(read_run(root / name, root)))
    (home / "link").symlink_to("checkpoints")
    (home / "partly").mkdir()
    (home / "partly/digits").symlink_to(home / "checkpoints/digits")
    for command in (
        *(("train", "gn", "--seeds", seeds, *DIGITS) for seeds in ("1", "77")),
        *(("train", "gn", "--seeds", "77", *DIGITS, "--detach"), ("import", home / "run.zip")),
    ):
        line = refuse(home, *command, "--runs-dir", folder)
        assert "came with NormLab" in line and line.endswith(
            "choose another folder with --runs-dir."
        )
        assert "delete" not in line
    for command in (("label", name, "--name", "Mine"), ("delete", name, "--yes")):
        refuse(home, *command, "--runs-dir", folder)
    for command in (("resume",), ("queue", 1, 1)) if folder != "partly" else ():
        assert "came with NormLab" in refuse(home, *command, "--runs-dir", folder)


def test_a_run_that_exists_is_not_trained_again(home, runs_dir):
    path = runs_dir / "digits/gn/seed-1"
    command = ("train", "ln", "gn", "--seeds", "1,2", *DIGITS)
    assert "digits/gn/seed-1 is already trained (1 epoch)" in refuse(home, *command)
    (path / "manifest.json").unlink()
    line = refuse(home, *command)
    assert "interrupted" in line and "python -m core resume digits/gn/seed-1" in line
    (path / "run.json").write_text("{}")
    line = refuse(home, *command)
    assert "damaged" in line and "python -m core delete digits/gn/seed-1" in line
    assert "is damaged" in refuse(home, "resume", "digits/gn/seed-1")


def test_data_that_are_missing_or_damaged_are_named(home, runs_dir, write_dataset):
    command = ("evaluate", "mnist/gn/seed-1")
    assert "data/MNIST/raw/t10k-images-idx3-ubyte" in refuse(home, *command, status=1)
    files = write_dataset("mnist", home / "elsewhere")
    damaged = next(path for path in files if "t10k-images" in path.name)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    line = refuse(home, *command, "--data-dir", home / "elsewhere", status=1)
    cure = f"`python -m core fetch mnist --data-dir {home / 'elsewhere'}`"
    assert str(damaged) in line and line.endswith(f"fetch it again: run {cure}.")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("train", "gn", "--epochs", "ten"), "--epochs"),
        (("train", "gn", "--epochs", "nan"), "--epochs"),
        (("train", "gn", "--learning-rate", "nan"), "--learning-rate"),
        (("trian", "gn"), "trian"),
        (("summary",), "variant"),
    ],
    ids=lambda value: " ".join(value)[:40],
)
def test_what_the_parser_refuses_is_named_in_its_last_line(home, arguments, named):
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 2 and result.stdout == ""
    assert named in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr and not list(home.iterdir())


def test_every_command_reports_through_one_place():
    commands = [command.callback for command in app.registered_commands]
    assert len(commands) >= 10 and all(hasattr(command, "__wrapped__") for command in commands)
