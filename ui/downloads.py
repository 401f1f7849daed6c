"""Download buttons for a chart and its data; the files are made when a button is pressed."""

from __future__ import annotations

from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from ui.charts import to_png, to_svg


def download_row(chart: alt.TopLevelMixin | None, frame: pd.DataFrame, name: str) -> None:
    """Buttons for `frame` as <name>.csv and `chart`, if any, as <name>.png and <name>.svg."""
    files = [("CSV", "text/csv", lambda: frame.to_csv(index=False).encode())]
    if chart is not None:
        files += [
            ("PNG", "image/png", partial(to_png, chart)),
            ("SVG", "image/svg+xml", partial(to_svg, chart)),
        ]
    with st.container(horizontal=True, gap="small"):
        for label, mime, make in files:
            st.download_button(
                label,
                data=make,
                file_name=f"{name}.{label.lower()}",
                mime=mime,
                key=f"download-{name}-{label}",
                icon=":material/download:",
                help=f"Download {name.replace('-', ' ')} as {label}",
                type="tertiary",
                on_click="ignore",
            )
