"""Failures by normalization: why one fails where the others do not, as far as it can be said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from core.analysis.cause_words import answer, survey_answer
from core.analysis.failure_causes import FailureCauses, failure_causes
from core.analysis.image_properties import PROPERTIES, image_properties
from core.analysis.survey_table import NAME, survey_frame
from core.errors import UsageError
from core.training.runs import Run
from core.training.storage import sha256
from ui import charts_causes as charts
from ui import resources, stored_results
from ui.chart_titles import runs_in_file_name, said_seeds
from ui.downloads import download_row
from ui.failures_view import View, label
from ui.picker import pick

SURVEY_SECONDS = 3.0
FOREST_WIDTH = 324
"""In pixels; the title of the axis needs as many."""
CAUSES = (
    "Logistic regression of failing on all six properties at once, with slopes for each variant; "
    "images are compared with their own class. Lines: intervals that hold jointly at 95 % for all "
    "{total} of the first figure and all {slopes} of the second (Bonferroni), clustered by "
    "image{runs}; full points exclude 0. Grey: the mean of all "
    "normalizations; coloured: what each adds to it. {a} and {b} go together (r = {r:+.2f}), so "
    "their effects are hard to tell apart. An effect of both extremes alike is not seen, and what "
    "a normalization adds may belong to the penalties its variants were trained with."
)
CHANGES = (
    "In points: share of failures that some step up to a small change repairs, less the share of "
    "paired correct images, equally close to the boundary, that it breaks (small: both, in %). "
    "For layers: repairing the statistics as in the diagnosis of Explain. Framed: the interval, "
    "joint at 95 % for the whole table, lies above 0. {seeds}"
)


def show(view: View) -> None:
    """The answer in a sentence, the figures behind it, and what small changes do."""
    st.header("Failures by normalization", anchor=False)
    if view.images is None:
        st.caption("This needs the pictures, which are not on this machine.")
        return
    try:
        with st.spinner("Comparing failing images with the others of their class…"):
            found = causes(view)
    except UsageError as error:
        st.info(f"No comparison: {error}", icon=":material/info:")
    else:
        _causes(view, found)
    _survey(view)


def seeds_shown(view: View, key: str | None = None) -> str:
    """The seeds of all shown runs, or of those of one variant, in words: "seed 1", "5 seeds"."""
    groups = view.runs.values() if key is None else [view.runs[key]]
    return said_seeds([run.seed for run in group] for group in groups)


def file_stem(view: View) -> str:
    """How files made from all shown runs are called: "mnist-5-seeds"."""
    return runs_in_file_name(view.info.key, view.runs)


def causes(view: View) -> FailureCauses:
    """`failure_causes` of the shown runs; computed once, shared, so never changed."""
    return view.once("found", partial(_find_causes, view))


def _find_causes(view: View) -> FailureCauses:
    predictions = {
        key: [resources.predictions(run) for run in group] for key, group in view.runs.items()
    }
    norms = {key: group[0].variant.norm for key, group in view.runs.items() if group[0].variant}
    return failure_causes(predictions, norms, _properties(view.info.key, view))


@st.cache_resource(show_spinner=False, max_entries=8)
def _properties(dataset: str, _view: View) -> pd.DataFrame:
    assert _view.images is not None
    return image_properties(_view.images)


def _causes(view: View, found: FailureCauses) -> None:
    for sentence in answer(found):
        st.markdown(sentence)
    with st.grid(2, min_column_width=FOREST_WIDTH, gap="large"):
        left, right = st.container(), st.container()
    runs = seeds_shown(view)
    with left:
        st.subheader("What sets a normalization apart", anchor=False)
        make = partial(charts.norm_forest, runs=runs)
        chart = _forest(view, "causes", found.causes, make, "Interactions")
        download_row(chart, _taken(found.causes, found), f"causes-{file_stem(view)}")
    with right:
        st.subheader("Each variant", anchor=False)
        make = partial(charts.variant_forest, runs=runs)
        chart = _forest(view, "slopes", found.slopes, make, "Slopes")
        download_row(chart, _taken(found.slopes, found), f"slopes-{file_stem(view)}")
    a, b, r = found.correlated
    st.caption(
        CAUSES.format(
            total=len(found.causes),
            slopes=len(found.slopes),
            runs=" and by run" if found.several_seeds else "",
            a=PROPERTIES[a].label,
            b=PROPERTIES[b].label.lower(),
            r=r,
        ).replace("= -", "= −")
    )
    _differences(view, found)


def _taken(effects: pd.DataFrame, found: FailureCauses) -> pd.DataFrame:
    """`effects` with what their intervals are, for a file."""
    clustered = "image and run" if found.several_seeds else "image"
    joint = f"95 % joint over {len(effects)} rows (Bonferroni)"
    return effects.assign(interval=f"{joint}; clustered by {clustered}")


def _forest(
    view: View,
    name: str,
    effects: pd.DataFrame,
    make: Callable[[pd.DataFrame], alt.LayerChart],
    what: str,
) -> alt.LayerChart:
    """Draws the chart that `make` makes; `what` are its effects, in words."""

    def draw() -> alt.LayerChart:
        chart = make(effects)
        st.altair_chart(chart, key=name, alt=charts.describe_effects(effects, what))
        return chart

    return view.once(name, draw)


def _differences(view: View, found: FailureCauses) -> None:
    with st.expander("How failing images differ, one property at a time"):
        make = partial(charts.variant_forest, title=charts.DIFFERENCE, runs=seeds_shown(view))
        chart = _forest(view, "differences", found.differences, make, "Differences")
        st.caption(
            "Mean of the failing images less mean of the others, in standard deviations within "
            "classes; intervals hold jointly at 95 %."
        )
        st.markdown(
            "\n".join(f"- **{p.label}** ({p.unit}): {p.definition}" for p in PROPERTIES.values())
        )
        download_row(chart, _taken(found.differences, found), f"differences-{file_stem(view)}")


def _survey(view: View) -> None:
    """Which small changes and layers matter over all failures."""
    st.subheader("Which small changes and which layers matter", anchor=False)
    runs = [run for group in view.runs.values() for run in group]
    known = stored_results.read_all(runs, NAME)
    missing = [run for run in runs if run.name not in known]
    if missing:
        known |= stored_results.offer(
            missing,
            name=NAME,
            what="Small changes of all failures",
            seconds=SURVEY_SECONDS,
            compute=_compute,
        )
    documents = {
        key: [known[run.name] for run in group if run.name in known]
        for key, group in view.runs.items()
    }
    stored = sha256(repr(documents).encode())
    frame, answered, table = view.once(f"survey {stored}", partial(_read_survey, documents))
    if frame.empty:
        return
    st.markdown(answered)
    pick(table, key="survey")
    st.caption(CHANGES.format(seeds=_seeds(frame["num_seeds"])))
    joint = f"95 % joint over {len(frame)} rows (Bonferroni)"
    kinds = {True: f"{joint}; Newcombe", False: f"{joint}; Student's t"}
    taken = frame.assign(interval=(frame["num_seeds"] == 1).map(kinds))
    download_row(None, taken, f"failure-survey-{file_stem(view)}")


def _read_survey(documents: dict[str, list[dict]]) -> tuple[pd.DataFrame, str, str]:
    """The figures, the answer in words, and the table."""
    frame = survey_frame(documents)
    if frame.empty:
        return frame, "", ""
    labels = {key: label(key) for key in documents}
    answered = survey_answer(frame, labels)
    frame = frame.assign(**{end: frame[end].clip(-1, 1) for end in ("low", "high")})
    return frame, answered, charts.survey_table(frame, labels)


def _seeds(counts: pd.Series) -> str:
    fewest, most = int(counts.min()), int(counts.max())
    if most == 1:
        return "One seed each: intervals cover other images only."
    alone = "" if fewest > 1 else "; those of variants with one seed cover other images only"
    said = f"{most}" if fewest == most else f"{fewest} to {most}"
    return f"Means over {said} seeds, intervals cover other images and other seeds{alone}."


def _compute(runs: Sequence[Run], on_progress: Callable[[int, int], None]) -> dict[str, dict]:
    """The survey of each run; `DataError` or `RunError` where images or weights are missing."""
    from core.analysis.failure_survey import survey
    from ui import explain_resources

    found = {}
    for done, run in enumerate(runs, start=1):
        reference = explain_resources.reference(run.dataset, run)
        found[run.name] = survey(reference, resources.predictions(run))
        on_progress(done, len(runs))
    return found
