"""Inside the training: what the weights and the normalization of one layer did, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import pandas as pd
import streamlit as st

from core.config import VARIANTS, describe_seeds, seed_ranges
from core.training.insights import NEAR_ZERO, WEIGHT_LAYERS
from core.training.runs import Run
from ui import address, resources, state
from ui.charts import VARIANT_LABELS
from ui.curves_view import Choice, Figure, draw, kept
from ui.insights_data import (
    NORM_AFTER,
    OF_NORMALIZATION,
    OF_WEIGHTS,
    describe_insight,
    insight_curves,
    insight_rows,
    insight_table,
    is_log,
    summary,
)
from ui.live_runs import written
from ui.state import Selection

LAYER, SHOWN = "inside", "inside_show"
QUANTITIES = {quantity.title: quantity for quantity in (*OF_WEIGHTS, *OF_NORMALIZATION)}
DEFAULT_SHOWN = [*[quantity.title for quantity in OF_WEIGHTS], OF_NORMALIZATION[0].title]
WEIGHTS_WORDS = (
    "At the end of each epoch. Weight norm: ‖W‖₂ of the layer without biases. Effective learning "
    "rate: lr / ‖W‖² ([van Laarhoven 2017](https://arxiv.org/abs/1706.05350)), which says how far "
    "a step of SGD turns the weights where a normalization follows, so not in the head; without "
    "the factor that momentum adds; always on a log scale, because lr falls in steps. Near zero: "
    f"|w| at most {NEAR_ZERO:g} of the root mean square of the layer's weights."
)
OF_CHANNELS = (
    "Line: mean over the layer's channels; band: from the smallest to the largest; of several "
    "seeds the mean of each."
)
NORMALIZATION_WORDS = (
    "γ and β: what the normalization multiplies by and adds. Running mean and variance: what batch "
    "norm has stored for prediction, in the units of the feature maps it normalizes; group and "
    f"layer norm store nothing. {OF_CHANNELS}"
)


@st.fragment
def show(selection: Selection, choice: Choice, *, live: bool = False) -> None:
    """The figures of one layer for the chosen variants; a change runs only this part again."""
    st.header("Inside the training", anchor=False)
    runs = [run for key in choice.variants for run in selection.by_variant.get(key, [])]
    found = [(run, resources.insights(run)) for run in runs]
    # One that is being trained may only have begun.
    missing = [run for run, frame in found if frame.empty and run.state == "done"]
    if missing:
        st.info(missing_sentence(missing, len(runs)), icon=":material/info:")
    kept_runs = [(run, frame) for run, frame in found if not frame.empty]
    if not kept_runs:
        return
    layer, titles = _controls()
    key = ("insights", layer, tuple(titles), repr(choice), written([run for run, _ in kept_runs]))
    said, drawn = kept(key, lambda: _tell(kept_runs, titles, layer, choice))
    if said:
        st.markdown(said)
    draw(drawn, choice, live=live)
    st.caption(WEIGHTS_WORDS)
    st.caption(NORMALIZATION_WORDS if layer in NORM_AFTER else "No normalization follows the head.")


def _controls() -> tuple[str, list[str]]:
    """The chosen layer and what is shown of it; both are kept in the address."""
    layer = address.one_of(LAYER, list(WEIGHT_LAYERS))
    chosen = st.segmented_control(
        "Layer",
        list(WEIGHT_LAYERS),
        required=True,
        help="A convolution is shown with the normalization that follows it.",
        **layer.widget(),
    )
    layer.settle(chosen, what="layer", shown=chosen)
    titles = st.pills(
        "Shown of it",
        list(QUANTITIES),
        selection_mode="multi",
        default=DEFAULT_SHOWN,
        **state.bound(SHOWN),
    )
    return chosen, [title for title in QUANTITIES if title in titles]


def _tell(
    found: list[tuple[Run, pd.DataFrame]], titles: Sequence[str], layer: str, choice: Choice
) -> tuple[str, list[Figure]]:
    """What one layer did, in words and as figures."""
    rows = insight_rows(found)
    rows = rows[rows["layer"].isin([layer, NORM_AFTER.get(layer)])]
    said = summary(rows[rows["epoch"].between(*choice.epochs)], layer)
    return said, _figures(titles, rows, layer, choice)


def _figures(titles: Sequence[str], rows: pd.DataFrame, layer: str, choice: Choice) -> list[Figure]:
    figures = []
    for title in titles:
        quantity = QUANTITIES[title]
        log = is_log(quantity, choice.log)
        one = insight_curves(quantity, rows, epochs=choice.epochs, log=log)
        where = layer if quantity in OF_WEIGHTS else NORM_AFTER.get(layer, layer)
        table = partial(insight_table, quantity, rows, choice.epochs)
        name = f"{quantity.column.replace('_', '-')}-{where}"
        words = partial(describe_insight, layer=where)
        line_is = "" if quantity in OF_WEIGHTS else OF_CHANNELS
        figures.append(
            Figure(one, table, name, log, choice.singles, words, f" of {where}", line_is)
        )
    return figures


def missing_sentence(missing: Sequence[Run], total: int) -> str:
    """Which of the `total` shown runs hold no insights, and the command that records them."""
    who = names(missing)
    who = f"Of the shown runs {who}" if len(missing) < total else who[0].upper() + who[1:]
    who += f" {'holds' if len(missing) == 1 else 'hold'} no insights"
    command = retrain_command(missing)
    if command is None:
        return f"{who}: they were trained before insights were recorded."
    here = any(resources.LOCAL_DIR in run.path.parents for run in missing)
    first = "once these are deleted, " if here else ""
    again = f"`{command}` trains again and records them; the runs then stand under Made here."
    return f"{who}; {first}{again}"


def names(runs: Iterable[Run]) -> str:
    """Such as "Group norm (seed 1), Layer norm (seeds 1-3)"."""
    groups: dict[str, list[int]] = {}
    for run in runs:
        groups.setdefault(run.path.parent.name, []).append(run.seed)
    parts = [
        f"{VARIANT_LABELS.get(key, key)} ({describe_seeds(found)})" for key, found in groups.items()
    ]
    if len(groups) == len(VARIANTS) and len(set(map(tuple, groups.values()))) == 1:
        return f"all {len(groups)} variants ({describe_seeds(groups.popitem()[1])})"
    return ", ".join(parts)


def retrain_command(runs: Sequence[Run]) -> str | None:
    """The command that trains those of the published variants again; None if there are none."""
    epochs = {run.variant.key: run.epochs for run in runs if run.variant}
    keys = [key for key in VARIANTS if key in epochs]
    if not keys:
        return None
    names = "--all" if len(keys) == len(VARIANTS) else " ".join(keys)
    shortened = any(epochs[key] != VARIANTS[key].epochs for key in keys)
    length = f" --epochs {epochs[keys[0]]}" if shortened else ""
    seeds = seed_ranges(run.seed for run in runs)
    return f"python -m core train {names} --seeds {seeds}{length} --dataset {runs[0].dataset}"
