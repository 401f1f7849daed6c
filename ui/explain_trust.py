"""How far one attribution map can be trusted, computed when asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import streamlit as st

from core.analysis.methods import METHODS
from core.errors import NormLabError
from ui import charts_trust as charts
from ui import explain_resources, state
from ui.chart_titles import about
from ui.charts import PADDING, VARIANT_LABELS
from ui.downloads import download_files, download_row, json_file
from ui.explain_data import Subject
from ui.explain_settings import Settings
from ui.failures_tables import variant_color

if TYPE_CHECKING:
    from core.analysis.attribution import AttributionMap
    from core.analysis.trust import Trust

Maps: TypeAlias = Mapping[tuple[str, str], "AttributionMap"]
ASKED = "trust-asked"
SLOW_METHODS = ("shapley_value_sampling",)


@st.fragment
def show(subject: Subject, settings: Settings, found: Maps) -> None:
    """A choice of one map and a button; then its tests in words and figures."""
    st.subheader("Can a map be trusted?", anchor=False)
    valid = [key for key, one in found.items() if one.attributions is not None]
    if not valid:
        st.caption("There is no map to test.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Map",
            valid,
            index=_default(subject, valid),
            format_func=lambda key: _name(key, settings),
            width=280,
            key="trust-map",
        )
        asked = (subject.identity, subject.seed, settings.target, settings.baseline.key, chosen)
        if st.button("Test this map", icon=":material/fact_check:"):
            state.put(ASKED, asked)
    st.caption(
        "Randomized weights, infidelity, max-sensitivity, deletion and insertion, other seeds: a "
        f"few seconds{', for this method up to a minute' if chosen[1] in SLOW_METHODS else ''}."
    )
    if state.value(ASKED) == asked:
        _results(subject, settings, found[chosen])


def _default(subject: Subject, valid: list[tuple[str, str]]) -> int:
    """The map of the variant that is explained, if it has one."""
    return next((n for n, (key, _) in enumerate(valid) if key == subject.variant), 0)


def _name(key: tuple[str, str], settings: Settings) -> str:
    variant, method = key
    if len(settings.methods) > 1:
        return METHODS[method].label
    return VARIANT_LABELS.get(variant, variant)


def _results(subject: Subject, settings: Settings, one: AttributionMap) -> None:
    others = [
        run
        for run in explain_resources.all_seeds(subject).get(one.variant, [])
        if run.digest != subject.runs[one.variant].digest
    ]
    try:
        with st.spinner("Making it again with random weights, noise and seeds…", show_time=True):
            trust = explain_resources.trust(subject, one, settings.baseline, others)
    except NormLabError as error:
        st.warning(f"Not tested: {error}", icon=":material/warning:")
        return
    name = f"trust-{one.variant}-{one.method}-{subject.file_stem}"
    for words in charts.trust_words(trust):
        st.markdown(words)
    download_files({"JSON": json_file(trust.to_dict)}, name)
    of = (
        f"{METHODS[one.method].label} of {VARIANT_LABELS.get(one.variant, one.variant)} on "
        f"{about(subject, subject.seed)}"
    )
    _randomization(trust, name, of)
    _curves(trust, one, name, of)


def _randomization(trust: Trust, name: str, of: str) -> None:
    frame, draws = trust.randomization.frame(), trust.randomization.num_networks
    chart = charts.randomization_chart(frame, of=of, num_networks=draws)
    st.markdown("**Randomized weights**")
    st.altair_chart(chart, key="randomization", alt=charts.randomization_alt(trust.randomization))
    st.caption(
        "Likeness to this map when the weights are drawn anew from the classifier down to each "
        f"layer: mean and range of {draws} draws. Dashed: the limit."
    )
    download_row(chart, frame, f"randomization-{name}")


def _curves(trust: Trust, one: AttributionMap, name: str, of: str) -> None:
    frame, color = trust.curves_frame(), variant_color(one.variant)
    st.markdown("**Deletion and insertion**")
    for column, curve in zip(st.columns(2), (trust.deletion, trust.insertion), strict=True):
        chart = charts.curve_chart(frame, curve.kind, color)
        column.altair_chart(
            chart.properties(padding=PADDING), key=curve.kind, alt=charts.curve_alt(curve)
        )
    st.caption(
        f"The explained output while the {trust.deletion.num_pixels} pixels that differ from the "
        "baseline are taken away or brought back, most positive first. Grey: lowest to highest of "
        f"{trust.deletion.num_orders} random orders; dashed: their mean."
    )
    figure = charts.curves_figure(trust, color, of=of, target=one.target.text)
    download_row(figure, frame, f"curves-{name}")
