"""The filters of the Failures page; a click on the confusion matrix sets two of them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from ui import address, state
from ui.failures_data import filter_failures
from ui.failures_view import PAGE, RESET_PAGE, View, label

TRUE, TAKEN, PERCENT, ALSO = "true", "taken", "percent", "also"
ANY, NO_OTHER = -1, "no_other"
NO_OTHER_NAME = {NO_OTHER: "no other variant"}
FULL_RANGE = (0, 100)


CLEARED: dict[str, Any] = {
    TRUE: ANY,
    TAKEN: ANY,
    PERCENT: FULL_RANGE,
    address.Several(ALSO, {}).key: [],
    PAGE: 1,
}


def filters(view: View, key: str, seed: int) -> pd.DataFrame:
    """The filter widgets; returns the failures that pass them."""
    sets = {name: frame["index"].tolist() for name, frame in view.of_seed(seed).items()}
    others = [name for name in sets if name != key]
    target, predicted = (
        _class_filter(view, name, bound)
        for name, bound in (("True label", TRUE), ("Taken for", TAKEN))
    )
    options = {name: label(name) for name in others} | NO_OTHER_NAME
    choice = address.Several(ALSO, options, none_first=True)
    also = st.multiselect(
        "Also fails in",
        list(options),
        format_func=lambda name: options.get(name, name),
        placeholder="any variant",
        width=210,
        help="Images on which all chosen variants fail as well. Add “no other variant” for those "
        "on which only the shown and the chosen ones fail.",
        **RESET_PAGE,
        **choice.widget(),
    )
    percent = st.slider(
        "Probability in %",
        min_value=FULL_RANGE[0],
        max_value=FULL_RANGE[1],
        value=FULL_RANGE,
        width=190,
        help="What the variant gives the wrong label.",
        **RESET_PAGE,
        **state.bound(PERCENT),
    )
    choice.settle(also, what="images that also fail in")
    return filter_failures(
        view.of_seed(seed)[key],
        target=target,
        predicted=predicted,
        percent=percent,
        also=[sets[name] for name in also if name != NO_OTHER],
        never=[sets[name] for name in others if NO_OTHER in also and name not in also],
    )


def _class_filter(view: View, name: str, bound: str) -> int | None:
    names = view.info.class_names
    chosen = st.selectbox(
        name,
        [ANY, *range(len(names))],
        width=105,
        format_func=lambda number: "any" if number == ANY else names[number],
        **RESET_PAGE,
        **state.bound(bound),
    )
    return None if chosen == ANY else chosen


def clear_filters() -> None:
    """Puts every filter back to "any"; for use as a callback."""
    for name, default in CLEARED.items():
        state.put(name, default)


def selected_cell() -> tuple[int | None, int | None]:
    """The true and the predicted class that are filtered for, None meaning any."""
    target, predicted = state.value(TRUE, ANY), state.value(TAKEN, ANY)
    return None if target == ANY else target, None if predicted == ANY else predicted


def any_set() -> bool:
    """Whether some filter is not at "any"."""
    return any(state.value(name, empty) not in (empty, None) for name, empty in CLEARED.items())


def clear_button(key: str) -> None:
    """A button that clears all filters."""
    st.button("Clear filters", key=key, icon=":material/filter_alt_off:", on_click=clear_filters)


def pick_cell(picked: str) -> None:
    """Filters for a cell "4-9", a row "4-" or a column "-9"; the same one again clears it."""
    wanted = [int(part) if part else ANY for part in picked.split("-")]
    if wanted == [state.value(TRUE), state.value(TAKEN)]:
        wanted = [ANY, ANY]
    for name, number in zip((TRUE, TAKEN), wanted, strict=True):
        state.put(name, number)
    state.put(PAGE, 1)
