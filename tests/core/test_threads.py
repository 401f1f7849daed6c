"""Order, errors and threads of work done beside each other."""

from __future__ import annotations

import threading
import time

import pytest

from core.analysis.threads import map_in_threads


def test_results_keep_the_order_of_the_items_whatever_they_take():
    def slowest_first(number: int) -> int:
        time.sleep(0.02 * (4 - number))
        return number * number

    assert map_in_threads(slowest_first, range(5)) == [0, 1, 4, 9, 16]
    assert map_in_threads(slowest_first, []) == []


def test_it_works_beside_each_other_and_not_in_the_callers_thread(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    both = threading.Barrier(2, timeout=20)  # broken, unless two calls run at the same time

    def meet(_: int) -> int:
        both.wait()
        return threading.get_ident()

    assert threading.get_ident() not in map_in_threads(meet, range(2))


def test_the_first_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda number: 1 // number, [1, 0, 2])


def test_progress_counts_and_may_end_the_work(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    seen: list[int] = []
    map_in_threads(str, range(3), seen.append)
    assert seen == [1, 2, 3]

    def work(number: int) -> None:
        begun.append(number)
        time.sleep(0.02)

    def leave(done: int) -> None:
        raise KeyboardInterrupt

    begun: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        map_in_threads(work, range(20), leave)
    assert len(begun) < 20
