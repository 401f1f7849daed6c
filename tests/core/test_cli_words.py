"""Words that the command line does not understand cost one line; help is given where asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.__main__ import main


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


def test_a_reader_that_leaves_is_no_error():
    command = f"{sys.executable} -m core summary gn --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{", "")
