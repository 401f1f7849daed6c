"""The device line: asked in the background, answered in one line, whatever happens."""

from __future__ import annotations

import sys
import time

import pytest

from ui import device_line
from ui.device_line import UNKNOWN, DeviceQuestion

ANSWER = '{"type": "cpu", "name": "Two cores", "reason": "no CUDA"}'


@pytest.fixture(autouse=True)
def at_once(monkeypatch) -> None:
    monkeypatch.setattr(device_line, "DELAY_SECONDS", 0)


def ask(monkeypatch, code: str) -> DeviceQuestion:
    monkeypatch.setattr(device_line, "COMMAND", [sys.executable, "-c", code])
    return DeviceQuestion()


def wait(question: DeviceQuestion) -> str:
    while question.pending:  # it ends by itself, after its own time limit at the latest
        time.sleep(0.02)
    return question.answer()


def test_the_answer_names_device_and_reason(monkeypatch):
    assert wait(ask(monkeypatch, f"print('''{ANSWER}''')")) == "Two cores: no CUDA"


def test_the_kinds_that_are_here_are_those_that_can_be_chosen(monkeypatch):
    answer = '{"name": "A", "reason": "b", "available": ["cpu", "cuda", "tpu"]}'
    question = ask(monkeypatch, f"print('''{answer}''')")
    assert wait(question) == "A: b"
    assert question.available() == ["cuda", "cpu"]
    for code in (f"print('''{ANSWER}''')", "print('[]')", "raise SystemExit(1)"):
        question = ask(monkeypatch, code)
        wait(question)
        assert question.available() == []


@pytest.mark.parametrize(
    "code", ["raise SystemExit(1)", "print('{')", "print('[]')", "print('{}')", "print('null')"]
)
def test_no_answer_is_said_in_one_line(monkeypatch, code):
    assert wait(ask(monkeypatch, code)) == UNKNOWN


@pytest.mark.thorough
def test_the_real_question_is_answered(monkeypatch):
    monkeypatch.setenv("NORMLAB_DEVICE", "cpu")
    assert wait(DeviceQuestion()).endswith("asked for by NORMLAB_DEVICE")
    monkeypatch.setenv("NORMLAB_DEVICE", "tpu")
    assert wait(DeviceQuestion()).startswith("none: Unknown device 'tpu' (NORMLAB_DEVICE)")


def test_the_first_page_comes_first(monkeypatch):
    asked = []
    monkeypatch.setattr(device_line, "DELAY_SECONDS", 60)
    monkeypatch.setattr(DeviceQuestion, "_ask", lambda self: asked.append(self))
    question = DeviceQuestion()
    assert question.pending
    assert asked == []


def test_asking_does_not_wait(monkeypatch):
    started = time.monotonic()
    question = ask(monkeypatch, "import time; time.sleep(30)")
    assert time.monotonic() - started < 5 and question.pending
    monkeypatch.setattr(device_line, "TIMEOUT_SECONDS", 0)
    assert not question.pending
    assert question.answer() == UNKNOWN
