"""Charts of the overview: accuracies with their intervals, and the pairs. No streamlit."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from ui.chart_titles import said_seeds
from ui.charts import (
    DATA_SET,
    INK,
    INK_ON_DARK,
    PADDING,
    VARIANT_LABELS,
    titled,
    variant_color_scale,
    variant_label_expression,
)

ROW_HEIGHT = 46
ACCURACY_TITLE = "Test accuracy after the last epoch (%)"
ACCURACY_AXIS = alt.Axis(labelFlush=False)
"""Labels stay below their ticks: moved inward, that of the first tick touched the next one."""
MAIN, SINGLE, PUBLISHED = "this variant", "one seed", "published"
HIGHER, LOWER, UNRESOLVED = "higher", "lower", "not resolved"
GREEN, PURPLE, GREY = "#1B7837", "#762A83", "#808A96"
"""Green and purple stay apart in the common colour-vision deficiencies and carry white text."""
PAIRS_LEGEND = "Green: the row is higher; purple: it is lower; without colour: not resolved."


def accuracy_chart(*, variants: pd.DataFrame, runs: pd.DataFrame) -> alt.LayerChart:
    """A dot and an interval per variant, its single seeds, and the published accuracy.

    `variants` needs `variant, accuracy_percent, low_percent, high_percent, num_seeds,
    published_percent`; `runs`, drawn where there are several seeds, `variant, seed,
    accuracy_percent`.
    """
    points = _points(variants, runs)
    encoding: dict[str, Any] = {
        "y": alt.Y("variant:N", sort=list(variants["variant"]), title=None, axis=_label_axis()),
        "color": alt.Color("variant:N", scale=variant_color_scale(), legend=None),
    }
    interval = alt.Chart(variants).encode(
        **encoding,
        x=alt.X("low_percent:Q", title=ACCURACY_TITLE, scale=_tight(), axis=ACCURACY_AXIS),
        x2=alt.X2("high_percent:Q"),
        tooltip=[
            alt.Tooltip("label:N", title="Variant"),
            alt.Tooltip("accuracy_percent:Q", title="Accuracy (%)", format=".3f"),
            alt.Tooltip("low_percent:Q", title="95 % from", format=".3f"),
            alt.Tooltip("high_percent:Q", title="to", format=".3f"),
        ],
    )
    dots = alt.Chart(points).encode(
        **encoding,
        x=alt.X("accuracy_percent:Q", title=ACCURACY_TITLE, scale=_tight(), axis=ACCURACY_AXIS),
        tooltip=[
            alt.Tooltip("label:N", title="Variant"),
            alt.Tooltip("kind:N", title="Shown"),
            alt.Tooltip("accuracy_percent:Q", title="Accuracy (%)", format=".3f"),
        ],
    )
    marks: dict[str, dict[str, Any]] = {
        SINGLE: {"filled": True, "size": 26, "opacity": 0.8, "yOffset": -11},
        PUBLISHED: {"shape": "diamond", "size": 70, "strokeWidth": 1.6, "yOffset": 12},
        MAIN: {"filled": True, "size": 140, "opacity": 1},
    }
    drawn = [kind for kind in marks if kind in set(points["kind"])]
    layers = [
        interval.mark_rule(strokeWidth=7, opacity=0.32, strokeCap="round"),
        *(dots.transform_filter(alt.datum.kind == k).mark_point(**marks[k]) for k in drawn),
    ]
    chart = alt.LayerChart(layer=layers).properties(
        height=ROW_HEIGHT * len(variants) + 40, padding=PADDING
    )
    seeds = said_seeds(group["seed"].to_list() for _, group in runs.groupby("variant"))
    return titled(chart, f"Test accuracy, {DATA_SET}, {seeds}", accuracy_legend(variants))


def accuracy_legend(variants: pd.DataFrame) -> str:
    """What dot, bar and diamond of `accuracy_chart` are, in words."""
    several = variants["num_seeds"].max() > 1
    one_seed = variants.loc[variants["num_seeds"] == 1, "label"]
    parts = [
        f"Dot: mean over {_num_seeds(variants)} seeds." if several else "Dot: this run.",
        "Bar: 95 % interval of that mean, on these very images."
        if several
        else "Bar: 95 % interval, for other images.",
        f"One seed only, so for other images: {', '.join(one_seed)}."
        if several and len(one_seed)
        else "",
        "Small dots above: single seeds." if several else "",
        "Diamond below: published." if variants["published_percent"].notna().any() else "",
    ]
    return " ".join(filter(None, parts))


def _num_seeds(frame: pd.DataFrame) -> str:
    """Such as "5", or "1 to 5" where not all rows have as many."""
    fewest, most = frame["num_seeds"].min(), frame["num_seeds"].max()
    return f"{most}" if fewest == most else f"{fewest} to {most}"


def _points(variants: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """One row per drawn dot: `variant, label, kind, accuracy_percent`."""
    parts = [variants.assign(kind=MAIN)]
    if variants["num_seeds"].max() > 1:
        parts.append(runs.assign(kind=SINGLE))
    published = variants.assign(kind=PUBLISHED, accuracy_percent=variants["published_percent"])
    parts.append(published.dropna(subset=["accuracy_percent"]))
    columns = ["variant", "label", "kind", "accuracy_percent"]
    return pd.concat([part[columns] for part in parts], ignore_index=True)


def pairs_chart(*, pairs: pd.DataFrame, dark: bool = False) -> alt.LayerChart:
    """A matrix of differences, row less column, coloured only where they are resolved.

    `dark` says that it will stand on a dark background.

    `pairs` is one row per pair, as `core.analysis.significance.compare_pairs` gives it.
    """
    cells, ink = mirrored(pairs), INK_ON_DARK if dark else INK
    order = list(dict.fromkeys(cells["row"]))
    columns = _label_axis(labelAngle=-40, labelOverlap=False)
    base = alt.Chart(cells).encode(
        x=alt.X("column:N", sort=order, title=None, axis=columns, scale=alt.Scale(padding=0.05)),
        y=alt.Y("row:N", sort=order, title=None, axis=_label_axis(), scale=alt.Scale(padding=0.08)),
        tooltip=[
            alt.Tooltip("row_label:N", title="Accuracy of"),
            alt.Tooltip("column_label:N", title="less that of"),
            alt.Tooltip("difference_percent:Q", title="Difference (points)", format="+.3f"),
            alt.Tooltip("low_percent:Q", title="Joint 95 % from", format="+.3f"),
            alt.Tooltip("high_percent:Q", title="to", format="+.3f"),
            alt.Tooltip("p_holm:Q", title="p, Holm-adjusted", format=".3g"),
            alt.Tooltip("outcome:N", title="Outcome"),
        ],
    )
    color = alt.Color(
        "outcome:N",
        scale=alt.Scale(domain=[HIGHER, LOWER, UNRESOLVED], range=[GREEN, PURPLE, GREY]),
        legend=None,
    )
    value = alt.Text("shown:N")
    resolved = alt.datum.outcome != UNRESOLVED
    opacity = alt.when(resolved).then(alt.value(1)).otherwise(alt.value(0.13))
    text = alt.when(resolved).then(alt.value("white")).otherwise(alt.value(ink))
    layers = [
        base.mark_rect(cornerRadius=5).encode(color=color, opacity=alt.OpacityValue(**opacity)),
        base.mark_text(fontSize=12).encode(text=value, color=alt.ColorValue(**text)),
    ]
    chart = alt.LayerChart(layer=layers).properties(height=46 * len(order) + 70, padding=PADDING)
    seeds = f"{_num_seeds(pairs)} {'seeds' if pairs['num_seeds'].max() > 1 else 'seed'}"
    title = f"Test accuracy of the row less that of the column, {DATA_SET}"
    return titled(chart, f"{title}, {seeds}", f"In percentage points. {PAIRS_LEGEND}")


def mirrored(pairs: pd.DataFrame) -> pd.DataFrame:
    """Both directions of each pair: `row, column, row_label, column_label, difference_percent,
    low_percent, high_percent, p_holm, outcome` (`HIGHER, LOWER, UNRESOLVED`) and `shown`, the
    difference as text.
    """
    forward = pairs.rename(columns={"a": "row", "b": "column"})
    back = pairs.rename(columns={"b": "row", "a": "column"}).assign(
        difference_percent=0.0 - pairs["difference_percent"],  # never -0.0
        low_percent=-pairs["high_percent"],
        high_percent=-pairs["low_percent"],
    )
    cells = pd.concat([forward, back], ignore_index=True)
    outcome = cells["difference_percent"].gt(0).map({True: HIGHER, False: LOWER})
    return cells.assign(
        outcome=outcome.where(cells["resolved"].astype(bool), UNRESOLVED),
        row_label=cells["row"].replace(VARIANT_LABELS),
        column_label=cells["column"].replace(VARIANT_LABELS),
        shown=cells["difference_percent"].map(_signed),
    )


def _signed(difference: float) -> str:
    """Such as "−0.12"; what rounds to 0 has no sign."""
    return f"{difference:+.2f}".replace("-", "−") if round(difference, 2) else "0.00"


def _label_axis(**options: Any) -> alt.Axis:
    expression = variant_label_expression(short=True)
    return alt.Axis(labelExpr=expression, labelLimit=170, ticks=False, **options)


def _tight() -> alt.Scale:
    return alt.Scale(zero=False, nice=True, padding=12)
