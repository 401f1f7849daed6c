"""The middle of the Failures page: the grid of images and the confusion matrix."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.analysis.metrics import confusion_matrix
from ui import failures_filters, failures_tables, images, resources, state
from ui.downloads import csv_file, download_file
from ui.failures_data import ORDERS, sort_failures
from ui.failures_view import PAGE, View, label, pick_image
from ui.picker import pick

ORDER = "order"
PAGE_SIZE = 60


def grid(view: View, key: str, seed: int, shown: pd.DataFrame) -> None:
    """The misclassified images that pass the filters, a page at a time."""
    total = len(view.of_seed(seed)[key])
    order = _grid_header(view, f"failures-{view.info.key}-{key}-seed-{seed}", shown, total)
    if shown.empty:
        _nothing(view, key, total)
        return
    tiles = st.container()
    page = paged(len(shown), PAGE_SIZE, PAGE)
    html = images.failure_grid(
        sort_failures(shown, order)[page],
        images=view.images,
        class_names=view.info.class_names,
        color=failures_tables.variant_color(key),
    )
    with tiles:
        pick(html, key="tiles", on_pick=pick_image)


def paged(num_rows: int, size: int, name: str) -> slice:
    """Page buttons where they are needed; the rows of the chosen page."""
    num_pages = -(-num_rows // size)
    page = st.pagination(num_pages, **state.bound(name)) if num_pages > 1 else 1
    return slice((page - 1) * size, page * size)


def _grid_header(view: View, name: str, shown: pd.DataFrame, total: int) -> str:
    count = _count(len(shown), total)
    with st.container(
        horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"
    ):
        st.header(count, anchor=False, width="content")
        with st.container(horizontal=True, width="content", vertical_alignment="bottom"):
            order = st.selectbox(
                "Order", list(ORDERS), width=170, label_visibility="collapsed", **state.bound(ORDER)
            )
            download_file(
                "CSV",
                lambda: csv_file(_listed(sort_failures(shown, order), view.info.class_names))(),
                "CSV",
                name,
                help="Download this list",
            )
    return order


def _count(shown: int, total: int) -> str:
    """Such as "All 5 failures", "1 failure" or "2 of 5 failures"."""
    failures = f"{total} failure{'s' * (total != 1)}"
    if shown < total:
        return f"{shown} of {failures}"
    return f"All {failures}" if total > 1 else failures


def _listed(shown: pd.DataFrame, class_names: tuple[str, ...]) -> pd.DataFrame:
    """The list for a file, classes by name."""
    columns = ["index", "target", "predicted", "probability", "target_probability", "margin"]
    table = shown[columns].copy()
    for column in ("target", "predicted"):
        table[column] = [class_names[number] for number in table[column]]
    return table


def _nothing(view: View, key: str, total: int) -> None:
    if not total:
        st.success(f"{label(key)} is right on every test image of {view.info.label}.")
        return
    one = f"The only failure of {label(key)} does not pass"
    which = f"None of the {total} failures of {label(key)} passes" if total > 1 else one
    st.info(f"{which} all filters.")
    failures_filters.clear_button("clear-nothing")


def confusion(view: View, key: str, seed: int) -> None:
    """The confusion matrix; a click filters the grid, a second click on the same cell clears it."""
    found = resources.predictions(view.run(key, seed))
    matrix = confusion_matrix(found.targets, found.predicted, len(view.info.class_names))
    st.header("Confusion matrix", anchor=False)
    html = failures_tables.confusion_table(
        matrix,
        class_names=view.info.class_names,
        selected=failures_filters.selected_cell(),
        color=failures_tables.variant_color(key),
    )
    pick(html, key="confusion", on_pick=failures_filters.pick_cell)
    st.caption("Press a number or a label to see only those images; press again for all.")
    if failures_filters.any_set():
        failures_filters.clear_button("clear")
