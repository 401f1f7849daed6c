"""Weights and gradients of all shown runs by layer: computed where missing, then drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.analysis import flow_table
from core.data.datasets import data_dir, load_split
from core.training.runs import Run
from ui import address, explain_resources, stored_results
from ui import charts_inside as charts
from ui.downloads import download_row
from ui.failures_view import View, label

WHEN = "when"
MOMENTS = {flow_table.AFTER: "After training", flow_table.BEFORE: "Before training"}
SECONDS_PER_NETWORK = 1.5
"""Both moments of one network, on two cores."""
MIN_WIDTH = 380
EQUAL = 1.001
"""Rates that differ less are the same: the last digits of float32 differ."""
EXPLANATION = (
    "Gradients are those of the cross-entropy alone, of {num_images} training images in batches of "
    "64 and in training mode, so batch norm uses the statistics of the batch. For the activations "
    "it is the root mean square over images of the gradient at the layer's output. The effective "
    "learning rate is lr / ‖W‖² ([van Laarhoven 2017](https://arxiv.org/abs/1706.05350)), with lr "
    "that of the first epoch (it falls to a tenth every six epochs). A normalization follows each "
    "convolution, so the loss does not depend on ‖W‖ there, and the larger ‖W‖, the less a step "
    "turns the weights. Checked here: weights and gradient are at right angles, |cosine| ≤ "
    "{cosine:.1g}. The head has no normalization and no such rate."
)

_flow_chart = st.cache_resource(show_spinner=False, max_entries=32)(charts.flow_chart)
"""Charts cost more time than all else on the page."""


@st.fragment
def show(view: View) -> None:
    """Four charts of one moment; a change runs only this part again."""
    st.header("Weights and gradients, layer by layer", anchor=False)
    found, num_images = _load(view)
    if not found:
        return
    when = _choose_moment()
    frame = flow_table.flow_frame(found)
    frame = frame[frame["when"] == when]
    table = flow_table.flow_table(frame)
    st.markdown(sentence(table))
    with st.grid(2, min_column_width=MIN_WIDTH):
        for measure, (title, _) in charts.MEASURES.items():
            with st.container():
                st.subheader(title, anchor=False)
                chart, part = _flow_chart(table, measure), table[table["measure"] == measure]
                key = f"flow-{measure}"
                st.altair_chart(chart, key=key, alt=charts.lines_alt(part, title))
                name = f"{measure.replace('_', '-')}-{when}-{view.info.key}"
                download_row(chart, part, name)
    st.caption(charts.flow_legend(table))
    if when == flow_table.BEFORE:
        st.caption("With the same seed, variants of one normalization start as the same network.")
    cosine = frame[frame["layer"].isin(flow_table.CONV_LAYERS)]["cosine"].abs().max()
    st.caption(EXPLANATION.format(num_images=num_images, cosine=cosine))


def sentence(table: pd.DataFrame) -> str:
    """Whose weights turn fastest, and what becomes of the gradient on its way back, in words.

    `table` is `flow_table.flow_table` at one moment; rates are geometric means over convolutions.
    """
    values = table.pivot(index=["measure", "variant"], columns="layer", values="value")
    rates = np.exp(np.log(values.loc["effective_learning_rate"]).mean(axis=1))
    gradient = values.loc["activation_gradient_norm"]
    first, last = flow_table.CONV_LAYERS[0], flow_table.CONV_LAYERS[-1]
    growth = gradient[first] / gradient[last]
    fast, slow = rates.idxmax(), rates.idxmin()
    turning = (
        "**All variants have the same effective learning rate.** "
        if rates[fast] < EQUAL * rates[slow]
        else f"**A step turns the weights of {label(str(fast))} most and those of "
        f"{label(str(slow))} least: the effective learning rates differ "
        f"{rates[fast] / rates[slow]:.1f}-fold.** "
    )
    return (
        f"{turning}On the way back from {last} to {first} the gradient of the activations "
        f"changes between {growth.min():.2f}-fold ({label(str(growth.idxmin()))}) and "
        f"{growth.max():.2f}-fold ({label(str(growth.idxmax()))})."
    )


def _load(view: View) -> tuple[list[tuple[Run, dict]], int]:
    """The complete documents of the shown runs, after offering to compute the missing ones."""
    runs = [run for group in view.runs.values() for run in group]
    documents = stored_results.read_all(runs, flow_table.NAME)
    missing = [run for run in runs if not flow_table.is_complete(documents.get(run.name))]
    if missing and view.images is not None:
        documents |= stored_results.offer(
            missing,
            name=flow_table.NAME,
            what="Weights and gradients",
            seconds=SECONDS_PER_NETWORK,
            compute=lambda runs, report: _compute(view, runs, report),
        )
    found = [
        (run, documents[run.name])
        for run in runs
        if flow_table.is_complete(documents.get(run.name))
    ]
    return found, max((document["num_images"] for _, document in found), default=0)


def _compute(
    view: View, runs: Sequence[Run], report: Callable[[int, int], None]
) -> stored_results.Documents:
    from core.analysis.gradient_flow import compute_flows, gradient_sample

    networks = {run.name: (explain_resources.network(run), run.seed) for run in runs}
    sample = gradient_sample(load_split(view.info.key, data_dir(), "train"), view.info)
    return compute_flows(networks, sample, report)


def _choose_moment() -> str:
    choice = address.one_of(WHEN, list(MOMENTS))
    chosen = st.segmented_control(
        "Moment",
        list(MOMENTS),
        required=True,
        format_func=MOMENTS.__getitem__,
        label_visibility="collapsed",
        **choice.widget(),
    )
    choice.settle(chosen, what="moment", shown=MOMENTS[chosen].lower())
    return chosen
