"""The parts of the overview page, from the sentence that matters to how it was found."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.analysis.resolution_sentence import resolution_sentence
from core.data.datasets import DATASETS
from core.published import SOURCE
from ui import state
from ui.charts import VARIANT_LABELS
from ui.charts_overview import PAIRS_LEGEND, accuracy_chart, accuracy_legend, pairs_chart
from ui.downloads import download_row
from ui.overview_data import how_made
from ui.state import Selection

NUMBER = st.column_config.NumberColumn
TEXT = st.column_config.TextColumn


def verdict(pairs: pd.DataFrame, selection: Selection) -> None:
    """What these numbers can tell apart: the answer first, then what stands behind it."""
    said = resolution_sentence(pairs, VARIANT_LABELS, how_made(selection.by_variant))
    answer, _, detail = said.partition(". ")
    images = selection.runs[0].final["num_images"]
    runs = "1 run" if len(selection.runs) == 1 else f"{len(selection.runs)} runs"
    st.subheader(answer.removesuffix(".") + ".", anchor=False)
    st.write(detail)
    st.caption(
        f"{DATASETS[selection.dataset].label}, {images:,} test images · {runs} · "
        f"{selection.seeds_said} · last epoch, never the best"
    )


def accuracies(variants: pd.DataFrame, runs: pd.DataFrame, files: str) -> None:
    """The dot-and-interval plot, with its legend in words; its files are called after `files`."""
    chart = accuracy_chart(variants=variants, runs=runs)
    st.subheader("Test accuracy", anchor=False)
    st.caption(accuracy_legend(variants))
    st.altair_chart(chart, key="accuracy", alt=_describe(variants))
    download_row(chart, variants, f"test-accuracy-{files}")


def _describe(variants: pd.DataFrame) -> str:
    parts = [
        f"{row['label']} {row['accuracy_percent']:.2f} "
        f"({row['low_percent']:.2f} to {row['high_percent']:.2f})"
        for row in variants.to_dict("records")
    ]
    return f"Test accuracy in percent with 95 % intervals: {'; '.join(parts)}."


def side_by_side(variants: pd.DataFrame) -> None:
    """The six as columns of one table; rows without any value, such as published, are left out."""
    several = variants["num_seeds"].max() > 1
    rows = {
        "Normalization": variants["norm"],
        "L1, λ": variants["l1_weight"].map(_weight),
        "L2, weight decay": variants["weight_decay"].map(_weight),
        "Epochs": variants["epochs"].astype(str),
        "Trainable parameters": variants["parameters"].map("{:,.0f}".format, na_action="ignore"),
        "Seeds": variants["num_seeds"].astype(str) if several else None,
        "**Test accuracy (%)**": variants["accuracy_percent"].map("**{:.2f}**".format),
        "95 % interval (%)": [
            f"{low:.2f} – {high:.2f}"
            for low, high in zip(variants["low_percent"], variants["high_percent"], strict=True)
        ],
        f"Errors of {variants['num_images'].iloc[0]:,}": variants["errors"].map(
            ("{:.1f}" if several else "{:.0f}").format
        ),
        "Test loss (nats)": variants["test_loss"].map("{:.4f}".format),
        "Published accuracy (%)": variants["published_percent"].map(
            "{:.2f}".format, na_action="ignore"
        ),
        "Training time (s)": variants["train_seconds"].map("{:,.0f}".format),
        "Device": variants["device"],
    }
    columns = {name: list(values) for name, values in rows.items() if values is not None}
    table = pd.DataFrame(columns, index=variants["label"]).dropna(axis=1, how="all").T
    st.subheader("Side by side", anchor=False)
    st.table(table.fillna("–"), alt="Figures of the variants, one column each")
    notes = [
        "Means over the seeds, always of the last epoch." if several else "Always the last epoch.",
        "Training time is by the clock; other networks were mostly trained beside it.",
        f"Published: {SOURCE}, one network each."
        if "Published accuracy (%)" in table.index
        else "",
    ]
    st.caption(" ".join(filter(None, notes)))


def _weight(weight: float) -> str:
    return f"{weight:g}".replace("e-0", "e-") if weight else "–"


def pair_matrix(pairs: pd.DataFrame, files: str) -> None:
    """Every pair at a glance; only what is resolved has a colour."""
    if pairs.empty:
        return
    st.subheader("Pair by pair", anchor=False)
    st.caption(f"Accuracy of the row less that of the column, in percentage points. {PAIRS_LEGEND}")
    if pairs["unequal_lengths"].any():
        st.caption(UNEQUAL)
    num_resolved = int(pairs["resolved"].sum())
    st.altair_chart(
        pairs_chart(pairs=pairs, dark=state.is_dark()),
        key="pairs",
        alt=f"Differences of {len(pairs)} pairs of variants; {num_resolved} of them are resolved.",
    )
    download_row(pairs_chart(pairs=pairs), pairs, f"pairs-{files}")


def single_runs(runs: pd.DataFrame) -> None:
    """Every run that went into the page, with its own interval."""
    with st.expander(f"The {len(runs)} runs behind this page", icon=":material/list:"):
        st.dataframe(
            runs.drop(columns=["variant"]),
            hide_index=True,
            key="single-runs",
            column_config={
                "label": TEXT("Variant", pinned=True),
                "seed": NUMBER("Seed", format="%d"),
                "accuracy_percent": NUMBER("Accuracy (%)", format="%.2f"),
                "low_percent": NUMBER("95 % from", format="%.2f"),
                "high_percent": NUMBER("to", format="%.2f"),
                "errors": "Errors",
                "num_images": "Images",
                "test_loss": NUMBER("Test loss (nats)", format="%.4f"),
                "train_seconds": NUMBER("Training (s)", format="%.0f"),
                "epochs": "Epochs",
                "device": "Device",
                "run": "Folder",
            },
            alt="One row per run: accuracy, Wilson interval, errors, loss and training time",
        )


def explanation(selection: Selection) -> None:
    """How the intervals and the word "resolved" are made."""
    with st.expander("How the intervals are made", icon=":material/help:"):
        if selection.most_seeds > 1:
            st.markdown(SEVERAL_SEEDS)
        if selection.fewest_seeds == 1:
            st.markdown(ONE_SEED)
        st.markdown(PAIRS)


UNEQUAL = "Nor has a pair a colour that was trained for different lengths other than the published."
ONE_SEED = """
**Interval of one seed.** One network got *e* of *n* test images wrong. Another *n* images of the
same kind would give another count; Wilson's score interval holds the accuracies that are compatible
with the count at 95 %. It says nothing about another training: that needs more seeds.
"""
SEVERAL_SEEDS = """
**Interval over seeds.** Each seed is one training with its own initial weights and order of
images. The interval is Student's *t* at 95 % around the mean of the seeds: where the mean over all
seeds may lie, on these test images. With two or three seeds it is wide because the spread
between seeds is itself hardly known.
"""
PAIRS = """
**Differences.** Two intervals that overlap can still belong to a resolved difference, because both
networks see the same images; and two that do not can belong to an unresolved one, because the
intervals over seeds leave out that other images would give other counts. So pairs are compared
directly: with one seed each by McNemar's exact test and Newcombe's interval, with several by
Student's *t*, which reckons with other seeds and other images. How much seeds differ is taken from
the variant itself if it has five or more, else pooled over all variants shown, unless its own
differ more. Seeds are not paired, although variants of one seed share initial weights and batches;
where these act alike, intervals are wider than they need be. All pairs are judged together:
intervals hold jointly at 95 %, and *p* values are adjusted by Holm's method. A difference is
**resolved** if its interval excludes 0 and its adjusted *p* is below 0.05; but not where
the two were trained for different numbers of epochs other than the published 20 and 25.
"""
