"""The tests of one attribution map, as charts and in words; no streamlit, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from ui.charts import PADDING, titled
from ui.charts_explain import INK, percent, signed

if TYPE_CHECKING:
    from core.analysis.curves import Curve
    from core.analysis.faithfulness import Infidelity
    from core.analysis.randomization import RandomizationCheck
    from core.analysis.similarity import SeedSimilarity
    from core.analysis.trust import Trust

FAILS_ABOVE = 0.5
"""Of the randomization check, `core.analysis.randomization.MAX_SIMILARITY`, which needs torch."""
CHANCE = 0.05
KINDS = ("deletion", "insertion")
RANDOMIZATION_LEGEND = (
    "Rank correlation, in size, with this map when the weights are drawn anew from the classifier "
    "down to each layer. Points: mean of {num_networks} draws; lines: their range. Dashed: the "
    f"limit; a map that is more alike than {FAILS_ABOVE} with all weights drawn anew fails."
)
CURVES_LEGEND = (
    "The explained output, {target}, while the {num_pixels} pixels that differ from the baseline "
    "are taken away or brought back. Coloured: most positive of the map first. Grey: lowest to "
    "highest of {num_orders} random orders; dashed: their mean."
)
HEIGHT = 250


def trust_words(trust: Trust) -> list[str]:
    """What each test found, a line of Markdown each; where there is a limit, marked by outcome."""
    sensitivity = trust.max_sensitivity
    return [
        _randomization_words(trust.randomization),
        _curve_words(trust.deletion, "lower"),
        _curve_words(trust.insertion, "higher"),
        _infidelity_words(trust.infidelity),
        f"**Max-sensitivity {sensitivity:.2f}.** Noise of less than two grey levels changes the "
        f"map by up to {percent(sensitivity)} of its size.",
        _seeds_words(trust.seeds),
    ]


def _randomization_words(check: RandomizationCheck) -> str:
    verdict = "passed" if check.passed else "failed, as it hardly depends on what was learned"
    words = (
        f"{_mark(check.passed)} **Randomized weights: {verdict}.** With all weights drawn anew, "
        f"the rank correlation with this map is {check.all_layers:.2f} in size, the mean of "
        f"{check.num_networks} networks; above {FAILS_ABOVE} it fails."
    )
    if check.passed and check.alike_until not in (None, check.layers[0]):
        words += f" It stays above that until {check.alike_until} is drawn anew too."
    return words


def _mark(passed: bool) -> str:
    return ":material/check:" if passed else ":material/close:"


def _curve_words(curve: Curve, better: str) -> str:
    passed = curve.p_value <= CHANCE
    verdict = f"{better} than random orders" if passed else "no better than random orders"
    return (
        f"{_mark(passed)} **{curve.kind.capitalize()}: {verdict}.** Mean output along the curve "
        f"{signed(curve.auc)}; random orders {signed(curve.random_auc)} "
        f"({signed(curve.random_auc_low)} to {signed(curve.random_auc_high)}), "
        f"p = {curve.p_value:.3g}."
    )


def _infidelity_words(found: Infidelity) -> str:
    left = (
        "the output does not change"
        if found.unexplained is None
        else f"{percent(found.unexplained)} of the squared change of the output stays unpredicted, "
        "even with the map scaled to fit"
    )
    return (
        f"**Infidelity {found.value:.3g}** squared logits. When one of {found.num_squares} random "
        f"squares is set to the baseline, {left}."
    )


def _seeds_words(seeds: SeedSimilarity | None) -> str:
    if seeds is None:
        return "**Seeds.** There is no valid map of another seed to compare with."
    return (
        f"**Seeds: {signed(seeds.mean)}.** The mean rank correlation between the maps of "
        f"{seeds.num_maps} seeds, from {signed(seeds.low)} to {signed(seeds.high)}: the noise "
        "floor. Two variants whose maps are as alike as this differ no more than two seeds."
    )


def randomization_chart(frame: pd.DataFrame, *, of: str, num_networks: int) -> alt.LayerChart:
    """Similarity to the map of networks randomized down to each layer, over the failing part.

    `frame` is `RandomizationCheck.frame`; `of`, here and below, names the map and the image.
    """
    order = list(frame["layer"])
    y = alt.Y("layer:N", sort=order, title="Randomized down to", axis=alt.Axis(ticks=False))
    x = alt.X(
        "similarity:Q",
        title="Similarity",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(tickCount=5),
    )
    base = alt.Chart(frame).encode(
        y=y,
        tooltip=[
            alt.Tooltip("layer:N", title="Down to"),
            alt.Tooltip("similarity:Q", title="Similarity", format=".2f"),
            alt.Tooltip("low:Q", title="from", format=".2f"),
            alt.Tooltip("high:Q", title="to", format=".2f"),
        ],
    )
    limit = alt.Chart(pd.DataFrame({"x": [FAILS_ABOVE]})).mark_rule(
        color=INK, strokeDash=[4, 3], strokeWidth=1.5
    )
    layers = [
        base.mark_rule(color=INK, strokeWidth=2).encode(x=alt.X("low:Q"), x2=alt.X2("high:Q")),
        base.mark_point(filled=True, size=70, color="#0072B2", opacity=1).encode(x=x),
        limit.encode(x=alt.X("x:Q")),
    ]
    chart = alt.LayerChart(layer=layers, height=HEIGHT, padding=PADDING)
    said = RANDOMIZATION_LEGEND.format(num_networks=num_networks)
    return titled(chart, f"Likeness to maps of randomized networks: {of}", said)


def randomization_alt(check: RandomizationCheck) -> str:
    """The chart in words."""
    pairs = zip(check.layers, check.similarities, strict=True)
    return "Similarity when randomized down to: " + ", ".join(f"{n} {s:.2f}" for n, s in pairs)


def curve_chart(frame: pd.DataFrame, kind: str, color: str) -> alt.LayerChart:
    """The "deletion" or the "insertion" curve of a map over the band of random orders.

    `frame` is `Trust.curves_frame`; both kinds get the same scale.
    """
    ends = frame[["value", "low", "high"]]
    scale = alt.Scale(domain=[float(ends.min().min()), float(ends.max().max())], nice=True)
    y = alt.Y("value:Q", title="Explained output (logits)", scale=scale)
    points = {"size": 18, "color": color}  # or they would have Vega's colour
    base = alt.Chart(frame[frame["kind"] == kind]).encode(
        x=alt.X("share:Q", title=f"Pixels, {kind}", axis=alt.Axis(format="%", tickCount=4)),
        tooltip=[
            alt.Tooltip("share:Q", title="Pixels", format=".0%"),
            alt.Tooltip("value:Q", title="Map", format="+.2f"),
            alt.Tooltip("mean:Q", title="Random, mean", format="+.2f"),
            alt.Tooltip("low:Q", title="from", format="+.2f"),
            alt.Tooltip("high:Q", title="to", format="+.2f"),
        ],
    )
    layers = [
        base.mark_area(color=INK, opacity=0.3).encode(
            y=alt.Y("low:Q", scale=scale), y2=alt.Y2("high:Q")
        ),
        base.mark_line(color=INK, strokeDash=[4, 3], strokeWidth=1.5).encode(y=alt.Y("mean:Q")),
        base.mark_line(color=color, strokeWidth=2.5, point=points).encode(y=y),
    ]
    return alt.LayerChart(layer=layers).properties(height=HEIGHT)


def curves_figure(trust: Trust, color: str, *, of: str, target: str) -> alt.HConcatChart:
    """Both curves beside each other, for export; `target` is the explained output in words."""
    frame, curve = trust.curves_frame(), trust.deletion
    panels = [curve_chart(frame, kind, color).properties(width=280) for kind in KINDS]
    said = CURVES_LEGEND.format(
        target=target, num_pixels=curve.num_pixels, num_orders=curve.num_orders
    )
    return titled(alt.hconcat(*panels), f"Deletion and insertion: {of}", said)


def curve_alt(curve: Curve) -> str:
    """The chart in words."""
    return (
        f"{curve.kind.capitalize()}: mean output {signed(curve.auc)}, random orders "
        f"{signed(curve.random_auc)}."
    )
