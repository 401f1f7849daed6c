"""Charts of the page Normalization by hand: DataFrame → Altair chart; no streamlit."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from core.analysis.by_hand import Running
from ui.charts import PADDING

HEIGHT = 250
STORED, BATCH = "#0072B2", "#D55E00"
BINS = 40
KINDS = {"mean": "μ", "var": "σ²"}


def running_frame(
    running: Running, batches: list[tuple[float, float]], channel: int
) -> pd.DataFrame:
    """One row per step and source for one channel: `step, source, mean, var`.

    `source` is "stored" or "batch"; `batches` are the batch's own mean and variance at each step.
    """
    stored = pd.DataFrame(
        {"source": "stored", "mean": running.mean[:, channel], "var": running.var[:, channel]}
    ).rename_axis("step")
    own = pd.DataFrame(batches, columns=["mean", "var"]).assign(source="batch")
    own.index = pd.RangeIndex(1, len(own) + 1, name="step")
    return pd.concat([stored, own]).reset_index()[["step", "source", "mean", "var"]]


def running_chart(frame: pd.DataFrame, measure: str) -> alt.LayerChart:
    """What batch norm stores, step by step (line), against the batch's own (dashed steps)."""
    title = f"{KINDS[measure]} (units of x{'²' if measure == 'var' else ''})"
    base = alt.Chart(frame).encode(
        x=alt.X("step:Q", title="Training step", axis=alt.Axis(tickMinStep=1, grid=False)),
        y=alt.Y(f"{measure}:Q", title=title, scale=alt.Scale(zero=False)),
        tooltip=[
            alt.Tooltip("source:N", title="Of"),
            alt.Tooltip("step:Q", title="Step"),
            alt.Tooltip(f"{measure}:Q", title=title, format=".5~g"),
        ],
    )
    own = base.transform_filter(alt.datum.source == "batch")
    stored = base.transform_filter(alt.datum.source == "stored")
    return alt.LayerChart(
        layer=[
            own.mark_line(color=BATCH, strokeDash=[5, 4], interpolate="step-before"),
            stored.mark_line(color=STORED, strokeWidth=2),
            stored.mark_point(color=STORED, filled=True, size=22),
        ]
    ).properties(height=HEIGHT, padding=PADDING)


def histogram_frame(values: np.ndarray) -> pd.DataFrame:
    """Counts of `values` (N,) in equal bins: `low, high, images`."""
    counts, edges = np.histogram(values, bins=BINS)
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "images": counts})


def population_chart(
    frame: pd.DataFrame, own: float, stored: float | None, title: str
) -> alt.LayerChart:
    """A histogram over images; the image's place as a line, the stored value as a dashed one.

    `frame` is `histogram_frame`; `title` names the axis with its unit.
    """
    bars = alt.Chart(frame).mark_bar(color="#8A93A0", opacity=0.75, binSpacing=0)
    layers = [
        bars.encode(
            x=alt.X("low:Q", bin="binned", title=title, scale=alt.Scale(zero=False)),
            x2=alt.X2("high:Q"),
            y=alt.Y("images:Q", title="Test images"),
            tooltip=[
                alt.Tooltip("low:Q", title="from", format=".3~g"),
                alt.Tooltip("high:Q", title="to", format=".3~g"),
                alt.Tooltip("images:Q", title="Test images"),
            ],
        ),
        _mark(own, "this image", BATCH, []),
    ]
    if stored is not None:
        layers.append(_mark(stored, "stored", STORED, [5, 4]))
    return alt.LayerChart(layer=layers).properties(height=HEIGHT, padding=PADDING)


def _mark(value: float, what: str, color: str, dash: list[int]) -> alt.Chart:
    return (
        alt.Chart(pd.DataFrame({"value": [value], "what": [what]}))
        .mark_rule(color=color, strokeWidth=2.5, strokeDash=dash or [1, 0])
        .encode(
            x=alt.X("value:Q"),
            tooltip=[
                alt.Tooltip("what:N", title="Of"),
                alt.Tooltip("value:Q", title="Value", format=".4~g"),
            ],
        )
    )
