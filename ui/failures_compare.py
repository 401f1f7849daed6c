"""Lower parts of the Failures page: classes, who fails where, and one image in all variants."""

from __future__ import annotations

from functools import partial

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from core.analysis import metrics
from core.published import class_accuracy, published_figures
from ui import charts_failures as charts
from ui import explain_choice, images, resources, state
from ui import failures_tables as tables
from ui.chart_titles import in_file_name
from ui.downloads import download_row
from ui.failures_causes import file_stem, seeds_shown
from ui.failures_data import count_failing_seeds, overlap
from ui.failures_grid import paged
from ui.failures_view import IMAGE, View, label, pick_image
from ui.picker import pick

WHO_PAGE = "who_page"
WHO_PAGE_SIZE = 100


def classes(view: View, key: str) -> None:
    """Accuracy per class with its interval, beside single seeds and the published figures."""
    st.header("Accuracy per class", anchor=False)
    chart, frame = view.once(f"classes {key}", partial(_class_chart, view, key))
    st.caption(charts.INTERVALS[charts.MEAN if len(view.runs[key]) > 1 else charts.ONE_RUN])
    seeds = in_file_name(seeds_shown(view, key))
    taken = frame.assign(interval=frame["kind"].map(charts.INTERVAL_KINDS))
    download_row(chart, taken, f"classes-{view.info.key}-{key}-{seeds}")


def _class_chart(view: View, key: str) -> tuple[alt.LayerChart, pd.DataFrame]:
    frame = class_figures(view, key)
    chart = charts.class_accuracy_chart(
        frame,
        color=tables.variant_color(key),
        order=view.info.class_names,
        label=label(key),
        runs=seeds_shown(view, key),
    )
    st.altair_chart(chart, alt=classes_alt(frame, label(key)))
    return chart, frame


def class_figures(view: View, key: str) -> pd.DataFrame:
    """Rows for `charts.class_accuracy_chart`: one run, or seeds and their mean; published ones."""
    names = view.info.class_names
    found = [(run.seed, resources.predictions(run)) for run in view.runs[key]]
    runs = [
        metrics.per_class_accuracy(p.targets, p.predicted, len(names)).assign(seed=seed)
        for seed, p in found
    ]
    if len(runs) == 1:
        parts = [runs[0].assign(kind=charts.ONE_RUN)]
    else:
        single = pd.concat(runs, ignore_index=True).drop(columns=["low_percent", "high_percent"])
        means = metrics.mean_class_accuracy(single)
        parts = [means.assign(kind=charts.MEAN), single.assign(kind=charts.SINGLE)]
    if published_figures(view.runs[key][0]):
        published = class_accuracy().query("variant == @key")
        published = published.rename(columns={"test_accuracy_percent": "accuracy_percent"})
        parts.append(published.drop(columns="variant").assign(kind=charts.PUBLISHED))
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(**{"class": [names[int(number)] for number in frame["class"]]})


def classes_alt(frame: pd.DataFrame, name: str) -> str:
    """The chart of `class_figures` in words: the accuracy and the interval of each class."""
    shown = frame[frame["kind"].isin([charts.ONE_RUN, charts.MEAN])].to_dict("records")
    parts = [
        f"{row['class']} {row['accuracy_percent']:.2f} ({row['low_percent']:.2f} to "
        f"{row['high_percent']:.2f})"
        for row in shown
    ]
    return (
        f"Test accuracy of {name} for each class in percent, with 95 % intervals: "
        f"{'; '.join(parts)}."
    )


def labels(view: View) -> dict[str, str]:
    """The shown variants, key → label."""
    return {key: label(key) for key in view.runs}


def who_fails_where(view: View) -> None:
    """Every image on which any variant fails, beside how much the variants' failures overlap."""
    table = view.once("who", partial(count_failing_seeds, view.failures))
    st.header("Who fails where", anchor=False)
    if table.empty:
        st.success("No variant fails on any test image.")
        return
    several = any(len(runs) > 1 for runs in view.runs.values())
    st.write(_who_sentence(view, table, several))
    left, right = st.columns([3, 2], gap="large")
    with left:
        _who_table(view, table, several)
    with right:
        _overlap(view)


def _who_sentence(view: View, table: pd.DataFrame, several: bool) -> str:
    num, everywhere = len(table), int((table["variants"] == len(view.runs)).sum())
    images = f"{num} test image{'s fail' if num > 1 else ' fails'}"
    if len(view.runs) == 1:
        return f"{images} in {label(next(iter(view.runs)))}{' in any seed' if several else ''}."
    any_seed, one_seed = (" in any seed", " in at least one seed") if several else ("", "")
    return (
        f"{images} in at least one of {len(view.runs)} variants{any_seed}; {everywhere} "
        f"fail{'s' * (everywhere == 1)} in every variant{one_seed}."
    )


def _who_table(view: View, table: pd.DataFrame, several: bool) -> None:
    rows = st.container()
    page = paged(len(table), WHO_PAGE_SIZE, WHO_PAGE)
    make = partial(
        tables.who_fails_table,
        table[page],
        variants=labels(view),
        num_seeds={key: len(runs) for key, runs in view.runs.items()},
        images=view.images,
        class_names=view.info.class_names,
    )
    with rows:
        pick(view.once(f"who {page.start}", make), key="who", on_pick=pick_image)
    cells = "how many seeds fail" if several else "what the variant takes the image for"
    st.caption(
        f"Cells: {cells}; a dot where it is right. Images that fail in most variants come first."
    )
    taken = table.rename(columns={"seeds": "failing_runs"})  # of all variants together
    download_row(None, taken, f"who-fails-where-{file_stem(view)}")


def _overlap(view: View) -> None:
    if len(view.runs) < 2:
        return
    several = any(len(runs) > 1 for runs in view.runs.values())
    frame = view.once("overlap", partial(overlap, view.failures))
    st.subheader("Overlap of failures (Jaccard index)", anchor=False)
    pick(tables.overlap_table(frame, variants=labels(view)), key="overlap")
    st.caption(
        "Images on which both fail, divided by images on which at least one fails: 1 means the "
        "same failures, 0 none in common."
        + (
            " Means over runs of different seeds; the diagonal compares seeds of one variant, "
            "which is the yardstick for two variants."
            if several
            else ""
        )
    )
    download_row(None, frame, f"overlap-{file_stem(view)}")


def one_image(view: View, key: str, seed: int) -> None:
    """A select for one image, and a dialog with what every variant says of it."""
    numbers = sorted(
        {
            index
            for frames in view.failures.values()
            for f in frames.values()
            for index in f["index"]
        }
    )
    chosen = st.selectbox(
        "Look at one image",
        numbers,
        index=None,
        placeholder="test image number",
        width=240,
        help="Or press an image in a grid or table.",
        **state.bound(IMAGE),
    )
    if chosen is not None:
        _show_image(view, key, seed, int(chosen))


def _close_image() -> None:
    state.put(IMAGE, None)


@st.dialog("One image in all variants", width="medium", on_dismiss=_close_image)
def _show_image(view: View, key: str, seed: int, index: int) -> None:
    names = view.info.class_names
    frame, target = probabilities(view, seed, index)
    left, right = st.columns([1, 3])
    if view.images is not None:
        left.html(images.large_picture(view.images, index, f"test image {index}, {target}"))
    else:
        left.caption("The picture is not on this machine.")
    right.markdown(f"**Test image {index}** is labelled **{target}**. {_wrong_in(view, index)}")
    html = tables.probability_table(frame, variants=labels(view), class_names=names)
    pick(html, key="probabilities")
    st.caption(f"Probabilities of seed {seed}; green is the true label, orange a wrong one.")
    _links(view, key, seed, index)


def _links(view: View, key: str, seed: int, index: int) -> None:
    """Onwards with this image, variant and seed to the pages that take it, where they are reached.

    The seed goes into the choice that those pages offer while the sidebar shows all seeds.
    """
    several = len(view.runs[key]) > 1
    query = {
        state.DATASET: view.info.key,
        **({} if several else {state.SEED: str(seed)}),
        **explain_choice.query(index, key, seed if several else None),
    }
    with st.container(horizontal=True):
        explain_choice.link("explain", query)
        explain_choice.link("nuisance", query | {explain_choice.POOL: explain_choice.ALL})


def _wrong_in(view: View, index: int) -> str:
    wrong = []
    for key, frames in view.failures.items():
        failing = sum(int((frame["index"] == index).any()) for frame in frames.values())
        seeds = f" ({failing} of {len(frames)} seeds)" if len(frames) > 1 else ""
        wrong += [f"{label(key)}{seeds}"] if failing else []
    return f"Wrong in {', '.join(wrong)}." if wrong else "No variant is wrong."


def probabilities(view: View, seed: int, index: int) -> tuple[pd.DataFrame, str]:
    """Rows for `charts.probability_chart` of one image in one seed, and its true label."""
    names = view.info.class_names
    rows, target = [], ""
    for key, runs in view.runs.items():
        for run in (run for run in runs if run.seed == seed):
            found = resources.predictions(run)
            target = names[found.targets[index]]
            shares = metrics.probabilities(found, np.array([index]))[0]
            rows += [
                {"variant": key, "class": name, "probability": share, "is_target": name == target}
                for name, share in zip(names, shares.tolist(), strict=True)
            ]
    return pd.DataFrame(rows), target
