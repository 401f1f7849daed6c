"""Capturing a training step as a CUDA graph, or saying why it runs without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

WARM_UP_STEPS = 3


def capture(
    step: Callable[[], None], state: Sequence[Tensor]
) -> tuple[Callable[[], None], str | None]:
    """(replay, None), or (`step` itself, the reason) where capture fails.

    `step` must read and write tensors of fixed shape and address; `state` names those it changes,
    which are given back unchanged whatever happens. Every warm-up step starts from them too, so
    that `step` need be possible only once.
    """
    saved = [tensor.detach().clone() for tensor in state]
    current = torch.cuda.current_stream()
    try:
        graph = torch.cuda.CUDAGraph()
        side = torch.cuda.Stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):
                step()
                _give_back(state, saved)
        current.wait_stream(side)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            step()
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        why = (str(error) or type(error).__name__).splitlines()[0]
        return step, f"step not captured as a CUDA graph: {why}"
    finally:
        # A capture that fails to end leaves its own stream behind, and steps still under way.
        torch.cuda.set_stream(current)
        torch.cuda.synchronize()
        _give_back(state, saved)
    return graph.replay, None


@torch.no_grad()
def _give_back(state: Sequence[Tensor], saved: Sequence[Tensor]) -> None:
    for tensor, value in zip(state, saved, strict=True):
        tensor.copy_(value)
