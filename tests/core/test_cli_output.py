"""Tables for people, on wide and on narrow terminals and in pipes."""

from __future__ import annotations

import io
import sys

import pytest

from core.cli.output import print_table

COLUMNS = ("run", "state", "test accuracy %", "place", "reason")
ROWS = (
    ("digits/gn/seed-1", "interrupted", 98.5, None, "its process [was] killed, perhaps for memory"),
    ("digits/ln/seed-1", "done", 97.0, 2, ""),
)


def shown(monkeypatch: pytest.MonkeyPatch, width: int, *, terminal: bool = True) -> list[str]:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    for name, value in (("COLUMNS", str(width)), ("TERM", "xterm"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", stream)
    print_table(COLUMNS, ROWS, title="Runs in runs")
    plain = stream.getvalue().replace("\x1b[1m", "").replace("\x1b[3m", "").replace("\x1b[0m", "")
    return [line.rstrip() for line in plain.splitlines()]


def test_a_terminal_too_narrow_for_the_words_shows_each_row_as_a_list(monkeypatch):
    assert shown(monkeypatch, 40) == [
        "Runs in runs",
        "run              digits/gn/seed-1",
        "state            interrupted",
        "test accuracy %  98.5",
        "reason           its process [was]",
        "                 killed, perhaps for",
        "                 memory",
        "",
        "run              digits/ln/seed-1",
        "state            done",
        "test accuracy %  97.0",
        "place            2",
        "",
    ]


def test_a_wider_one_shows_a_table_without_broken_words(monkeypatch):
    lines = shown(monkeypatch, 74)
    assert lines[1].startswith("┏") and all(len(line) <= 74 for line in lines)
    words = " ".join(lines).replace("┃", " ").replace("│", " ").split()
    for row in ROWS:
        assert {word for cell in row[:2] for word in cell.split()} <= set(words)
    assert {"accuracy", "perhaps", "process", "[was]"} <= set(words)


def test_a_pipe_gets_a_table_whatever_the_terminal(monkeypatch):
    assert shown(monkeypatch, 40, terminal=False)[1].startswith("┏")
