"""Choices that the address names by the words of the command line: `variant=gn&method=saliency`.

A widget bound to the address (`ui.state.bound`) understands only the label that it shows. Here the
page reads the address before a widget is made and writes it afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from ui import state


@dataclass(frozen=True)
class Choice:
    """One choice under `name`; `parse` gives the value of a text, or None if it means nothing.

    `default` is shown, and left out of the address, until something is chosen.
    """

    name: str
    parse: Callable[[str], Any | None]
    default: Any

    @property
    def key(self) -> str:
        """The key of the widget, which keeps its value while other pages are shown."""
        return f"chosen-{self.name}"

    def widget(self) -> dict[str, Any]:
        """Arguments for the widget, which starts from the address where that is new.

        It is when the page is opened, and after back and forward. In between the address only
        follows: a click can still carry the one from before the last choice.
        """
        asked, chosen, is_new = state.requested(self.name), state.value(self.key), self.is_new
        if asked is not None and is_new:
            found = self.parse(asked)
            state.put(self._refused, (asked, self.default) if found is None else None)
            state.put(self.key, self.default if found is None else found)
        elif chosen is None or self.parse(str(chosen)) is None:  # left over from another data set
            state.put(self.key, self.default)
        elif is_new:  # another page's widget of this key does not hand its value over by itself
            state.put(self.key, chosen)
        state.put(self._visit, state.visit())
        return {"key": self.key, "persist_state": "session"}

    def settle(self, chosen: Any, *, what: str, shown: str) -> None:
        """Writes what was chosen into the address; call it once the widget has been made.

        As long as the default stands for something that does not exist, says so: `what` was asked
        for ("method") and what is `shown` instead.
        """
        self.follow(chosen)
        asked = self.refused(chosen)
        if asked is not None:
            st.warning(
                f"The address asks for {what} {asked[:40]}, which does not exist. This is {shown}.",
                icon=":material/link_off:",
            )

    def follow(self, chosen: Any) -> None:
        """Writes what was chosen into the address and says nothing."""
        asked = state.requested(self.name)
        if str(chosen) != (str(self.default) if asked is None else asked):
            st.query_params[self.name] = str(chosen)

    def refused(self, chosen: Any) -> str | None:
        """What the address asked for in vain, as long as the default is `chosen` in its place."""
        asked, instead = state.value(self._refused) or (None, None)
        return asked if instead == chosen else None

    @property
    def is_new(self) -> bool:
        """Whether `widget` is about to read the address: see there."""
        return state.value(self._visit) != state.visit() or state.is_history_navigation()

    @property
    def _visit(self) -> str:
        return f"{self.key}-visit"

    @property
    def _refused(self) -> str:
        return f"{self.key}-refused"


def one_of(name: str, options: list[str], default: str | None = None) -> Choice:
    """A choice among `options`; the first one is the default."""
    return Choice(name, {option: option for option in options}.get, default or options[0])


def number(name: str, last: int, default: int) -> Choice:
    """A choice among the numbers from 0 to `last`."""
    return Choice(name, lambda text: _parse_number(text, last), default)


def amount(name: str, low: float, high: float, default: float) -> Choice:
    """A choice among the amounts from `low` to `high`, held as short texts: "0.25"."""
    return Choice(name, lambda text: _parse_amount(text, low, high), f"{default:.6g}")


def _parse_amount(text: str, low: float, high: float) -> str | None:
    try:
        value = float(text[:40])
    except ValueError:
        return None
    return f"{value:.6g}" if low <= value <= high else None


def _parse_number(text: str, last: int) -> int | None:
    # Ten digits hold every number of an image, and int() refuses thousands of them.
    plain = text.isascii() and text.isdecimal() and len(text) <= 10
    return int(text) if plain and int(text) <= last else None
