"""Download buttons for a chart and its data; the files are made when a button is pressed."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import altair as alt
import pandas as pd
import streamlit as st
from streamlit import runtime

from core.data.datasets import DATASETS
from ui import state
from ui.charts import to_png, to_svg

MIME = {
    "CSV": "text/csv",
    "JSON": "application/json",
    "PNG": "image/png",
    "SVG": "image/svg+xml",
    "TeX": "application/x-tex",
    "ZIP": "application/zip",
}

CSV_DIGITS = 12
KEPT = itertools.cycle(range(16))
"""Places for the files made last, of all sessions."""


def download_row(chart: alt.TopLevelMixin | None, frame: pd.DataFrame, name: str) -> None:
    """Buttons for `frame` as <name>.csv and `chart`, if any, as <name>.png and <name>.svg."""
    files = {"CSV": csv_file(frame)}
    if chart is not None:
        files |= picture_files(lambda: chart)
    download_files(files, name)


def picture_files(make: Callable[[], alt.TopLevelMixin]) -> dict[str, Callable[[], bytes]]:
    """Makes the PNG and the SVG of the chart that `make` makes, for the shown data set."""
    info = DATASETS.get(state.dataset())
    name = info.label if info else ""
    return {"PNG": lambda: to_png(make(), name), "SVG": lambda: to_svg(make(), name)}


def csv_file(frame: pd.DataFrame) -> Callable[[], bytes]:
    """Makes the CSV of `frame`: counts as whole numbers, others without the noise of sums."""
    return lambda: _written(frame).to_csv(index=False).encode()


def _written(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with "980" for 980.0 and "99.358" for 99.35799999999999."""
    written = frame.copy()
    for name in frame.select_dtypes("float64"):
        written[name] = frame[name].map(f"{{:.{CSV_DIGITS}g}}".format, na_action="ignore")
    return written


def json_file(document: Callable[[], object]) -> Callable[[], bytes]:
    """Makes the JSON of what `document` returns."""
    return lambda: json.dumps(document(), indent=1, ensure_ascii=False, default=float).encode()


def download_files(files: Mapping[str, Callable[[], bytes]], name: str) -> None:
    """A button for each of `files`, a kind of `MIME` → what makes it, called <name>.<kind>."""
    with st.container(horizontal=True, gap="small"):
        for kind, make in files.items():
            words = f"Download {name.replace('-', ' ')} as {kind}"
            download_file(kind, make, kind, name, help=words, type="tertiary")


def download_file(
    label: str,
    make: Callable[[], bytes],
    kind: str,
    name: str,
    *,
    help: str | None = None,
    type: Literal["secondary", "tertiary"] = "secondary",
) -> None:
    """A button `label` for what `make` makes: a `kind` of `MIME`, called <name>.<kind>."""
    file_name = f"{name}.{kind.lower()}"
    st.download_button(
        label,
        data=partial(_make_and_keep, make, file_name, MIME[kind]),
        file_name=file_name,
        mime=MIME[kind],
        key=f"download-{name}-{kind}",
        icon=":material/download:",
        help=help,
        type=type,
        on_click="ignore",
    )


def _make_and_keep(make: Callable[[], bytes], file_name: str, mime: str) -> bytes:
    """What `make` makes, kept until the browser has fetched it.

    Streamlit throws a file made on demand away once two scripts have ended, anyone's; a slow
    browser would then save an error page under a number for a name.
    """
    content = make()
    if runtime.exists():
        files, place = runtime.get_instance().media_file_mgr, f"download-{next(KEPT)}"
        files.add(content, mime, place, file_name, is_for_static_download=True)
    return content
