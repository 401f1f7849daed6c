"""Work beside each other, one thread per core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Result]:
    """The results of `function` in the order of `items`; its first error is raised.

    `on_progress` is called in the calling thread with the number of results so far; if it or
    `function` raises, what has not begun is left undone. For work that torch does outside Python's
    lock. A process that uses it should give torch one thread (`torch.set_num_threads`), because
    small convolutions only wait for a second one.
    """
    pool = ThreadPoolExecutor(os.cpu_count())
    results = []
    try:
        for result in pool.map(function, items):
            results.append(result)
            on_progress(len(results))
    finally:
        pool.shutdown(cancel_futures=True)
    return results
