"""What torch.cuda does around a step, pretended: for tests on machines without a CUDA device."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch


class PretendedCuda:
    """Stands in for torch.cuda's graphs and streams; `fail_in` names what raises `error`.

    What is called computes on the CPU at once; `step` is what a replay of the graph does.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fail_in = ""
        self.error: BaseException = RuntimeError("injected\nsecond line")
        self.replayed = 0
        self.captured = 0
        self.reached = 0
        self.step: Callable[[], None] = lambda: None
        self.current = self.first = self.make_stream()
        self.events: list[str] = []
        monkeypatch.setattr(torch.cuda, "CUDAGraph", self.make_graph)
        monkeypatch.setattr(torch.cuda, "Stream", self.make_stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: self.current)
        monkeypatch.setattr(torch.cuda, "set_stream", self.set_stream)
        monkeypatch.setattr(torch.cuda, "stream", self.stream)
        monkeypatch.setattr(torch.cuda, "graph", self.graph)
        monkeypatch.setattr(torch.cuda, "Event", self.make_event)
        monkeypatch.setattr(
            torch.cuda, "synchronize", lambda *_: self.events.append("synchronized")
        )

    def check(self, place: str) -> None:
        if self.fail_in == place:
            raise self.error

    def make_graph(self) -> SimpleNamespace:
        self.check("making the graph")
        return SimpleNamespace(replay=self.replay)

    def replay(self) -> None:
        self.replayed += 1
        self.step()

    def make_event(self) -> SimpleNamespace:
        """One that is reached when somebody waits for it, and not before."""
        event = SimpleNamespace()

        def record() -> None:
            event.steps = self.replayed

        def synchronize() -> None:
            self.reached = event.steps

        event.record, event.synchronize = record, synchronize
        return event

    def make_stream(self) -> SimpleNamespace:
        return SimpleNamespace(wait_stream=lambda other: None)

    def set_stream(self, stream: SimpleNamespace) -> None:
        self.current = stream

    @contextlib.contextmanager
    def stream(self, stream: SimpleNamespace) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextlib.contextmanager
    def graph(self, graph: object, **options: object) -> Iterator[None]:
        """As torch's own, it leaves its stream only once the capture has been ended."""
        before, self.current = self.current, self.make_stream()
        self.check("beginning the capture")
        try:
            yield
        finally:
            self.check("ending the capture")
            self.current = before
        self.captured += 1
