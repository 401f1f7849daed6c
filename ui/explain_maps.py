"""The attribution maps of the Explain page, each with what it explains and how far it adds up."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import streamlit as st

from core.analysis.map_images import common_limit
from core.analysis.methods import METHODS
from core.errors import NormLabError
from ui import explain_resources, explain_settings, explain_trust, map_figure
from ui.chart_titles import said_seed
from ui.charts import VARIANT_LABELS
from ui.downloads import csv_file, download_files, json_file
from ui.explain_data import Subject, verdicts
from ui.explain_settings import Settings
from ui.images import format_percent, mark
from ui.map_figure import Tile
from ui.picker import pick

if TYPE_CHECKING:
    from core.analysis.attribution import AttributionMap

Maps: TypeAlias = Mapping[tuple[str, str], "AttributionMap"]
ENDS = ("raises the explained output", "lowers it")


@st.fragment
def show(subject: Subject) -> None:
    """Controls, maps, colour scale and files; a change here runs only this part again."""
    st.header("Attribution maps", anchor=False)
    if subject.image is None:
        st.caption("Maps need the picture, which is not on this machine.")
        return
    try:
        settings = explain_settings.choose(subject)
        found = _compute(subject, settings)
    except NormLabError as error:
        st.warning(f"No maps: {error}", icon=":material/warning:")
        return
    if not found:
        st.info("Choose at least one method.")
        return
    _draw(subject, settings, found)
    explain_trust.show(subject, settings, found)


def _compute(subject: Subject, settings: Settings) -> Maps:
    names = ", ".join(METHODS[key].label for key in settings.methods)
    networks = (
        "one network" if len(settings.variants) == 1 else f"{len(settings.variants)} networks"
    )
    with st.spinner(f"{names} for {networks}…", show_time=True):
        return explain_resources.maps(
            subject, settings.variants, settings.methods, settings.target, settings.baseline
        )


def _draw(subject: Subject, settings: Settings, found: Maps) -> None:
    assert subject.image is not None
    tiles = make_tiles(subject, settings, found)
    pick(map_figure.tiles_html(tiles, subject.image), key="maps")
    common = None if settings.own_scale else tiles[0].limit
    if any(tile.attributions is not None for tile in tiles):
        pick(map_figure.scale_html(common, *ENDS), key="map-scale")
        st.caption(_scale_words(common))
        if len({one.target.weights for one in found.values()}) > 1:
            st.caption(
                ":material/warning: The maps explain different outputs, as stated below each: what "
                "speaks for one class in one map may be against it in another. Under “Explained "
                "output” one contrast can be set for all."
            )
    networks = f"{subject.info.label} networks, {said_seed(subject.seed)}"
    title = f"{_title(settings)}: {subject.said} ({networks})"
    svg = partial(map_figure.figure_svg, title, tiles, subject.image, [_scale_words(common)])
    files = {
        "CSV": csv_file(maps_frame(found)),
        "JSON": json_file(lambda: document(subject, found, common)),
        "PNG": lambda: map_figure.to_png(svg()),
        "SVG": lambda: svg().encode(),
    }
    download_files(files, f"maps-{subject.file_stem}")


def _title(settings: Settings) -> str:
    if len(settings.methods) == 1:
        return METHODS[settings.methods[0]].label
    return VARIANT_LABELS.get(settings.variants[0], settings.variants[0])


def _scale_words(limit: float | None) -> str:
    scale = (
        "Each map has its own scale, stated below it: their sizes cannot be compared."
        if limit is None
        else f"One scale for all maps, from −{limit:.3g} to +{limit:.3g}; white is 0. A pale map "
        "has small attributions; “Own colour scale for each map” shows where they lie."
    )
    return (
        f"{scale} Orange pixels raise the explained output, blue ones (with a minus) lower it. The "
        "line is the outline of the ink."
    )


def make_tiles(subject: Subject, settings: Settings, found: Maps) -> list[Tile]:
    """A tile for each map or refusal, with its colour scale."""
    drawn = [one.attributions for one in found.values() if one.attributions is not None]
    common = common_limit(drawn)
    said: dict[str, Mapping[Hashable, Any]] = {
        row["variant"]: row for row in verdicts(subject).to_dict("records")
    }
    by_method = len(settings.methods) > 1
    return [
        _tile(
            subject,
            one,
            said[key],
            limit=_own_limit(one) if settings.own_scale else common,
            own_scale=settings.own_scale,
            by_method=by_method,
            baseline=settings.baseline.label,
        )
        for (key, _), one in found.items()
    ]


def _own_limit(one: AttributionMap) -> float:
    return 0.0 if one.attributions is None else common_limit([one.attributions])


def _tile(
    subject: Subject,
    one: AttributionMap,
    said: Mapping[Hashable, Any],
    *,
    limit: float,
    own_scale: bool,
    by_method: bool,
    baseline: str,
) -> Tile:
    method, drawn = METHODS[one.method], one.attributions
    facts = [f"Explains {one.target.text}"]
    facts += [f"Baseline: {baseline}" if one.baseline else "No baseline"]
    facts += [completeness_words(one)]
    facts += [f"Scale ±{limit:.3g}"] if own_scale and drawn is not None else []
    label = said["label"]
    where = ""
    if drawn is not None and subject.image is not None:
        where = map_figure.describe_map(drawn, subject.image)
    return Tile(
        title=method.label if by_method else label,
        verdict=f"{mark(said['predicted'], said['right'])}, {format_percent(said['probability'])}",
        attributions=drawn,
        limit=limit,
        reason=one.reason,
        facts=tuple(facts),
        warning=one.warning,
        said=f"{method.label} of {label} for {subject.said}: {where}. " + "; ".join(facts),
    )


def completeness_words(one: AttributionMap) -> str:
    """Steps and completeness error in words, or that there is none to state."""
    method, parts = METHODS[one.method], []
    if one.n_steps:
        parts.append(f"{one.n_steps:,} {'samples' if method.stochastic else 'steps'}")
    if one.completeness_error is not None:
        percent = 100 * one.completeness_error
        parts.append(f"completeness error {f'{percent:.2g}' if percent >= 0.01 else '< 0.01'} %")
    elif not method.completeness:
        parts.append("completeness is not defined for it")
    text = ", ".join(parts) or "no completeness error, as there is no map"
    return text[0].upper() + text[1:]


def maps_frame(found: Maps) -> pd.DataFrame:
    """One row per pixel of each map: `variant, method, row, column, attribution`, from 0."""
    parts = []
    for (key, method), one in found.items():
        if one.attributions is not None:
            rows, columns = np.indices(one.attributions.shape)
            parts.append(
                pd.DataFrame(
                    {
                        "variant": key,
                        "method": method,
                        "row": rows.ravel(),
                        "column": columns.ravel(),
                        "attribution": one.attributions.ravel(),
                    }
                )
            )
    columns_of = ["variant", "method", "row", "column", "attribution"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns_of)


def document(subject: Subject, found: Maps, limit: float | None) -> dict:
    """Every figure of the maps, ready for JSON; `color_limit` is None for a scale per map."""
    return {
        "dataset": subject.info.key,
        "index": subject.index,
        "true": subject.target,
        "seed": subject.seed,
        "color_limit": limit,
        "maps": [one.to_dict() for one in found.values()],
    }
