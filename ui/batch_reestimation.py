"""Running statistics estimated anew on shifted images, and how accuracy recovers."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from core.analysis import robustness
from core.data.corruptions import CORRUPTIONS, Corruption
from core.errors import NormLabError
from ui import address, batch_resources, state
from ui import charts_batch as charts
from ui.batch_data import Company
from ui.charts import VARIANT_LABELS
from ui.downloads import download_row

DEFAULT = "contrast"
FOUND = "reestimation-found"


@st.fragment
def show(company: Company) -> None:
    """A choice of shift, a button, and accuracy against the number of images."""
    st.header("Running statistics estimated anew", anchor=False)
    st.write(
        "If the test images are shifted, batch norm still normalizes with statistics of unshifted "
        "ones. How many shifted images, without labels, repair that?"
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = _choose_kind()
        severity = _choose_severity(kind)
        pressed = st.button("Estimate", icon=":material/restart_alt:")
    st.caption(f"{kind.label}: {kind.summary}")
    digests = tuple(run.digest for run in company.runs.values())
    about = (company.info.key, digests, kind.key, severity)
    if pressed:
        _estimate(company, kind, severity, about)
    found_for, rows = state.value(FOUND, (None, None))
    if found_for == about:
        _results(company, kind, severity, pd.DataFrame(rows))


def _choose_kind() -> Corruption:
    choice = address.one_of("shift", list(CORRUPTIONS), DEFAULT)
    chosen = st.selectbox(
        "Shift",
        list(CORRUPTIONS),
        width=240,
        format_func=lambda key: _label(CORRUPTIONS[key]),
        **choice.widget(),
    )
    choice.settle(chosen, what="shift", shown=CORRUPTIONS[chosen].label)
    return CORRUPTIONS[chosen]


def _label(kind: Corruption) -> str:
    return f"{kind.label} (MNIST-C)" if kind.family == "mnist_c" else kind.label


def _choose_severity(kind: Corruption) -> float:
    """One of the severities of the curves, or the one of the robustness table."""
    reported = robustness.reported_severity(kind.key)
    options = [f"{size:g}" for size in sorted({*map(float, kind.grid), reported})]
    choice = address.one_of(f"size_{kind.key}", options, f"{reported:g}")
    chosen = st.select_slider(
        f"Severity ({kind.unit or 'level'})", options, width=280, **choice.widget()
    )
    choice.settle(chosen, what="severity", shown=f"{chosen} {kind.unit}")
    return float(chosen)


def _estimate(company: Company, kind: Corruption, severity: float, about: tuple) -> None:
    """Estimates under a progress bar and keeps the rows until the next estimate."""
    bar, started = st.progress(0.0, text="Shifting the images…"), time.monotonic()

    def report(done: int, total: int) -> None:
        left = (time.monotonic() - started) * (total - done) / done
        bar.progress(done / total, text=f"{done} of {total} done, about {left:.0f} s left")

    try:
        rows = batch_resources.reestimation(company, kind.key, severity, report)
        state.put(FOUND, (about, rows))
    except NormLabError as error:
        st.warning(f"No estimate: {error}", icon=":material/warning:")
    bar.empty()


def _results(company: Company, kind: Corruption, severity: float, frame: pd.DataFrame) -> None:
    st.markdown(_sentence(company, frame))
    shift = f"{_label(kind)} {severity:g} {kind.unit}".rstrip()
    chart = charts.recovery_chart(frame, shift=shift, seed=company.seed)
    st.altair_chart(chart, key="recovery", alt=charts.recovery_alt(frame))
    draws = frame["num_draws"].max()
    st.caption(
        f"{int(frame['num_images'].max()):,} test images, {shift}; "
        "0 keeps the stored statistics (95 % Wilson interval over the images). Else the mean over "
        f"{draws} random draws from training images shifted alike, with Student's 95 % interval "
        "over the draws. Group and layer norm (dotted) have nothing to estimate. "
        f"This seed ({company.seed})."
    )
    name = f"reestimation-{company.info.key}-seed-{company.seed}-{kind.key}-{severity:g}"
    download_row(chart, frame, name)


def _sentence(company: Company, frame: pd.DataFrame) -> str:
    """What estimating repairs, and what the others do without."""
    parts = []
    for key in company.batch_norm:
        rows = frame[frame["variant"] == key].sort_values("count")
        first, best = rows.iloc[0], rows.iloc[int(rows["accuracy_percent"].argmax())]
        label = VARIANT_LABELS.get(key, key)
        if best["count"] == 0:
            parts.append(
                f"{label} is right on {first['accuracy_percent']:.1f} %, and no estimate helps"
            )
        else:
            parts.append(
                f"{label} rises from {first['accuracy_percent']:.1f} to at best "
                f"{best['accuracy_percent']:.1f} %, with statistics of {best['count']:,} images"
            )
    others = frame[~frame["variant"].isin(company.batch_norm)]["accuracy_percent"]
    said = f"**{'; '.join(parts)}.**" if parts else ""
    if len(others):
        said += (
            f" Without any statistics to estimate, group and layer norm are right on "
            f"{others.min():.1f} to {others.max():.1f} %."
        )
    return said.strip()
