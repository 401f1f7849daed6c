"""The tests of one attribution map, as charts and in words; no streamlit, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

from ui.charts import PADDING
from ui.charts_explain import INK

if TYPE_CHECKING:
    from core.analysis.curves import Curve
    from core.analysis.randomization import RandomizationCheck
    from core.analysis.trust import Trust

FAILS_ABOVE = 0.5
"""Of the randomization check, `core.analysis.randomization.MAX_SIMILARITY`, which needs torch."""
CHANCE = 0.05
HEIGHT = 250


def trust_words(trust: Trust) -> list[str]:
    """What each test found, as one line of Markdown each, the passed and failed ones marked."""
    check = trust.randomization
    verdict = "passed" if check.passed else "failed: it hardly depends on what was learned"
    lines = [
        f"{_mark(check.passed)} **Randomized weights: {verdict}.** With all weights drawn anew, "
        f"the rank correlation with this map is {check.all_layers:.2f} in size on average over "
        f"{check.num_networks} networks; above {FAILS_ABOVE} it fails.",
        _curve_words(trust.deletion, "lower", "Deletion"),
        _curve_words(trust.insertion, "higher", "Insertion"),
        _infidelity_words(trust),
        f"**Max-sensitivity {trust.max_sensitivity:.2f}.** Noise of less than two grey levels "
        f"changes the map by up to {trust.max_sensitivity:.0%} of its size.",
    ]
    if trust.seeds is None:
        return [*lines, "**Seeds.** There is no map of another seed to compare with."]
    seeds = trust.seeds
    return [
        *lines,
        f"**Seeds: {seeds.mean:+.2f}.** Mean rank correlation between the maps of "
        f"{seeds.num_maps} seeds (from {seeds.low:+.2f} to {seeds.high:+.2f}). Maps of two "
        "variants that are no less alike than this do not differ.",
    ]


def _mark(passed: bool) -> str:
    return ":material/check:" if passed else ":material/close:"


def _curve_words(curve: Curve, better: str, name: str) -> str:
    passed = curve.p_value <= CHANCE
    verdict = f"{better} than random orders" if passed else "no better than random orders"
    return (
        f"{_mark(passed)} **{name}: {verdict}.** Mean output along the curve {curve.auc:+.2f}; "
        f"random orders {curve.random_auc:+.2f} ({curve.random_auc_low:+.2f} to "
        f"{curve.random_auc_high:+.2f}), p = {curve.p_value:.3g}."
    )


def _infidelity_words(trust: Trust) -> str:
    found = trust.infidelity
    left = (
        "the output does not change"
        if found.unexplained is None
        else f"{found.unexplained:.0%} of the change of the output stays unpredicted even if the "
        "map is scaled"
    )
    return (
        f"**Infidelity {found.value:.3g}** squared logits. When one of {found.num_squares} random "
        f"squares is set to the baseline, {left}."
    )


def randomization_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """Similarity to the map of networks randomized down to each layer, over the failing part.

    `frame` is `RandomizationCheck.frame`.
    """
    order = list(frame["layer"])
    y = alt.Y("layer:N", sort=order, title="Randomized down to", axis=alt.Axis(ticks=False))
    x = alt.X("similarity:Q", title="Similarity", scale=alt.Scale(domain=[0, 1]))
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
        base.mark_rule(color=INK, strokeWidth=2).encode(x="low:Q", x2="high:Q"),
        base.mark_point(filled=True, size=70, color="#0072B2", opacity=1).encode(x=x),
        limit.encode(x="x:Q"),
    ]
    return alt.LayerChart(layer=layers).properties(height=HEIGHT, padding=PADDING)


def randomization_alt(check: RandomizationCheck) -> str:
    """The chart in words."""
    pairs = zip(check.layers, check.similarities, strict=True)
    return "Similarity when randomized down to: " + ", ".join(f"{n} {s:.2f}" for n, s in pairs)


def curves_chart(frame: pd.DataFrame, color: str) -> alt.HConcatChart:
    """Deletion and insertion beside each other, the map's curve over the band of random orders.

    `frame` is `Trust.curves_frame`.
    """
    panels = [
        _curve_panel(frame[frame["kind"] == kind], kind.capitalize(), color)
        for kind in ("deletion", "insertion")
    ]
    return alt.HConcatChart(hconcat=panels, padding=PADDING).resolve_scale(y="shared")


def _curve_panel(frame: pd.DataFrame, title: str, color: str) -> alt.LayerChart:
    axis = alt.Axis(format="%", tickCount=3)
    base = alt.Chart(frame, title=title).encode(x=alt.X("share:Q", title="Pixels", axis=axis))
    y = alt.Y("value:Q", title="Explained output (logits)")
    tooltip = [
        alt.Tooltip("share:Q", title="Pixels", format=".0%"),
        alt.Tooltip("value:Q", title="Map", format="+.2f"),
        alt.Tooltip("mean:Q", title="Random, mean", format="+.2f"),
        alt.Tooltip("low:Q", title="from", format="+.2f"),
        alt.Tooltip("high:Q", title="to", format="+.2f"),
    ]
    layers = [
        base.mark_area(color=INK, opacity=0.3).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(color=INK, strokeDash=[4, 3], strokeWidth=1.5).encode(y="mean:Q"),
        base.mark_line(color=color, strokeWidth=2.5, point={"size": 18}).encode(
            y=y, tooltip=tooltip
        ),
    ]
    return alt.LayerChart(layer=layers).properties(width=190, height=HEIGHT - 60)


def curves_alt(trust: Trust) -> str:
    """The chart in words."""
    parts = [
        f"{curve.kind}: mean output {curve.auc:+.2f}, random orders {curve.random_auc:+.2f}"
        for curve in (trust.deletion, trust.insertion)
    ]
    return "; ".join(parts).capitalize() + "."
