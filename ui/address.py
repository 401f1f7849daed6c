"""Choices that the address names by the words of the command line: `variant=gn&method=saliency`.

A widget bound to the address (`ui.state.bound`) understands only the label that it shows. Here the
page reads the address before a widget is made and writes it afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from ui import state
from ui.markdown import escape


@dataclass(frozen=True)
class _Named:
    """What the address says under `name`."""

    name: str

    @property
    def key(self) -> str:
        """The key of the widget, which keeps its value while other pages are shown."""
        return f"chosen-{self.name}"

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

    def refused(self, chosen: Any) -> str | None:
        """What the address asked for in vain, as long as what replaced it is `chosen`."""
        asked, instead = state.value(self._refused) or (None, None)
        return asked if instead == chosen else None

    def _say_refused(self, chosen: Any, what: str, shown: str) -> None:
        asked = self.refused(chosen)
        if asked is not None:
            words = f"The address asks for {what} {asked[:40]}, which cannot be chosen here."
            st.warning(escape(f"{words} This is {shown}."), icon=":material/link_off:")


@dataclass(frozen=True)
class Choice(_Named):
    """One choice under `name`; `parse` gives the value of a text, or None if it means nothing.

    `default` is shown, and left out of the address, until something is chosen.
    """

    parse: Callable[[str], Any | None]
    default: Any

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
        self._say_refused(chosen, what, shown)

    def follow(self, chosen: Any) -> None:
        """Writes what was chosen into the address and says nothing."""
        asked = state.requested(self.name)
        if str(chosen) != (str(self.default) if asked is None else asked):
            st.query_params[self.name] = str(chosen)


@dataclass(frozen=True)
class Several(_Named):
    """Some of `options`, key → label, under `name`: `variants=gn&variants=ln`.

    Until some are chosen all of them, or none if `none_first`; the address leaves that out. A
    label in the address counts as its key, because older links name labels.
    """

    options: Mapping[str, str]
    none_first: bool = False

    @property
    def default(self) -> list[str]:
        """What is chosen where the address says nothing."""
        return [] if self.none_first else list(self.options)

    def widget(self) -> dict[str, Any]:
        """Arguments for the widget, which starts from the address where that is new.

        Where the options change, all of them stay all, also of the new ones; Streamlit would only
        drop what is no longer there.
        """
        asked, chosen = st.query_params.get_all(self.name), state.value(self.key)
        if state.is_history_navigation() or (asked and self.is_new):
            state.put(self.key, self._read(asked))
        else:
            kept = self._carried(chosen)
            if self.is_new or kept != chosen:
                state.put(self.key, kept)
        state.put(self._visit, state.visit())
        state.put(self._offered, list(self.options))
        return {"key": self.key, "persist_state": "session"}

    def _read(self, asked: Sequence[str]) -> list[str]:
        keys = _by_text(self.options)
        found = {keys[text] for text in asked if text in keys}
        shown = [key for key in self.options if key in found] or self.default
        unknown = [text for text in asked if text not in keys]
        state.put(self._refused, (", ".join(unknown), shown) if unknown else None)
        return shown

    def _carried(self, chosen: list[str] | None) -> list[str]:
        """What was `chosen` among the options shown before, as a choice among these."""
        options, before = list(self.options), state.value(self._offered)
        if chosen is None or before == options:
            return self.default if chosen is None else chosen
        were_all = not self.none_first and set(chosen) == set(before or ())
        return options if were_all else [key for key in options if key in chosen] or self.default

    def settle(self, chosen: Sequence[str], *, what: str) -> list[str]:
        """`chosen` in the order of the options; writes it into the address as `Choice` does."""
        ordered = [key for key in self.options if key in chosen]
        wanted = ordered if ordered != self.default else []
        if wanted and set(st.query_params.get_all(self.name)) != set(wanted):
            st.query_params[self.name] = wanted
        elif not wanted and self.name in st.query_params:
            del st.query_params[self.name]
        nothing_said = "none" if self.none_first else "all that there are"
        names = ", ".join(self.options[key] for key in wanted) or nothing_said
        self._say_refused(ordered, what, names)
        return ordered

    @property
    def _offered(self) -> str:
        return f"{self.key}-offered"


def one_of(
    name: str,
    options: list[str],
    default: str | None = None,
    *,
    label: Callable[[str], str] = str,
) -> Choice:
    """A choice among `options`; the first one is the default.

    What `label` makes of an option counts as the option, where older links name that.
    """
    return Choice(name, _by_text({one: label(one) for one in options}).get, default or options[0])


def _by_text(labels: Mapping[str, str]) -> dict[str, str]:
    """Each option by itself and by its label, from option → label."""
    return {label: option for option, label in labels.items()} | {one: one for one in labels}


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
