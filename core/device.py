"""Which device computes, and why."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass

import torch

from core.config import DEVICE_TYPES
from core.errors import UsageError

ENVIRONMENT_VARIABLE = "NORMLAB_DEVICE"


@dataclass(frozen=True)
class DeviceChoice:
    """`type` is one of `DEVICE_TYPES`, `name` the product's, `reason` a phrase for the user."""

    type: str
    name: str
    reason: str

    @property
    def device(self) -> torch.device:
        """For `Tensor.to`."""
        return torch.device(self.type)

    def to_dict(self) -> dict[str, str]:
        """Ready for JSON."""
        return asdict(self)


def select_device(requested: str | None = None) -> DeviceChoice:
    """The device asked for by `requested`, else by NORMLAB_DEVICE, else the best one found.

    Raises `UsageError` for an unknown name and for a device that is not there; a device that was
    asked for is never replaced by another.
    """
    asked = check_choice(requested)
    source = "" if requested else f" ({ENVIRONMENT_VARIABLE})"
    if asked == "auto":
        return _best_device()
    if not is_available(asked):
        raise UsageError(
            f"{asked.upper()} was asked for{source}, but torch {torch.__version__} "
            "finds none here. Leave the choice open or take cpu."
        )
    return DeviceChoice(
        asked, device_name(asked), f"asked for by {ENVIRONMENT_VARIABLE}" if source else "asked for"
    )


def check_choice(requested: str | None = None) -> str:
    """What is asked for, as by `select_device`, there or not; `UsageError` for an unknown name."""
    asked = requested or os.environ.get(ENVIRONMENT_VARIABLE) or "auto"
    known = ("auto", *DEVICE_TYPES)
    if asked not in known:
        source = "" if requested else f" ({ENVIRONMENT_VARIABLE})"
        raise UsageError(f"Unknown device {asked!r}{source}: choose one of {', '.join(known)}.")
    return asked


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` was raised because the device or the machine has too little memory.

    CUBLAS_STATUS_ALLOC_FAILED and CUDNN_STATUS_ALLOC_FAILED say so too.
    """
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    said = str(error)
    phrases = ("out of memory", "can't allocate memory", "not enough memory", "_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(phrase in said for phrase in phrases)


def _best_device() -> DeviceChoice:
    found = next(kind for kind in DEVICE_TYPES if is_available(kind))
    missing = ", ".join(kind.upper() for kind in DEVICE_TYPES[: DEVICE_TYPES.index(found)])
    reason = f"torch {torch.__version__} finds no {missing}"
    return DeviceChoice(found, device_name(found), reason if missing else "the first choice")


def is_available(kind: str) -> bool:
    """Whether torch can compute on a device of this type here."""
    if kind == "cpu":
        return True
    if kind == "mps":
        return torch.backends.mps.is_available()
    return getattr(torch, kind).is_available()


def device_name(kind: str) -> str:
    """The product name of the first device of this type."""
    if kind in ("cuda", "xpu"):
        return getattr(torch, kind).get_device_name(0)
    if kind == "mps":
        return "Apple GPU"
    return f"{_processor_name()}, {os.cpu_count()} cores"


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()
