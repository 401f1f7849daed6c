"""All of a user's own images at once: six answers each, sorted and filtered, and their accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd
import streamlit as st

from core.analysis.predict import accuracy_frame, all_of
from core.data.datasets import DatasetInfo
from core.training.runs import Run
from ui import address, own_images, predict_labels, predict_networks
from ui.charts_predict import accuracy_alt, accuracy_chart, labelled
from ui.downloads import csv_file, download_files, download_row, json_file
from ui.own_images import OwnImage
from ui.picker import pick
from ui.predict_rows import (
    FILTERS,
    ORDERS,
    REFUSED,
    csv_frame,
    document,
    ordered,
    overview,
    passing,
    rows_table,
)


class Many(NamedTuple):
    """Images, what the networks `runs` say of them (`answers_frame`), and refused name → reason."""

    info: DatasetInfo
    owns: Sequence[OwnImage]
    said: pd.DataFrame
    runs: Mapping[str, Run]
    refused: Mapping[str, str]


def show(many: Many, current: OwnImage) -> None:
    """The table, in which a row can be pressed, and how often each variant is right."""
    odd = predict_networks.usual(many.info, many.owns)
    frame = overview(many.owns, many.said, odd, many.info.class_names)
    st.header(heading(len(many.owns), len(many.refused)), anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown, order = _choose()
        predict_labels.ask_for_table(many.info, many.owns)
    rows = ordered(passing(frame, shown, len(many.runs)), order)
    refused = many.refused if shown in ("all", REFUSED) else {}
    if rows.empty and not refused:
        st.info("No image passes this filter.")
    else:
        if shown != "all":
            of = many.refused if shown == REFUSED else many.owns
            st.caption(f"{len(rows) + len(refused):,} of {len(of):,}")
        _draw(many, rows, refused, many.owns.index(current))
    files = {
        "CSV": csv_file(csv_frame(rows, refused)),
        "JSON": json_file(
            lambda: document(many.info, many.owns, many.said, odd, many.runs, many.refused)
        ),
    }
    download_files(files, f"predictions-{many.info.key}")
    _accuracy(many)


def heading(count: int, refused: int) -> str:
    """How many images there are, and how many pictures beside them cannot be used."""
    images = "One image" if count == 1 else f"{all_of(count).capitalize()} images"
    return f"{images}, and {refused} refused" if refused else images


def _choose() -> tuple[str, str]:
    which = address.one_of("answers", list(FILTERS))
    shown = st.selectbox(
        "Show",
        list(FILTERS),
        width=180,
        format_func=FILTERS.__getitem__,
        **which.widget(),
    )
    which.settle(shown, what="answers", shown=FILTERS[shown].lower())
    orders = address.one_of("sorted", list(ORDERS))
    order = st.selectbox(
        "Order", list(ORDERS), width=200, format_func=ORDERS.__getitem__, **orders.widget()
    )
    orders.settle(order, what="order", shown=ORDERS[order].lower())
    return shown, order


def _draw(many: Many, rows: pd.DataFrame, refused: Mapping[str, str], current: int) -> None:
    variants = dict(zip(many.said["variant"], many.said["label"], strict=True))
    html = rows_table(rows, many.owns, variants=variants, current=current, refused=refused)

    def choose(picked: str) -> None:
        own_images.choose(many.owns[int(picked)])

    pick(html, key="predict-all", on_pick=choose)
    st.caption(
        "Press an image to see it above. Shaded: wrong (✗) or, where the label is not known, not "
        "what most say. Entropy: mean over the variants. Least usual: the property furthest from "
        "the median of the training images; ◆ outside of their 1st to 99th percentile."
    )


def _accuracy(many: Many) -> None:
    frame = accuracy_frame(many.said, [own.true for own in many.owns])
    if frame.empty:
        return
    known = int(frame["num_images"].iloc[0])
    seed = next(iter(many.runs.values())).seed
    st.subheader(f"Right on the {labelled(known)}", anchor=False)
    chart = accuracy_chart(frame, seed=seed)
    st.altair_chart(chart, key="own-accuracy", alt=accuracy_alt(frame))
    st.caption(
        f"n = {known:,}, seed {seed}. Labels come from file names, your table, your choice or "
        "the data set."
    )
    download_row(chart, frame, f"accuracy-own-{many.info.key}-seed-{seed}")
