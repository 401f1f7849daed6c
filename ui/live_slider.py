"""Sliders that answer while they move: a group of `<input type="range">` with names and units.

Streamlit's own slider reports only once it is released. This one reports as it moves, but never
before the page has answered the last report, so that no answer is thrown away half-made: a page
interrupts what it computes as soon as it is asked again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from ui import state


@dataclass(frozen=True)
class Slider:
    """One slider: from `low` to `high` by `step`, and `neutral`, where it changes nothing.

    A value is shown between `prefix` and `suffix`; `summary` appears on pointing.
    """

    name: str
    label: str
    low: float
    high: float
    step: float
    neutral: float
    prefix: str = ""
    suffix: str = ""
    summary: str = ""

    def words(self, value: float) -> str:
        """A value with its unit, as the slider itself shows it."""
        return f"{self.prefix}{value:.4g}{self.suffix}".replace("-", "−")


@dataclass(frozen=True)
class Move:
    """What was moved: the last slider's `name`, the new `values` by name, and whether it rests."""

    name: str
    values: Mapping[str, float]
    settled: bool


@functools.cache
def _component() -> Callable:
    here = Path(__file__)
    css, js = (here.with_suffix(end).read_text(encoding="utf-8") for end in (".css", ".js"))
    return st.components.v2.component("normlab_live_slider", css=css, js=js)


def sliders(
    groups: Mapping[str, Sequence[Slider]],
    values: Mapping[str, float],
    *,
    key: str,
    on_move: Callable[[Move], None],
    said: str = "",
    wake: bool = False,
) -> None:
    """Shows `groups` (heading → sliders) at `values` (name → value).

    Call it after what must follow every move: it asks for the next move once it is drawn again,
    which may interrupt the page before what comes later. `on_move` runs before the page's next
    run; what it is told comes from the browser and is not yet checked. A screen reader reads
    `said` when a slider comes to rest. With `wake` an empty move is reported when a pointer or the
    keyboard first comes near.
    """

    def report() -> None:
        if moved := state.value(key).moved:
            on_move(Move(str(moved["name"]), moved["values"], bool(moved["settled"])))

    last = getattr(state.value(key), "moved", None)
    data = {
        "groups": [
            {"title": title, "sliders": [asdict(slider) for slider in group]}
            for title, group in groups.items()
        ],
        "values": dict(values),
        "answered": last["count"] if last else 0,
        "said": said,
        "wake": wake,
    }
    _component()(data=data, key=key, on_moved_change=report)
