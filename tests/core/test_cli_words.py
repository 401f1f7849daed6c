"""Words that the command line does not understand cost one line; help is given where asked for."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest

from core.__main__ import main
from core.cli.words import PHRASES, reason, with_options
from core.training.job import KILLED, Job
from tests.training_helpers import REPOSITORY


def run(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["core", *words])
    return main()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nope"], "nope"),
        (["train", "gn", "--epochs", "ten"], "--epochs"),
        (["train", "gn", "--sedes", "3"], "--sedes"),
        (["summary"], "variant"),
    ],
)
def test_a_wrong_word_costs_one_line(words, named, monkeypatch, capsys):
    assert run(words, monkeypatch) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("normlab: ")
    assert named in err
    assert err.endswith("See --help.\n")


def test_no_word_at_all_gives_the_help(monkeypatch, capsys):
    assert run([], monkeypatch) == 2
    err = capsys.readouterr().err
    assert all(name in err for name in ("train", "resume", "evaluate", "doctor"))


@pytest.mark.parametrize("package", ["torchinfo", "typer"])
def test_a_package_that_is_not_installed_costs_one_line(package):
    script = f"import runpy, sys; sys.modules[{package!r}] = None; runpy.run_module('core')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"normlab: {package} is not installed: run `pip install")
    assert done.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -m core summary gn --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{", "")


@pytest.mark.parametrize(
    ("words", "sign"),
    [
        (["predict", "→.png", "--dataset", "digits", "--variant", "gn", "--json"], "→"),
        (["summary", "gn"], "┏"),
    ],
)
def test_output_is_utf_8_whatever_the_encoding_of_the_machine(words, sign, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp1252"))
    run(words, monkeypatch)
    sys.stdout.flush()
    assert sign in written.getvalue().decode()


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        (
            "digits/gn/seed-1 is already trained (2 epochs): choose other seeds, or delete it.",
            "choose other --seeds, or `python -m core delete digits/gn/seed-1`.",
        ),
        (
            "digits/gn/seed-1 exists and is stopped after epoch 2: resume it, or delete it.",
            "go on with `python -m core resume digits/gn/seed-1`, or `python -m core delete ",
        ),
        (
            "Job 3 waits to train a/b/seed-1 already: wait for it, choose other seeds, or stop it.",
            "choose other --seeds, or stop it: `python -m core stop 3`.",
        ),
        ("There is no job 3 in runs.", "in runs: see `python -m core jobs`."),
        ("No run 'x' in runs or checkpoints/.", "checkpoints/: see `python -m core runs`."),
        (
            "No run 'digits/gn/seed-9' in runs or checkpoints/.",
            "`python -m core runs`, or make it with "
            "`python -m core train gn --seeds 9 --dataset digits`.",
        ),
        ("Choose another folder (NORMLAB_RUNS).", "another folder with --runs-dir."),
        ("out of memory: train fewer, or on the CPU.", "or on the CPU (--device cpu)."),
        ("CUDA was asked for, but torch finds none.", "CUDA was asked for (--device), but"),
        ("Unknown device 'x': choose one.", "Unknown device 'x' (--device): choose one."),
    ],
)
def test_what_to_do_is_said_as_what_to_type(said, typed):
    assert typed in with_options(said)


def test_another_folder_of_runs_is_named_in_each_command(tmp_path):
    said = with_options("No run 'x' in there.", tmp_path / r"a\1")
    assert said.endswith(rf"see `python -m core runs --runs-dir {tmp_path}/a\1`.")


def test_a_killed_job_says_how_it_goes_on(tmp_path):
    assert reason(Job(7, tmp_path, "interrupted", KILLED)).endswith("`python -m core resume 7`")
    assert reason(Job(7, tmp_path, "done")) is None


@pytest.mark.parametrize("phrase", [phrase for phrase, _ in PHRASES])
def test_every_phrase_is_still_said_by_the_core(phrase):
    """Its plain words stand in some file of the core that is not the command line's."""
    words = max(
        re.findall(r"(?:[A-Za-z_]+ ?)+", re.sub(r"\\[A-Za-z]", "", phrase)), key=len
    ).strip()
    texts = (p.read_text() for p in (REPOSITORY / "core").rglob("*.py") if p.parent.name != "cli")
    assert any(words in text for text in texts), words
