"""One image on its way through the normalization layers of six networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from core.analysis.flow_table import CONV_LAYERS
from core.errors import NormLabError
from ui import address, explain_resources
from ui import charts_inside as charts
from ui.chart_titles import about
from ui.downloads import download_row
from ui.explain_data import Subject, verdicts
from ui.images import format_percent, mark
from ui.inside_maps import tile, tiles
from ui.picker import pick

if TYPE_CHECKING:
    from core.analysis.inside import LayerView

LAYER = "norm_layer"
NUMBERS = [str(number) for number in range(1, len(CONV_LAYERS) + 1)]


@st.fragment
def show(subject: Subject) -> None:
    """Maps before and after the chosen layer, then all layers; a change runs only this again."""
    st.header(f"{subject.said[0].upper()}{subject.said[1:]}, layer by layer", anchor=False)
    if subject.image is None:
        st.caption("This needs the picture, which is not on this machine.")
        return
    number = choose_layer()
    try:
        with st.spinner("Following the image through the networks…"):
            found = views(subject)
    except NormLabError as error:
        st.warning(f"Nothing to show: {error}", icon=":material/warning:")
        return
    _maps(subject, found, number)
    _all_layers(subject, found)


def choose_layer() -> int:
    """The normalization layer that is shown, 1 to 7; Normalization by hand asks for it too."""
    choice = address.one_of(LAYER, NUMBERS)
    chosen = st.segmented_control(
        "Normalization layer",
        NUMBERS,
        required=True,
        help="Each follows the convolution of the same number.",
        **choice.widget(),
    )
    choice.settle(chosen, what="layer", shown=f"layer {chosen}")
    return int(chosen)


def views(subject: Subject) -> dict[str, list[LayerView]]:
    """The seven layers of each variant's network on the image, computed once."""
    digests = tuple((key, run.digest) for key, run in subject.runs.items())
    return _cached_views(digests, subject.identity, subject)


@st.cache_resource(show_spinner=False, max_entries=32)
def _cached_views(digests: tuple, about: tuple, _subject: Subject) -> dict[str, list[LayerView]]:
    from core.analysis.inside import layer_views

    image = explain_resources.inputs(_subject).unsqueeze(0)
    return {
        key: layer_views(explain_resources.network(run), image)
        for key, run in _subject.runs.items()
    }


def _maps(subject: Subject, found: dict[str, list[LayerView]], number: int) -> None:
    said = {row["variant"]: row for row in verdicts(subject).to_dict("records")}
    items = [
        tile(
            said[key]["label"],
            f"{mark(said[key]['predicted'], said[key]['right'])}, "
            f"{format_percent(said[key]['probability'])}",
            views[number - 1],
        )
        for key, views in found.items()
    ]
    pick(tiles(items), key="inside-maps")
    st.caption(
        f"The feature maps of conv{number} before and after norm{number} (with γ and β, before "
        "ReLU): white is 0, orange positive, blue negative. Each picture has its own scale, stated "
        "above it. μ and σ are those the layer uses: of this image for group and layer norm, "
        f"stored ones for batch norm. Seed {subject.seed}."
    )


def layers_frame(found: dict[str, list[LayerView]]) -> pd.DataFrame:
    """One row per variant and layer: `variant`, then the columns of `LayerView.figures`."""
    rows = [{"variant": key, **view.figures()} for key, views in found.items() for view in views]
    return pd.DataFrame(rows)


def _all_layers(subject: Subject, found: dict[str, list[LayerView]]) -> None:
    frame = layers_frame(found)
    st.subheader("What each layer divides by", anchor=False)
    sigma = frame.rename(columns={"std_median": "value", "std_low": "low", "std_high": "high"})
    sigma = sigma.assign(layer="norm" + sigma["layer"].astype(str))
    chart = charts.sigma_chart(sigma, about=about(subject, subject.seed))
    st.altair_chart(chart, key="sigma", alt=charts.lines_alt(sigma, "σ"))
    st.caption("Points: the median σ over the layer's groups; lines up and down: their range.")
    download_row(chart, frame, f"inside-{subject.file_stem}")
