"""Why the chosen network decides as it does: the sentences, and the figures behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.analysis.persistence import seeds_needed
from core.errors import NormLabError
from core.training.runs import Run
from ui import charts_explain as charts
from ui import explain_resources
from ui.chart_titles import about
from ui.charts import VARIANT_LABELS
from ui.downloads import download_files, download_row, json_file
from ui.explain_data import Subject
from ui.failures_tables import variant_color

if TYPE_CHECKING:
    from core.analysis.diagnosis import Diagnosis

NUMBER = st.column_config.NumberColumn
YES_NO = {True: "yes", False: "no"}
PATCHING = (
    "**Repairing** a layer gives it other statistics: for group and layer norm the mean of "
    "correctly classified training images, for batch norm the image's own. φ is the layer's "
    "Shapley value over all 128 sets of repaired layers: how much of the margin repairing it takes "
    "away. Grey: φ of {controls} correct test images about as close to the boundary (thick), and φ "
    "where this image's own statistics are changed as {donors} training images differ (thin). A "
    "layer is named only where its φ exceeds both, which chance allows for any layer in 5 % of "
    "images."
)
HEAD = (
    "Behind the last ReLU the network is linear, so the margin is exactly the sum of its channels. "
    "Each is split into what it gives on reference images, what its own map adds, and what the "
    "other channels of its group add by rescaling it (none for batch norm)."
)
SHARE = (
    "Group and layer norm compute mean and deviation from the image, so a pixel also acts through "
    "them. Batch norm uses stored ones: exactly 0."
)


def show(subject: Subject) -> None:
    """Sentences first, then D1, D2, the gradient's share and what persists over seeds."""
    st.header(f"Diagnosis of {_label(subject)}, seed {subject.seed}", anchor=False)
    by_variant = explain_resources.all_seeds(subject)
    if subject.image is None:
        st.caption("The diagnosis of the network needs the picture, which is not on this machine.")
    else:
        try:
            with st.spinner("Repairing statistics layer by layer, with controls…", show_time=True):
                found = explain_resources.diagnosis(subject, by_variant)
                shares = explain_resources.gradient_shares(subject)
        except NormLabError as error:
            st.warning(f"No diagnosis: {error}", icon=":material/warning:")
        else:
            _sentences(found, shares, subject)
            left, right = st.columns(2, gap="large")
            with left:
                _layers(found, subject)
            with right:
                _channels(found, subject)
                _shares(shares, subject)
    _persistence(subject, by_variant)


def _label(subject: Subject) -> str:
    return VARIANT_LABELS.get(subject.variant, subject.variant)


def _sentences(found: Diagnosis, shares: Mapping[str, float], subject: Subject) -> None:
    with st.container(border=True):
        for sentence in found.sentences:
            st.markdown(sentence)
    files = {"JSON": json_file(lambda: {**found.to_dict(), "gradient_shares": dict(shares)})}
    download_files(files, f"diagnosis-{subject.variant}-{subject.file_stem}")


def _layers(found: Diagnosis, subject: Subject) -> None:
    st.subheader("Statistics, layer by layer", anchor=False)
    frame, patching = found.layers_frame(), found.patching
    chart = charts.layers_chart(
        frame,
        variant_color(subject.variant),
        label=_label(subject),
        about=about(subject, subject.seed),
        controls=patching.num_controls,
        donors=patching.num_donors,
    )
    st.altair_chart(chart, key="layers", alt=charts.layers_alt(frame))
    st.dataframe(
        frame[["layer", "phi", "flips", "break_rate", "fix_rate"]].assign(
            flips=frame["flips"].map(YES_NO)
        ),
        hide_index=True,
        key="layers-table",
        column_config={
            "layer": NUMBER("Layer", width=50),
            "phi": NUMBER("φ", format="%+.2f", help="Margin that repairing takes away, logits"),
            "flips": st.column_config.TextColumn(
                "Flips it", help="Repairing this layer alone changes the prediction"
            ),
            "break_rate": NUMBER("Breaks", format="percent", help="Controls that it changes"),
            "fix_rate": NUMBER(
                "Fixes", format="percent", help=f"Of all {patching.num_failures} failures"
            ),
        },
        alt=charts.layers_alt(frame),
    )
    st.caption(PATCHING.format(controls=patching.num_controls, donors=patching.num_donors))
    download_row(chart, frame, f"layers-{subject.variant}-{subject.file_stem}")


def _channels(found: Diagnosis, subject: Subject) -> None:
    st.subheader("The head, channel by channel", anchor=False)
    frame = found.channels_frame()
    chart = charts.channels_chart(frame, label=_label(subject), about=about(subject, subject.seed))
    st.altair_chart(chart, key="channels", alt=charts.channels_alt(frame))
    head = found.head
    sum_words = (
        f"Channels {charts.signed(head.margin - head.bias)}, bias {charts.signed(head.bias)}"
    )
    st.caption(f"{HEAD} {sum_words}: margin {charts.signed(head.margin)}.")
    download_row(chart, frame, f"channels-{subject.variant}-{subject.file_stem}")


def _shares(shares: Mapping[str, float], subject: Subject) -> None:
    st.subheader("Gradient through the statistics", anchor=False)
    frame = pd.DataFrame({"variant": list(shares), "share": list(shares.values())})
    chart = charts.shares_chart(frame, about=about(subject, subject.seed))
    words = ", ".join(
        f"{VARIANT_LABELS.get(key, key)} {charts.percent(share)}" for key, share in shares.items()
    )
    st.altair_chart(chart, key="shares", alt=f"Share of the gradient: {words}.")
    st.caption(SHARE)
    download_row(chart, frame, f"gradient-share-{subject.file_stem}")


def _persistence(subject: Subject, by_variant: Mapping[str, Sequence[Run]]) -> None:
    """Gate 0: whether the failure belongs to the variant or to this seed."""
    st.subheader("Does it persist over seeds?", anchor=False)
    gate = explain_resources.gate(by_variant)
    if gate is None:
        few = sum(len(runs) < 2 for runs in by_variant.values())
        st.write(
            f"There is only one seed of {'each' if few == len(by_variant) else 'some'} variant, so "
            f"everything here is about **this seed**. At least {seeds_needed()} seeds of two "
            "variants are needed before a difference between them could be more than chance."
        )
        return
    if subject.index is None:
        st.write(
            "This is tested on test images only. Everything here is about **this seed**; what the "
            "others make of your image stands on Predict."
        )
        return
    mine = (gate["a"] == subject.variant) | (gate["b"] == subject.variant)
    rows = gate[mine & (gate["index"] == subject.index)]
    if rows.empty:
        st.write("No network of any variant fails on this image.")
        return
    frame = _labelled(rows)
    st.dataframe(
        _in_words(frame),
        hide_index=True,
        key="persistence",
        column_config={
            "fails more": "Variant",
            "seeds that fail": "fails in seeds",
            "than": "Beside it",
            "seeds that fail there": "fails in seeds",
            "p_adjusted": st.column_config.TextColumn("Adjusted p", alignment="right"),
            "persistent": "Persists",
        },
        alt="How many seeds fail in the chosen variant and in each other one",
    )
    st.caption(
        "Fisher's exact test, adjusted (Benjamini and Hochberg) over the pairs and images where "
        "enough networks fail for any outcome to be significant; the others are not tested "
        "(Tarone 1990) and have no p. Only a difference that persists belongs to the variants; any "
        "other may belong to the seeds."
    )
    download_row(None, frame, f"persistence-{subject.variant}-{subject.file_stem}")


def _labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of Gate 0 in words."""
    return pd.DataFrame(
        {
            "fails more": rows["a"].replace(VARIANT_LABELS),
            "seeds that fail": [f"{n} of {k}" for n, k in rows[["fails_a", "seeds_a"]].to_numpy()],
            "than": rows["b"].replace(VARIANT_LABELS),
            "seeds that fail there": [
                f"{n} of {k}" for n, k in rows[["fails_b", "seeds_b"]].to_numpy()
            ],
            "p_adjusted": rows["p_adjusted"].where(rows["tested"]),
            "persistent": rows["persistent"],
        }
    )


def _in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """What `_labelled` returns as the page shows it; without a p there was no test."""
    tested = frame["p_adjusted"].notna()
    return frame.assign(
        p_adjusted=frame["p_adjusted"].map("{:.3g}".format).where(tested, "not tested"),
        persistent=frame["persistent"].map(YES_NO).where(tested, "–"),
    )
