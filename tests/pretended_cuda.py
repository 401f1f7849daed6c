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
        self.step: Callable[[], None] = lambda: None
        stream = SimpleNamespace(wait_stream=lambda other: None)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", self.make_graph)
        monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
        monkeypatch.setattr(torch.cuda, "stream", lambda _: contextlib.nullcontext())
        monkeypatch.setattr(torch.cuda, "graph", self.graph)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)

    def check(self, place: str) -> None:
        if self.fail_in == place:
            raise self.error

    def make_graph(self) -> SimpleNamespace:
        self.check("making the graph")
        return SimpleNamespace(replay=self.replay)

    def replay(self) -> None:
        self.replayed += 1
        self.step()

    @contextlib.contextmanager
    def graph(self, graph: object, **options: object) -> Iterator[None]:
        self.check("beginning the capture")
        yield
        self.check("ending the capture")
        self.captured += 1
