"""One of a user's own images at length: the answers, its place among the training images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd
import streamlit as st

from core.data.datasets import DatasetInfo
from core.training.runs import Run
from ui import explain_choice, predict_networks, state
from ui.charts_predict import answers_chart
from ui.downloads import csv_file, download_files, json_file, picture_files
from ui.drawing import draw
from ui.failures_tables import probability_table
from ui.own_images import OwnImage
from ui.picker import pick
from ui.predict_answers import answers, class_frame, flat, strips, verdict
from ui.predict_rows import document

NO_GUARANTEE = (
    "This image is unusual in {what}. The ten probabilities add up to 100 % whatever an image "
    "shows, even if it is none of the ten classes: a high one is no guarantee."
)
DESCRIPTIVE = (
    "Band: from the 1st to the 99th percentile of the {n:,} training images; a diamond lies "
    "outside of it. This describes the image and judges no answer: an unusual one may be read "
    "rightly, and a usual one misread."
)


class Told(NamedTuple):
    """An image, and what the networks `runs` say of it (rows of `answers_frame`).

    `seeds`: for each variant how many of its seeds say the same, of how many; empty if it has one.
    """

    info: DatasetInfo
    own: OwnImage
    said: pd.DataFrame
    seeds: Mapping[str, tuple[int, int]]
    runs: Mapping[str, Run]

    @property
    def seed(self) -> int:
        return next(iter(self.runs.values())).seed


def verdicts(told: Told) -> str:
    """The image as the networks see it, and what each of them says; returns the answer in words."""
    info, own = told.info, told.own
    answer = verdict(told.said, info.class_names, own.true, own.by_name)
    html = answers(
        told.said,
        own.image,
        verdict=answer,
        name=own.name,
        caption=f"{own.name}: 28×28 pixels, as the networks see them.",
        true=own.true,
        seeds=told.seeds,
    )
    draw(html, key="predict-answers")
    if own.by_name:
        st.caption("If the file name is wrong, choose another class or “unknown” as true label.")
    st.caption(
        "Margin: the logit of what it says less that of the runner-up; all bars share a scale. "
        "Entropy: of the ten probabilities, from 0 to 3.32 bits. One network of each variant, "
        f"{_seeds(told)}."
    )
    return answer


def _seeds(told: Told) -> str:
    several = max((of for _, of in told.seeds.values()), default=1)
    meaning = f"; n/{several} seeds: how many of the variant's networks say the same"
    return f"seed {told.seed}{meaning if several > 1 else ''}"


def links(told: Told) -> None:
    """Onwards to the pages that take a user's own image, where they can be reached."""
    query = {state.DATASET: told.info.key, explain_choice.POOL: explain_choice.OWN}
    if told.own.index is not None:  # a test image can be found again by its number
        query |= {explain_choice.POOL: explain_choice.ALL}
        query |= {explain_choice.INDEX: str(told.own.index)}
    query[explain_choice.SEED if told.seeds else state.SEED] = str(told.seed)
    for page in explain_choice.PAGES:
        explain_choice.link(page, query)


def details(told: Told) -> None:
    """How usual the image is, every class's probability, and all of it as files."""
    _usual(told)
    _classes(told)
    _downloads(told)


def _usual(told: Told) -> None:
    frame = predict_networks.usual(told.info, [told.own])
    if frame.empty:
        return
    st.header(f"How it compares with {told.info.label}", anchor=False)
    unusual = frame[frame["is_unusual"]]
    if len(unusual):
        *others, last = unusual["label"].str.lower()
        what = f"{', '.join(others)} and {last}" if others else last
        st.warning(NO_GUARANTEE.format(what=what), icon=":material/straighten:")
    draw(strips(frame), key="typicality")
    st.caption(DESCRIPTIVE.format(n=told.info.num_train))


def _classes(told: Told) -> None:
    info, own = told.info, told.own
    if st.toggle("Probabilities of all ten classes", **state.bound("classes")):
        frame = class_frame(told.said, info.class_names, own.true)
        shown = dict(zip(told.said["variant"], told.said["label"], strict=True))
        html = probability_table(frame, variants=shown, class_names=info.class_names)
        pick(html, key="predict-classes")
        colors = "" if own.true is None else "; green is the true label, orange another one"
        st.caption(f"Probability of each class{colors}.")


def _downloads(told: Told) -> None:
    info, own, said = told.info, told.own, told.said
    odd = predict_networks.usual(info, [own])
    files = {
        "CSV": csv_file(flat(said, info.class_names)),
        "JSON": json_file(
            lambda: document(info, [own], said.assign(image=0), odd, told.runs, refused={})
        ),
        **picture_files(lambda: answers_chart(said, image=own.name, seed=told.seed)),
    }
    download_files(files, f"answers-{info.key}-{own.digest[:8]}-seed-{told.seed}")
