"""How commands end where they are stopped, or where nobody listens to what they say."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app, main
from core.cli import training
from core.training import jobs
from core.training import trainer as trainer_module
from core.training.request import make_request
from core.training.runs import list_runs
from tests.training_helpers import tiny_data


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in, where training takes a moment."""
    monkeypatch.chdir(tmp_path)
    for name in ("NORMLAB_DATA", "NORMLAB_DEVICE", "NORMLAB_RUNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("core.training.runs.SHIPPED_DIR", tmp_path / "checkpoints")
    monkeypatch.setattr(trainer_module, "load_training_data", lambda *args: tiny_data())
    return tmp_path


def test_a_signal_before_the_training_is_no_success_either(home, monkeypatch):
    monkeypatch.setattr(
        training, "select_device", lambda asked: os.kill(os.getpid(), signal.SIGINT)
    )
    jobs.register(make_request("digits", ["gn"]), home / "runs")
    result = CliRunner().invoke(app, ["train", "--job", "1"])
    assert result.exit_code == 130 and result.stdout == ""
    assert "before it trained anything: go on with `python -m core resume 1`." in result.stderr


@pytest.mark.parametrize("closed", [("stderr",), ("stdout", "stderr")], ids=" and ".join)
def test_a_pipe_that_nobody_reads_does_not_end_a_training(home, monkeypatch, closed):
    monkeypatch.setattr("sys.argv", ["core", "train", "gn", "--epochs", "2", "--dataset", "digits"])
    with ExitStack() as stack:
        for name in closed:
            reader, writer = os.pipe()
            os.close(reader)
            stream = stack.enter_context(open(writer, "w", encoding="utf-8"))
            monkeypatch.setattr(sys, name, stream)
        status: object = None
        try:
            status = main()
        except SystemExit as error:
            status = error.code
        assert status == ("stdout" in closed)
    (run,) = list_runs(home / "runs")
    assert (run.state, run.epoch) == ("done", 2)


def test_without_standard_output_nothing_is_said(home, monkeypatch):
    monkeypatch.setattr("sys.argv", ["core", "runs", "--shipped"])
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert main() == 0
