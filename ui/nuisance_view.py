"""The lab: one image, what is done to it, six answers as it moves, and the accuracy curve."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.config import describe_seeds
from core.data.corruptions import CORRUPTIONS
from core.errors import NormLabError
from ui import (
    nuisance_algebra,
    nuisance_answers,
    nuisance_networks,
    nuisance_settings,
    robustness_view,
    state,
)
from ui.downloads import csv_file, download_files, json_file
from ui.drawing import draw
from ui.explain_data import Subject, class_probabilities, verdict_sentence, verdicts
from ui.nuisance_networks import Answers
from ui.nuisance_settings import Settings
from ui.state import Selection

UNCHANGED = "Nothing is changed"
STICKY = """<style>
@media (max-width: 700px) and (min-height: 700px) {
  :has(> .st-key-lab-answers) {
    position: sticky; top: 3.75rem; z-index: 2; background: BACKGROUND;
  }
}
</style>"""
"""On a phone the answers stay in view above the sliders."""


@st.fragment
def show(subject: Subject, selection: Selection) -> None:
    """All that moves with the sliders; a change here runs only this part again."""
    settings = nuisance_settings.load()
    st.header(subject.heading, anchor=False)
    with st.container(key="lab"):
        answers, controls = st.container(key="lab-answers"), st.container()
    with answers:
        found = _ask(subject, settings)
        if found:
            draw_answers(found, settings.now, key="answers")
    with controls:
        if found:
            nuisance_settings.controls(in_words(found, settings.now))
        _below_sliders(found, settings)
    _curve(selection, settings)
    if found:
        nuisance_algebra.show(subject, settings.now.get(nuisance_algebra.KEY, 1.0))


def _ask(subject: Subject, settings: Settings) -> Answers | None:
    """What the six say, None (and the reason) where they cannot be asked."""
    if subject.image is None:
        st.caption("The answers need the picture, which is not on this machine.")
        return None
    try:
        with st.spinner("Loading the networks…"):
            return nuisance_networks.ask(subject, settings.now)
    except NormLabError as error:
        st.warning(f"No answers: {error}", icon=":material/warning:")
        return None


def _below_sliders(found: Answers | None, settings: Settings) -> None:
    """MNIST-C, the way back to the clean image, and the files."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        nuisance_settings.choose_published()
    if found:
        files = {
            "CSV": csv_file(class_probabilities(found.now)),
            "JSON": json_file(lambda: document(found, settings)),
        }
        download_files(files, f"nuisance-{found.now.file_stem}")
    theme = "dark" if state.is_dark() else "light"
    st.html(STICKY.replace("BACKGROUND", st.get_option(f"theme.{theme}.backgroundColor")))


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
            name=subject.said,
            done=done,
        ),
        key=key,
    )
    noise = ""
    if subject.index is None and any(CORRUPTIONS[key].random for key in severities):
        noise = " Random numbers are those of test image 0."
    seeds = describe_seeds(run.seed for run in subject.runs.values())
    st.caption(f"{done or UNCHANGED}. One network of each variant, {seeds}.{noise}")


def in_words(found: Answers, severities: Mapping[str, float]) -> str:
    """What was done and what the six say then, as a screen reader reads it."""
    done = nuisance_settings.describe(severities) or UNCHANGED
    return f"{done}. {verdict_sentence(found.now)}".replace("*", "")


def document(found: Answers, settings: Settings) -> dict:
    """What was done to the image and what each variant says before and after, ready for JSON."""
    now = found.now
    return {
        "dataset": now.info.key,
        "index": now.index,
        "true": now.name,
        "seed": now.seed,
        "noise_seed": 0,
        "noise_index": now.index or 0,
        "severities": dict(settings.now),
        "clean": verdicts(found.before).to_dict("records"),
        "changed": verdicts(now).to_dict("records"),
        "classes": class_probabilities(now).to_dict("records"),
    }


def _curve(selection: Selection, settings: Settings) -> None:
    """Accuracy of the six over all test images against the severity of one corruption."""
    st.subheader("Accuracy over the test set", anchor=False)
    key = nuisance_settings.choose_curve(settings.now)
    robustness_view.curves(selection, key, settings.severity(key))
