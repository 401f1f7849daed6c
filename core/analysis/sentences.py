"""A diagnosis in plain words, every figure with it. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.analysis.diagnosis import Diagnosis


def describe(d: Diagnosis) -> list[str]:
    """What was found, most important first: verdict, persistence, statistics, channels, pixels."""
    return [_verdict(d), *_persistence(d), *_patching(d), _head(d), _share(d)]


def _verdict(d: Diagnosis) -> str:
    return f"{d.variant.label} says {d.class_names[d.predicted]}."


def _persistence(d: Diagnosis) -> list[str]:
    return []


def _patching(d: Diagnosis) -> list[str]:
    return []


def _head(d: Diagnosis) -> str:
    return f"{d.head.rescaling_share:.0%}"


def _share(d: Diagnosis) -> str:
    return f"{d.gradient_share:.0%}"
