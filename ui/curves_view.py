"""The controls and figures of the curves page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

import altair as alt
import pandas as pd
import streamlit as st

from core.published import DATASET as PUBLISHED_DATASET
from core.published import SOURCE, history
from ui import address, state
from ui.charts import DATA_SET, VARIANT_LABELS, titled
from ui.charts_curves import ZOOM, curves_chart, curves_spec, describe, panel_spec, panels_chart
from ui.curves_data import L1_PENALTY, QUANTITIES, Curves, Quantity, curves
from ui.downloads import csv_file, download_files, picture_files
from ui.state import Selection

ONE_AXIS, PANELS = "One axis", "Small multiples"
DEFAULT_QUANTITIES = ["Test loss", "Test accuracy"]
AXIS_HINT = (
    "Click a legend entry to single it out, double-click it to show all. Point to read one epoch; "
    "scroll with Ctrl or ⌘ to zoom, drag to move, double-click to reset."
)
L1_HINT = (
    "L1 penalty: what L1 adds to the loss, so 0 for variants without L1. Weight decay, which is "
    "L2, acts in the optimizer and is no part of it."
)
GREY_IS = "Grey: the other variants."
PANELS_HINT = f"{GREY_IS} Point to read one epoch."
EPOCHS, LAST_EPOCH = "epochs", "epochs-last"
MAX_KEPT = 32
T = TypeVar("T")
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
    quantities = st.pills(
        "Quantities",
        list(QUANTITIES),
        selection_mode="multi",
        default=DEFAULT_QUANTITIES,
        **state.bound("show"),
    )
    variants = _variants(selection)
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
        variants=variants,
        panels=layout == PANELS,
        epochs=epochs,
        log=log,
        published=published,
        singles=singles,
    )


def _variants(selection: Selection) -> list[str]:
    choice = address.Several(
        "variants", {key: VARIANT_LABELS.get(key, key) for key in selection.by_variant}
    )
    chosen = st.pills(
        "Variants",
        list(choice.options),
        selection_mode="multi",
        format_func=lambda key: choice.options.get(key, key),
        **choice.widget(),
    )
    return choice.settle(chosen, what="the variant")


def _epochs(last: int) -> tuple[int, int]:
    if last < 2:
        return 1, last
    _follow_last(last)
    help_text = "Zooms all charts; Ctrl or ⌘ with scrolling zooms one."
    return st.slider("Epochs", 1, last, (1, last), help=help_text, width=280, **state.bound(EPOCHS))


def _follow_last(last: int) -> None:
    """Has a range of all epochs be that of all up to the `last` one of other runs, too."""
    if state.value(EPOCHS) == (1, state.value(LAST_EPOCH)):
        state.put(EPOCHS, (1, last))
    state.put(LAST_EPOCH, last)


def caption(choice: Choice, selection: Selection) -> None:
    """How to read the figures, in words."""
    several = selection.most_seeds > 1
    parts = [
        f"Line: mean over {selection.seeds_said}; band: 95 % interval of that mean."
        if several
        else "",
        f"Dashed: published ({SOURCE})." if choice.published else "",
        PANELS_HINT if choice.panels else AXIS_HINT,
        "What is 0 cannot be shown on a log scale." if choice.log else "",
    ]
    st.caption(" ".join(filter(None, parts)))
    if choice.published and any(quantity.published is None for quantity in choice.quantities):
        st.caption(
            "The published train loss is cross-entropy and L1 penalty in one number, so it cannot "
            "stand beside ours, which are logged apart."
        )
    if any(quantity.title == L1_PENALTY for quantity in choice.quantities):
        st.caption(
            L1_HINT + (" On a log scale variants without L1 are not drawn." if choice.log else "")
        )


def figures(choice: Choice, rows: pd.DataFrame, num_test: int) -> list[Figure]:
    """A figure for each chosen quantity; `num_test` test images decide what seeds that tie say."""
    theirs = history() if choice.published else history().iloc[:0]
    drawn = [
        curves(
            quantity,
            rows,
            theirs,
            epochs=choice.epochs,
            log=choice.log,
            step=100 / num_test if quantity.column == "test_accuracy_percent" else 0,
        )
        for quantity in choice.quantities
    ]
    return [Figure(one, one.table, _name(one), choice.log, choice.singles) for one in drawn]


def _name(one: Curves) -> str:
    return one.quantity.title.lower().replace(" ", "-")


@dataclass(frozen=True)
class Figure:
    """Curves, what makes their table, the name of their files, how they are drawn, and what tells
    them in words. Its specifications are made once.

    `where` and `line_is` are for the exported files: of which layer, and what line and band are if
    not the mean over seeds and its interval.
    """

    curves: Curves
    table: Callable[[], pd.DataFrame]
    name: str
    log: bool = False
    singles: bool = False
    describe: Callable[[Curves], str] = describe
    where: str = ""
    line_is: str = ""

    @property
    def legend(self) -> str:
        """How to read its lines."""
        counts = self.curves.lines["num_seeds"]
        seeds = " to ".join(f"{count}" for count in sorted({counts.min(), counts.max()}))
        mean = f"Line: mean over {seeds} seeds; band: 95 % interval of that mean."
        parts = [
            self.line_is or (mean if counts.max() > 1 else ""),
            "Thin: single seeds." if self.singles else "",
            f"Dashed: published ({SOURCE})." if len(self.curves.published) else "",
        ]
        return " ".join(filter(None, parts))

    @cached_property
    def one_axis(self) -> dict[str, Any]:
        """All variants on one axis."""
        return curves_spec(self.curves, log=self.log, singles=self.singles)

    @cached_property
    def panels(self) -> dict[str, dict[str, Any]]:
        """A panel for each variant that has lines."""
        return {
            key: panel_spec(self.curves, key, log=self.log, singles=self.singles)
            for key in dict.fromkeys(self.curves.lines["variant"])
        }


@st.cache_resource(show_spinner=False, max_entries=MAX_KEPT)
def kept(key: Any, _make: Callable[[], T]) -> T:
    """What `_make` makes, from the last time if `key` was the same.

    A page that follows a training is drawn every second, mostly with nothing new. Shared between
    sessions: read it, never change it.
    """
    return _make()


def draw(drawn: Sequence[Figure], choice: Choice, *, live: bool = False) -> None:
    """Those that have lines, side by side or one below the other as panels.

    While they are `live`, only the figures of a chart change, so that its zoom stays.
    """
    shown = [figure for figure in drawn if not figure.curves.lines.empty]
    if choice.panels:
        for figure in shown:
            _panels(figure, choice, live)
        return
    with st.grid(2, min_column_width=CHART_MIN_WIDTH):
        for figure in shown:
            with st.container():
                _one_axis(figure, live)


def _one_axis(figure: Figure, live: bool) -> None:
    one = figure.curves
    st.subheader(one.quantity.title, anchor=False)
    st.vega_lite_chart(
        figure.one_axis,
        key=f"curve-{one.quantity.column}",
        alt=_words(figure, one, live),
        on_select="rerun",  # or Streamlit would reset the zoom with every new figure
        selection_mode=ZOOM,
    )
    _downloads(figure, partial(curves_chart, one))


def _panels(figure: Figure, choice: Choice, live: bool) -> None:
    one = figure.curves
    st.subheader(one.quantity.title, anchor=False)
    variants = [key for key in choice.variants if key in figure.panels]
    with st.grid(3, min_column_width=PANEL_MIN_WIDTH):
        for variant in variants:
            with st.container(gap="xsmall"):
                st.markdown(f"**{VARIANT_LABELS.get(variant, variant)}**")
                key = f"panel-{one.quantity.column}-{variant}"
                words = _words(figure, one.only(variant), live)
                st.vega_lite_chart(figure.panels[variant], key=key, alt=words)
    _downloads(figure, partial(panels_chart, one, variants), GREY_IS)


def _words(figure: Figure, shown: Curves, live: bool) -> str:
    """What is told who cannot see the chart.

    While it is live, that must stay the same: the browser draws a chart anew whose words change.
    """
    if not live:
        return figure.describe(shown)
    labels = [VARIANT_LABELS.get(key, key) for key in dict.fromkeys(shown.lines["variant"])]
    return (
        f"{shown.quantity.axis_title} over epochs, followed while it is trained: "
        f"{', '.join(labels)}. Their figures: download CSV."
    )


def _downloads(figure: Figure, chart: Callable[..., alt.TopLevelMixin], *lines: str) -> None:
    def make() -> alt.TopLevelMixin:
        title = f"{figure.curves.quantity.title}{figure.where}, {DATA_SET}"
        return titled(chart(log=figure.log, singles=figure.singles), title, figure.legend, *lines)

    files = {"CSV": lambda: csv_file(figure.table())(), **picture_files(make)}
    download_files(files, f"{figure.name}-{state.dataset()}")
