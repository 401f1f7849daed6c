"""The lab: one image, what is done to it, six answers as it moves, and the accuracy curve."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.errors import NormLabError
from ui import (
    nuisance_algebra,
    nuisance_answers,
    nuisance_networks,
    nuisance_settings,
    robustness_view,
)
from ui.downloads import csv_file, download_files, json_file
from ui.drawing import draw
from ui.explain_data import Subject, class_probabilities, verdict_sentence, verdicts
from ui.images import with_article
from ui.nuisance_networks import Answers
from ui.nuisance_settings import Settings
from ui.state import Selection


@st.fragment
def show(subject: Subject, selection: Selection) -> None:
    """All that moves with the sliders; a change here runs only this part again."""
    settings = nuisance_settings.load()
    st.header(f"Test image {subject.index} is labelled {subject.name}", anchor=False)
    answers, controls = st.container(), st.container()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        nuisance_settings.choose_published()
    with answers:
        said = _answers(subject, settings)
    _curve(selection, settings)
    if said:
        nuisance_algebra.show(subject, settings.now.get(nuisance_algebra.KEY, 1.0))
        with controls:
            nuisance_settings.controls(said)


def _answers(subject: Subject, settings: Settings) -> str:
    """Draws the answers and returns them in a sentence, "" where there are none."""
    if subject.image is None:
        st.caption("The answers need the picture, which is not on this machine.")
        return ""
    try:
        with st.spinner("Loading the networks…"):
            found = nuisance_networks.ask(subject, settings.now)
    except NormLabError as error:
        st.warning(f"No answers: {error}", icon=":material/warning:")
        return ""
    draw_answers(found, settings.now, key="answers")
    files = {
        "CSV": csv_file(class_probabilities(found.now)),
        "JSON": json_file(lambda: document(found, settings)),
    }
    download_files(files, f"nuisance-{subject.file_stem}")
    return f"{nuisance_settings.describe(settings.now)}. {verdict_sentence(found.now)}".replace(
        "*", ""
    )


def draw_answers(found: Answers, severities: Mapping[str, float], *, key: str) -> None:
    """The verdict in words, both pictures and a row for each variant."""
    subject, done = found.now, nuisance_settings.describe(severities)
    st.markdown(verdict_sentence(subject))
    draw(
        nuisance_answers.answers(
            verdicts(found.before),
            verdicts(subject),
            clean=found.clean,
            changed=found.changed,
            name=f"test image {subject.index}, {with_article(subject.name)}",
            done=done,
        ),
        key=key,
    )
    st.caption(f"{done or 'Nothing is changed'}. One network of each variant, seed {subject.seed}.")


def document(found: Answers, settings: Settings) -> dict:
    """What was done to the image and what each variant says before and after, ready for JSON."""
    now = found.now
    return {
        "dataset": now.info.key,
        "index": now.index,
        "true": now.name,
        "seed": now.seed,
        "noise_seed": 0,
        "severities": dict(settings.now),
        "clean": verdicts(found.before).to_dict("records"),
        "changed": verdicts(now).to_dict("records"),
        "classes": class_probabilities(now).to_dict("records"),
    }


def _curve(selection: Selection, settings: Settings) -> None:
    """Accuracy of the six over all test images against the severity of one corruption."""
    st.subheader("Accuracy over the test set", anchor=False)
    key = nuisance_settings.choose_curve()
    robustness_view.curves(selection, key, settings.severity(key))
