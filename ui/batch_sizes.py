"""Accuracy of batch norm by the size of the batch, beside the norms that do not depend on it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ui import batch_resources, stored_results
from ui import charts_batch as charts
from ui.batch_data import ONE_CLASS, RANDOM, Company, moved_words, sizes_frame
from ui.downloads import download_row

NAME = "batch_mates"
SECONDS_PER_RUN = 2.5


@st.fragment
def show(company: Company) -> None:
    """What is stored beside the runs, or the offer to compute it."""
    st.header("Accuracy by batch size", anchor=False)
    runs = list(company.runs.values())
    found = stored_results.read_all(runs, NAME)
    missing = [run for run in runs if run.name not in found]
    if missing:
        found |= stored_results.offer(
            missing,
            name=NAME,
            what="Accuracy in batches of 1 to 256",
            seconds=SECONDS_PER_RUN,
            compute=lambda todo, report: batch_resources.accuracies(company.info.key, todo, report),
        )
    if len(found) < len(runs):
        return
    frame = sizes_frame({key: found[run.name] for key, run in company.runs.items()})
    _draw(company, frame)


def _draw(company: Company, frame: pd.DataFrame) -> None:
    st.markdown(_sentence(company, frame))
    chart = charts.sizes_chart(frame, seed=company.seed)
    st.altair_chart(chart, key="batch-sizes", alt=charts.sizes_alt(frame))
    one, several = (
        frame.loc[frame["kind"] == kind, "num_images"].max() for kind in (ONE_CLASS, RANDOM)
    )
    of_class = "" if pd.isna(one) else f", {int(one):,} in batches of one class (dashed)"
    st.caption(
        f"{int(several):,} test images in random batches{of_class}, the same images at every size; "
        "mean with its 95 % interval over the batches, for batches of one class over the classes "
        "(Student's t; for single images Wilson's). "
        f"This seed ({company.seed})."
    )
    download_row(chart, frame, f"batch-sizes-{company.info.key}-seed-{company.seed}")


def _sentence(company: Company, frame: pd.DataFrame) -> str:
    parts = []
    batch = frame[frame["variant"].isin(company.batch_norm)]
    for kind, words in ((RANDOM, "random mates"), (ONE_CLASS, "mates of one class")):
        rows = batch[batch["kind"] == kind]
        if len(rows):
            ends = rows[rows["size"].isin([rows["size"].min(), rows["size"].max()])]
            means = ends.groupby("size")["accuracy_percent"].mean()
            parts.append(
                f"with {words} batch norm in training mode is right on {means.iloc[0]:.1f} % in "
                f"batches of {means.index[0]} and on {means.iloc[-1]:.1f} % in batches of "
                f"{means.index[-1]}"
            )
    others = frame[~frame["variant"].isin(company.batch_norm)]
    said = f"{'; '.join(parts)}." if parts else ""
    said = f"**{said[:1].upper()}{said[1:]}** " if said else ""
    if others.empty:
        return said
    return (
        f"{said}Group and layer norm, same images, every size: "
        f"{moved_words(others['max_change'].max())}."
    )
