"""Accuracy against the severity of a corruption, and the robustness table as HTML. No streamlit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

import altair as alt
import pandas as pd

from core.analysis.robustness_table import row_label
from core.data.corruptions import CORRUPTIONS, Corruption
from ui.charts import (
    DATA_SET,
    PADDING,
    VARIANT_LABELS,
    legend_room,
    titled,
    variant_color_scale,
    variant_legend,
    variant_shape_scale,
)
from ui.failures_tables import variant_color

HEIGHT = 320
GREY = "#8A94A0"
INK = "currentColor"
"""The colour of the text around, as no grey has a contrast of 4.5 on both backgrounds."""
ACCURACY_TITLE = "Test accuracy (%)"


def severity_title(kind: Corruption) -> str:
    """The title of an axis of severities, with its unit: "Rotation (°)"."""
    if kind.family == "mnist_c":
        return f"{kind.label}: level"
    return f"{kind.label} ({kind.unit})"


def severity_chart(
    summary: pd.DataFrame, kind: Corruption, severity: float | None, *, intervals: str
) -> alt.LayerChart:
    """Accuracy of each variant against severity; a line marks the present one, if there is one.

    `summary` has the rows of one corruption as `summarize_seeds` gives them. Intervals are a band
    where there are several seeds and bars where there is one; `intervals` says of what they are.
    A legend entry singles out.
    """
    picked = alt.selection_point(name="legend", fields=["variant"], bind="legend")
    frame = summary.assign(label=summary["variant"].replace(VARIANT_LABELS))
    legend = variant_legend(frame["variant"], offset=16)
    base = alt.Chart(frame).encode(
        x=_x(kind),
        y=_y(),
        color=alt.Color("variant:N", scale=variant_color_scale(), legend=legend),
    )
    several = frame["num_seeds"].max() > 1
    interval = base.mark_area() if several else base.mark_rule(strokeWidth=2)
    opacity = 0.15 if several else 0.5
    ends = {"y": alt.Y("low_percent:Q", title=ACCURACY_TITLE), "y2": alt.Y2("high_percent:Q")}
    shape = alt.Shape("variant:N", scale=variant_shape_scale(), legend=legend)
    layers = [
        interval.encode(**ends, opacity=_unless_singled_out(picked, opacity)),
        base.mark_line(strokeWidth=2).encode(opacity=_unless_singled_out(picked, 1.0)),
        base.mark_point(filled=True, size=55)
        .encode(shape=shape, opacity=_unless_singled_out(picked, 1.0), tooltip=_tooltip(kind))
        .add_params(picked),
        *([] if severity is None else [_present(kind, severity)]),
    ]
    chart = alt.LayerChart(layer=layers).properties(
        height=HEIGHT + legend_room(frame["variant"]), padding=PADDING
    )
    return titled(
        chart,
        f"Test accuracy under corruption: {_named(kind)}, {DATA_SET}",
        kind.summary if severity is None else f"{kind.summary} Dashed: the severity that was set.",
        intervals,
    )


def _named(kind: Corruption) -> str:
    return f"{kind.label} (MNIST-C)" if kind.family == "mnist_c" else kind.label


def _unless_singled_out(picked: alt.Parameter, opacity: float) -> alt.OpacityValue:
    return alt.OpacityValue(**alt.when(picked).then(alt.value(opacity)).otherwise(alt.value(0.06)))


def _present(kind: Corruption, severity: float) -> alt.LayerChart:
    """A dashed line where the slider stands, with its value above."""
    base = alt.Chart(pd.DataFrame({"severity": [severity]})).encode(x=_x(kind))
    line = base.mark_rule(strokeDash=[5, 4], strokeWidth=1.5, color=GREY)
    text = f"now {severity:g} {kind.unit}"
    return line + base.mark_text(y=-6, color=INK, text=text)


def _x(kind: Corruption) -> alt.X:
    whole: dict[str, Any] = {"tickMinStep": 1, "format": "d"} if kind.family == "mnist_c" else {}
    axis = alt.Axis(grid=False, titlePadding=8, **whole)
    domain = alt.Scale(domain=[kind.low, kind.high], nice=False, padding=8)
    return alt.X("severity:Q", title=severity_title(kind), axis=axis, scale=domain)


def _y() -> alt.Y:
    return alt.Y(
        "accuracy_percent:Q", title=ACCURACY_TITLE, scale=alt.Scale(domain=[0, 100], clamp=True)
    )


def _tooltip(kind: Corruption) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("label:N", title="Variant"),
        alt.Tooltip("severity:Q", title=severity_title(kind)),
        alt.Tooltip("accuracy_percent:Q", title="Accuracy (%)", format=".2f"),
        alt.Tooltip("low_percent:Q", title="95 % from", format=".2f"),
        alt.Tooltip("high_percent:Q", title="to", format=".2f"),
        alt.Tooltip("num_seeds:Q", title="Seeds"),
        alt.Tooltip("num_images:Q", title="Images"),
    ]


def describe_curves(summary: pd.DataFrame, kind: Corruption, severity: float) -> str:
    """The chart in words: every variant at the computed severity nearest to the present one."""
    nearest = min(summary["severity"], key=lambda computed: abs(computed - severity))
    at = summary[summary["severity"] == nearest].to_dict("records")
    parts = [
        f"{VARIANT_LABELS.get(row['variant'], row['variant'])} {row['accuracy_percent']:.1f}"
        for row in at
    ]
    return (
        f"Test accuracy in percent against {severity_title(kind)}, from {kind.low:g} to "
        f"{kind.high:g}. At {nearest:g}: {'; '.join(parts)}."
    )


def heat_table(table: pd.DataFrame, variants: Mapping[str, str]) -> str:
    """A `robustness_table` as HTML for `ui.picker`: corruptions × variants.

    A cell holds the accuracy in percent, its interval and its rank, which also stand in its title;
    it is the darker the more images fail. `variants` maps keys to labels.
    """
    heads = "".join(
        f'<th scope="col" style="--accent:{variant_color(key)}">{escape(label)}</th>'
        for key, label in variants.items()
    )
    rows = []
    for corruption, group in table.groupby("corruption", sort=False):
        cells = {record["variant"]: record for record in group.to_dict("records")}
        label = row_label(str(corruption))
        kind = CORRUPTIONS.get(str(corruption))
        title = f' title="{escape(kind.summary)}"' if kind else ""
        body = "".join(_cell(cells.get(key), len(cells)) for key in variants)
        rows.append(f'<tr><th scope="row"{title}>{escape(label)}</th>{body}</tr>')
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Accuracy under corruptions">'
        f'<table class="heat robustness"><thead><tr><td></td>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(record: Mapping | None, num_variants: int) -> str:
    if record is None:
        return '<td class="none" title="not computed">–</td>'
    mean, rank = record["accuracy_percent"], record["rank"]
    low, high = record["low_percent"], record["high_percent"]
    known = not math.isnan(low)
    interval = f"{low:.1f} – {high:.1f}" if known else "no interval"
    said = (
        f"{mean:.2f} %, 95 % interval {low:.2f} to {high:.2f}" if known else f"{mean:.2f} %"
    ) + f"; rank {rank} of {num_variants}"
    return (
        f'<td class="shade{" best" if rank == 1 else ""}" style="--share:{1 - mean / 100:.3f}" '
        f'title="{said}">{mean:.1f} <small>#{rank}</small><small>{interval}</small></td>'
    )
