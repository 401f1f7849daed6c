"""The controls and figures of the curves page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.published import SOURCE, history
from ui import state
from ui.charts import PADDING, VARIANT_LABELS
from ui.charts_curves import curves_chart, describe, panel_chart, panels_chart
from ui.curves_data import QUANTITIES, Curves, Quantity, curves
from ui.downloads import download_row
from ui.state import Selection

PUBLISHED_DATASET = "mnist"
ONE_AXIS, PANELS = "One axis", "Small multiples"
DEFAULT_QUANTITIES = ["Test loss", "Test accuracy"]
LEGEND_HINT = "Click a legend entry to single it out, double-click it to show all."
CHART_MIN_WIDTH, PANEL_MIN_WIDTH = 380, 230


@dataclass(frozen=True)
class Choice:
    """What the controls are set to; `epochs` is the first and the last one shown."""

    quantities: list[Quantity]
    variants: list[str]
    panels: bool
    epochs: tuple[int, int]
    log: bool
    published: bool
    singles: bool


def controls(selection: Selection, *, last_epoch: int) -> Choice:
    """Draws the controls; all of them are kept in the address."""
    labels = {VARIANT_LABELS.get(key, key): key for key in selection.by_variant}
    quantities = st.pills(
        "Quantities",
        list(QUANTITIES),
        selection_mode="multi",
        default=DEFAULT_QUANTITIES,
        **state.bound("show"),
    )
    variants = st.pills(
        "Variants",
        list(labels),
        selection_mode="multi",
        default=list(labels),
        **state.bound("variants"),
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        layout = st.segmented_control(
            "Layout", [ONE_AXIS, PANELS], default=ONE_AXIS, required=True, **state.bound("layout")
        )
        epochs = _epochs(last_epoch)
    with st.container(horizontal=True, gap="medium"):
        log = st.toggle("Log scale", help="Accuracy turns into error.", **state.bound("log"))
        published = selection.dataset == PUBLISHED_DATASET and st.toggle(
            "Published curves", value=True, **state.bound("published")
        )
        singles = selection.most_seeds > 1 and st.toggle("Single seeds", **state.bound("singles"))
    return Choice(
        quantities=[QUANTITIES[title] for title in QUANTITIES if title in quantities],
        variants=[key for label, key in labels.items() if label in variants],
        panels=layout == PANELS,
        epochs=epochs,
        log=log,
        published=published,
        singles=singles,
    )


def _epochs(last: int) -> tuple[int, int]:
    if last < 2:
        return 1, last
    help_text = "Zooms all charts; scroll and drag on a chart zoom that one."
    return st.slider(
        "Epochs", 1, last, (1, last), help=help_text, width=280, **state.bound("epochs")
    )


def caption(choice: Choice, selection: Selection) -> None:
    """How to read the figures, in words."""
    several = selection.most_seeds > 1
    parts = [
        f"Line: mean over {selection.seeds_said}; band: 95 % interval of that mean."
        if several
        else "",
        f"Dashed: published ({SOURCE})." if choice.published else "",
        "Grey: the other variants." if choice.panels else LEGEND_HINT,
        "Point to read one epoch; scroll to zoom, drag to move, double-click to reset.",
        "What is 0 cannot be shown on a log scale." if choice.log else "",
    ]
    st.caption(" ".join(filter(None, parts)))
    if choice.published and any(quantity.published is None for quantity in choice.quantities):
        st.caption(
            "The published train loss is cross-entropy and L1 penalty in one number, so it cannot "
            "stand beside ours, which are logged apart."
        )


def figures(choice: Choice, rows: pd.DataFrame) -> None:
    """One chart per quantity, or a panel per quantity and variant, with downloads."""
    theirs = history() if choice.published else history().iloc[:0]
    drawn = [
        curves(quantity, rows, theirs, epochs=choice.epochs, log=choice.log)
        for quantity in choice.quantities
    ]
    draw([Figure(one, one.table(), _name(one), log=choice.log) for one in drawn], choice)


def _name(one: Curves) -> str:
    return one.quantity.title.lower().replace(" ", "-")


@dataclass(frozen=True)
class Figure:
    """Curves, the table and the name of their files, their scale, and what tells them in words."""

    curves: Curves
    table: pd.DataFrame
    name: str
    log: bool = False
    describe: Callable[[Curves], str] = describe


def draw(drawn: Sequence[Figure], choice: Choice) -> None:
    """Those that have lines, side by side or one below the other as panels."""
    shown = [figure for figure in drawn if not figure.curves.lines.empty]
    if choice.panels:
        for figure in shown:
            _panels(figure, choice)
        return
    with st.grid(2, min_column_width=CHART_MIN_WIDTH):
        for figure in shown:
            with st.container():
                _one_axis(figure, choice)


def _one_axis(figure: Figure, choice: Choice) -> None:
    one = figure.curves
    st.subheader(one.quantity.title, anchor=False)
    chart = curves_chart(one, log=figure.log, singles=choice.singles)
    st.altair_chart(chart, key=f"curve-{one.quantity.column}", alt=figure.describe(one))
    download_row(chart, figure.table, figure.name)


def _panels(figure: Figure, choice: Choice) -> None:
    one = figure.curves
    st.subheader(one.quantity.title, anchor=False)
    variants = [key for key in choice.variants if key in set(one.lines["variant"])]
    with st.grid(3, min_column_width=PANEL_MIN_WIDTH):
        for variant in variants:
            chart = panel_chart(one, variant, log=figure.log, singles=choice.singles)
            with st.container(gap="xsmall"):
                st.markdown(f"**{VARIANT_LABELS.get(variant, variant)}**")
                key = f"panel-{one.quantity.column}-{variant}"
                words = figure.describe(one.only(variant))
                st.altair_chart(chart.properties(padding=PADDING), key=key, alt=words)
    every = panels_chart(one, variants, log=figure.log, singles=choice.singles)
    download_row(every, figure.table, figure.name)
