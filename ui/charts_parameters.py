"""Tables and charts of the Parameters page; no streamlit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from core.config import variant_label
from ui.charts import INK, INK_ON_DARK, legend, titled

if TYPE_CHECKING:  # importing them would import torch
    from core.model.summary import LayerSummary, Summary

KIND_OPACITY = {
    "Convolution weights": 0.3,
    "Normalization": 1.0,
    "Biases": 0.65,
    "Average pooling": 0.0,
}
"""What parameters and operations are for, and how strongly each is drawn."""
BAR_HEIGHT = 24
FRAME_HEIGHT = 130  # legend and axis, which Streamlit takes from the height of a chart
SUM_WIDTH = 56
"""In pixels; what the number beside a bar needs."""
MEASURES = {"parameters": "Trainable parameters", "multiply_adds": "Multiply-adds per image"}
BLOCKS_LEGEND = "Each convolution with the normalization that follows it; beside a bar its sum."
CONVENTION = (
    "A multiply-add is one multiplication, one addition, or both at once, for one image at "
    "prediction time. A convolution takes one per weight and position; group and layer norm take "
    "four per value (mean, variance, normalize, γ and β); batch norm takes only the last two, "
    "because its statistics are stored, while in training it takes all four. Comparisons, as in "
    "ReLU and max-pooling, are not counted. The receptive field is the square of the image, in "
    "pixels, that one output sees through the convolutions; the statistics of group and layer norm "
    "see the whole image."
)
TOTALS_LABELS = {
    "variant": "Variant",
    "trainable_parameters": "Trainable parameters",
    "running_statistics": "Running statistics",
    "counters": "Batch counters",
    "buffers": "Buffers",
    "multiply_adds": "Multiply-adds",
    "normalization_multiply_adds": "of these, norms",
}
LAYERS_LABELS = {
    "name": "Layer",
    "type": "Type",
    "output_shape": "Output shape",
    "kernel": "Kernel",
    "groups": "Groups",
    "trainable_parameters": "Trainable",
    "buffers": "Buffers",
    "multiply_adds": "Multiply-adds",
    "receptive_field": "Receptive field",
}


def headlines(frame: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Label, value and note of the three answers that `totals_frame` gives."""
    most = frame.sort_values("buffers").iloc[-1]
    low, high = frame["multiply_adds"].min(), frame["multiply_adds"].max()
    return [
        (
            "Trainable parameters",
            _range(frame["trainable_parameters"]),
            f"in each of the {len(frame)} variants",
        ),
        (
            "Kept by batch norm",
            f"{most['buffers']:,}",
            f"{most['running_statistics']} statistics, {most['counters']} counters",
        ),
        (
            "Multiply-adds per image",
            _range(frame["multiply_adds"]),
            f"batch norm {100 * (1 - low / high):.1f} % fewer",
        ),
    ]


def _range(values: pd.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low:,}" if low == high else f"{low:,} – {high:,}"


def blocks_alt(frame: pd.DataFrame, measure: str) -> str:
    """The chart in words."""
    sums = frame.groupby("block", sort=False)[measure].sum()
    values = ", ".join(f"{block} {value:,}" for block, value in sums.items() if value)
    return f"{MEASURES[measure]} of each convolution with its normalization: {values}."


def totals_frame(summaries: list[Summary]) -> pd.DataFrame:
    """One row per variant: variant, trainable_parameters, running_statistics, counters, buffers,
    multiply_adds and, of these, normalization_multiply_adds.
    """
    return pd.DataFrame(
        {
            "variant": variant_label(summary.variant.key),
            "trainable_parameters": summary.trainable_parameters,
            "running_statistics": summary.running_statistics,
            "counters": summary.buffers - summary.running_statistics,
            "buffers": summary.buffers,
            "multiply_adds": summary.multiply_adds,
            "normalization_multiply_adds": sum(
                layer.multiply_adds for layer in summary.layers if layer.name.startswith("norm")
            ),
        }
        for summary in summaries
    )


def layers_frame(summary: Summary) -> pd.DataFrame:
    """One row per layer, with shapes as text such as "8×28×28"."""
    return pd.DataFrame(
        {
            "name": layer.name,
            "type": layer.type,
            "output_shape": "×".join(map(str, layer.output_shape)),
            "kernel": "×".join(map(str, layer.kernel)) if layer.kernel else None,
            "groups": layer.groups,
            "trainable_parameters": layer.trainable_parameters,
            "buffers": layer.buffers,
            "multiply_adds": layer.multiply_adds,
            "receptive_field": layer.receptive_field,
        }
        for layer in summary.layers
    ).astype({"groups": "Int64"})


def text_width(texts: pd.Series, label: str) -> int:
    """Pixels that a table's column of `texts` below `label` needs."""
    return 24 + round(6.5 * max(len(label), texts.dropna().str.len().max()))


def blocks_frame(summary: Summary) -> pd.DataFrame:
    """block, kind, parameters, multiply_adds: a normalization counts to its convolution's block."""
    rows = [row for layer in summary.layers for row in _shares(layer)]
    frame = pd.DataFrame(rows, columns=["block", "kind", "parameters", "multiply_adds"])
    return frame[(frame.parameters > 0) | (frame.multiply_adds > 0)].reset_index(drop=True)


def _shares(layer: LayerSummary) -> list[tuple[str, str, int, int]]:
    if layer.type != "Conv2d":
        kind = "Normalization" if layer.name.startswith("norm") else "Average pooling"
        block = layer.name.replace("norm", "conv")
        return [(block, kind, layer.trainable_parameters, layer.multiply_adds)]
    _, height, width = layer.output_shape
    bias_adds = layer.biases * height * width
    weights = layer.trainable_parameters - layer.biases
    return [
        (layer.name, "Convolution weights", weights, layer.multiply_adds - bias_adds),
        (layer.name, "Biases", layer.biases, bias_adds),
    ]


def blocks_chart(
    frame: pd.DataFrame, *, measure: str, color: str, label: str, dark: bool = False
) -> alt.LayerChart:
    """Stacked bars of `measure`, a key of `MEASURES`, from `blocks_frame`, with each bar's sum.

    `label` is what the variant is called; `dark` says that it will stand on a dark background.
    """
    shown = frame[frame[measure] > 0]
    order = list(dict.fromkeys(frame["block"]))
    sums = frame.groupby("block", sort=False, as_index=False)[measure].sum()
    x = alt.X(
        f"{measure}:Q",
        title=MEASURES[measure],
        axis=alt.Axis(tickCount=4, format=",d"),
        scale=alt.Scale(domainMin=0, domainMax=alt.ExprRef(_room_for(sums[measure].max()))),
    )
    blocks = alt.Axis(ticks=False, domain=False, labelOverlap=False)
    y = alt.Y("block:N", sort=order, title=None, axis=blocks)
    bars = (
        alt.Chart(shown)
        .transform_calculate(rank=f"indexof({list(KIND_OPACITY)!r}, datum.kind)")
        .mark_bar(stroke=color, strokeWidth=1)
        .encode(
            x=x,
            y=y,
            color=_kind_color(shown, color),
            order=alt.Order("rank:Q"),
            tooltip=[
                alt.Tooltip("block:N"),
                alt.Tooltip("kind:N"),
                alt.Tooltip(f"{measure}:Q", format=","),
            ],
        )
    )
    labels = alt.Chart(sums).mark_text(align="left", dx=5, color=INK_ON_DARK if dark else INK)
    labels = labels.encode(x=x, y=y, text=alt.Text(f"{measure}:Q", format=","))
    chart = alt.LayerChart(layer=[bars, labels], height=BAR_HEIGHT * len(order) + FRAME_HEIGHT)
    return titled(chart, f"{MEASURES[measure]} of {label}", BLOCKS_LEGEND)


def _room_for(longest: int) -> str:
    """A Vega expression: where the axis must end so that the longest bar's sum fits beside it."""
    return f"{longest} * width / max(width - {SUM_WIDTH}, 1)"


def _kind_color(frame: pd.DataFrame, color: str) -> alt.Color:
    kinds = [kind for kind in KIND_OPACITY if kind in set(frame["kind"])]
    shades = [f"{color}{round(255 * KIND_OPACITY[kind]):02X}" for kind in kinds]
    return alt.Color(
        "kind:N",
        scale=alt.Scale(domain=kinds, range=shades),
        legend=legend(symbolType="square"),
    )
