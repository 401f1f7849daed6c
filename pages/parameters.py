"""Parameters: how large are the networks, and what does each normalization add?"""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # when this page is run alone

import pandas as pd
import streamlit as st

from core.config import CONV_CHANNELS, VARIANTS, Recipe, Variant, variant_label
from ui import address, network_graph, norm_cubes, sidebar, state
from ui import charts_parameters as charts
from ui.downloads import download_row
from ui.drawing import draw
from ui.palette import VARIANT_COLORS

if TYPE_CHECKING:
    from core.model.summary import Summary

NORM_LAYERS = [f"norm{number}" for number in range(1, len(CONV_CHANNELS) + 1)]
EXAMPLES = {variant.norm: key for key, variant in reversed(VARIANTS.items())}  # first of each


@st.cache_data(show_spinner="Counting parameters")
def load_summary(key: str, _variant: Variant) -> "Summary":
    """The summary of a variant; torch is imported only here, after the page's title is drawn."""
    from core.model.summary import summarize

    return summarize(_variant)


def show_table(frame: pd.DataFrame, labels: dict[str, str], *, alt: str, name: str) -> None:
    numbers = frame.select_dtypes("number").columns
    columns: dict[str, Any] = {
        column: st.column_config.NumberColumn(labels[column], format="localized")
        if column in numbers
        else st.column_config.Column(
            labels[column], width=charts.text_width(frame[column], labels[column])
        )
        for column in map(str, frame)
    }
    st.dataframe(
        frame, hide_index=True, column_config=columns, height="content", placeholder="", alt=alt
    )
    download_row(None, frame, name)


def show_totals(summaries: dict[str, "Summary"]) -> None:
    frame = charts.totals_frame(list(summaries.values()))
    for column, (label, value, note) in zip(st.columns(3), charts.headlines(frame), strict=True):
        column.metric(label, value, border=True, delta=note, delta_color="off", delta_arrow="off")
    alt = "Totals of the variants: trainable parameters, buffers and multiply-adds"
    show_table(frame, charts.TOTALS_LABELS, alt=alt, name="parameter-totals")


def show_norms(summaries: dict[str, "Summary"]) -> None:
    st.header("What the normalizations share, and where they differ")
    st.write(
        "Each normalization subtracts a mean and divides by a standard deviation, but takes them "
        "over different values. In the blocks, the coloured values share one mean and deviation; "
        "every change of grey is another set that shares its own."
    )
    name = st.segmented_control(
        "Normalization layer", NORM_LAYERS, default="norm1", required=True, **state.bound("layer")
    )
    for column, norm in zip(st.columns(3, border=True), ("batch", "group", "layer"), strict=True):
        summary = summaries[EXAMPLES[norm]]
        facts = norm_cubes.norm_facts(
            norm,
            next(layer for layer in summary.layers if layer.name == name),
            batch_size=Recipe().batch_size,
            groups=summary.variant.num_groups,
        )
        with column:
            card = norm_cubes.norm_card(facts, color=VARIANT_COLORS[EXAMPLES[norm]])
            draw(card, key=f"norm-{norm}")


def show_variant(summaries: dict[str, "Summary"]) -> None:
    st.header("One variant, layer by layer")
    keys = list(summaries)
    choice = address.one_of("variant", keys, label=variant_label)
    key = st.segmented_control(
        "Variant", keys, required=True, format_func=variant_label, **choice.widget()
    )
    summary, color, label = summaries[key], VARIANT_COLORS[key], variant_label(key)
    choice.settle(key, what="the variant", shown=label)
    draw(network_graph.network_svg(summary, color=color), key="network")
    st.caption(network_graph.caption(summary.variant))
    blocks = charts.blocks_frame(summary)
    for column, measure in zip(st.columns(2), charts.MEASURES, strict=True):
        draw_bars = partial(charts.blocks_chart, blocks, measure=measure, color=color, label=label)
        shown = draw_bars(dark=state.is_dark())
        with column:
            st.subheader(charts.MEASURES[measure])
            st.altair_chart(shown, width="stretch", alt=charts.blocks_alt(blocks, measure))
            part = blocks.loc[blocks[measure] > 0, ["block", "kind", measure]]
            download_row(draw_bars(), part, f"{measure.replace('_', '-')}-{key}")
    st.subheader("All layers")
    alt = f"Every layer of {label} with its shape, parameters and multiply-adds"
    show_table(charts.layers_frame(summary), charts.LAYERS_LABELS, alt=alt, name=f"layers-{key}")
    st.caption(charts.CONVENTION)


selection = sidebar.render()
st.title("Parameters")
st.write(
    "How large are the networks, where do their parameters sit, and what does each normalization "
    "compute and keep?"
)
own = {key: runs[0].variant for key, runs in selection.by_variant.items() if key not in VARIANTS}
all_summaries = {key: load_summary(key, one) for key, one in (VARIANTS | own).items() if one}
show_totals(all_summaries)
show_norms(all_summaries)
show_variant(all_summaries)
