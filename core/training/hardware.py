"""Settings of the process and its threads that make training fast and repeatable."""

from __future__ import annotations

import ctypes
import sys

import torch

STEPS_PER_MARK = 8
"""A GPU has at most twice as many steps before it."""

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""glibc's names for the parameters of `mallopt`, from its manual."""


def prepare_thread(device: torch.device) -> None:
    """Called first in each training thread: one torch thread each, exact and repeatable kernels.

    One thread per replica makes a replica's arithmetic independent of how many train at once.
    Without TensorFloat-32, which rounds to ten bits and is on for convolutions unless told
    otherwise, a GPU computes what a CPU computes.
    """
    if device.type == "cpu":
        torch.set_num_threads(1)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


class Pace:
    """Keeps the CPU from running ahead: on CUDA a call of a step only queues it.

    Otherwise a whole epoch would be queued at once, which a stop would have to wait for.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._mark: torch.cuda.Event | None = None

    def step_queued(self) -> None:
        """Every `STEPS_PER_MARK` steps waits until the device has reached the mark before."""
        self._steps += 1
        if self._steps % STEPS_PER_MARK == 0:
            before, self._mark = self._mark, torch.cuda.Event()
            self._mark.record()
            if before is not None:
                before.synchronize()


def reclaim_memory(device: torch.device) -> None:
    """Lets glibc keep freed memory for the next step instead of returning it to the system.

    Activations of 1.6 MB would otherwise be mapped, page by page, in every step; measured gain in
    docs/LOG.md. Does nothing elsewhere.
    """
    if device.type != "cpu" or not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_TOP_PAD, 64 << 20)
    except (OSError, AttributeError):
        return
