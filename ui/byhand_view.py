"""The table, its statistics, the formula, what changes do to it, and torch's answer."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.analysis import by_hand
from ui import byhand_changes, byhand_example, byhand_html, byhand_table
from ui.byhand_table import Work
from ui.downloads import csv_file, download_files, json_file
from ui.drawing import draw


@st.fragment
def show() -> None:
    """All that follows from the table; a change in it runs only this part again."""
    work = byhand_table.choose()
    st.caption(
        "Point at a cell, or reach it with the arrow keys, to see every cell it is normalized "
        "with. Type a number and press Enter to change it; Escape takes it back. Below the images "
        "are γ and β of each channel."
    )
    st.header("Means and variances", anchor=False)
    draw(byhand_html.statistics_tables(work.table, work.per_group, work.cell), key="byhand-tables")
    st.caption("i image, c channel, g group of channels; σ² is the population variance.")
    _downloads(work)
    st.subheader("The formula for the chosen cell", anchor=False)
    draw(
        byhand_html.steps(work.table, work.kind, work.per_group, work.cell, work.eps),
        key="byhand-steps",
    )
    from_torch = st.container()  # filled last: the first time torch has to be loaded
    byhand_changes.show(work)
    byhand_example.show()
    with from_torch:
        _check(work)


def statistics(work: Work) -> pd.DataFrame:
    """Every mean and variance of the table, by norm."""
    return pd.concat(
        by_hand.statistics_frame(kind, by_hand.statistics(work.table.values, kind, work.per_group))
        for kind in by_hand.KINDS
    )


def _downloads(work: Work) -> None:
    def document() -> dict:
        normalized = {
            kind: by_hand.normalize(
                work.table.values,
                by_hand.statistics(work.table.values, kind, work.per_group),
                *(work.table.gamma, work.table.beta, work.eps),
            )
            for kind in by_hand.KINDS
        }
        return {
            "shape": work.table.shape,
            "values": work.table.values.tolist(),
            "gamma": work.table.gamma.tolist(),
            "beta": work.table.beta.tolist(),
            "eps": work.eps,
            "channels_per_group": work.per_group,
            "statistics": statistics(work).to_dict("records"),
            "output": {kind: done.y.tolist() for kind, done in normalized.items()},
        }

    files = {"CSV": csv_file(statistics(work)), "JSON": json_file(document)}
    download_files(files, "normalization-by-hand")


def _check(work: Work) -> None:
    with st.spinner("Asking torch…"):
        from core.analysis.by_hand_torch import check

        found = [check(work.table, kind, work.per_group, work.eps) for kind in by_hand.KINDS]
    draw(byhand_html.check_table(found), key="byhand-check")
    st.caption(
        "The table is worked out in float64; networks run in float32. Torch refuses to train batch "
        "or instance norm where every value is its own mean: nothing of it would be left but β. "
        "Layer norm of images is GroupNorm with one group: γ and β belong to channels."
    )
