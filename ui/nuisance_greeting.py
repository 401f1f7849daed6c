"""The contrast slider that greets the user on Overview: one digit, six answers.

Until it is first touched it shows what the runs have stored, so that the page needs no torch.
"""

from __future__ import annotations

import contextlib

import numpy as np
import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from core.data.corruptions import CORRUPTIONS
from core.data.datasets import get_dataset
from core.errors import DataError, NormLabError
from ui import (
    dataset_download,
    explain_choice,
    nuisance_networks,
    nuisance_settings,
    nuisance_view,
    resources,
    state,
)
from ui.dataset_download import ALWAYS_HERE
from ui.explain_data import Subject, make_subject
from ui.live_slider import Move, sliders
from ui.nuisance_networks import Answers
from ui.state import Selection

KIND = CORRUPTIONS["contrast_grey"]
CHOICE = nuisance_settings.SEVERITIES[KIND.key]
AWAKE = "greeting-awake"
LAB = "pages/nuisance.py"


@st.fragment
def show(selection: Selection) -> None:
    """A digit that all six read, the slider, and the way into the lab.

    Without the data set's pictures it is one of those that are always here, which is said.
    """
    subject = _subject(selection) or _subject(
        Selection(ALWAYS_HERE, tuple(resources.runs(ALWAYS_HERE)))
    )
    if subject is None:
        _offer(selection, "there is no digit here whose contrast could be changed")
        return
    with st.container(border=True, key="greeting"):
        st.subheader("What contrast does to one digit", anchor=False)
        name = "" if subject.info.key == selection.dataset else subject.info.label
        of_another = (
            f" Here on a digit of the data set {name}, by networks trained on it." if name else ""
        )
        st.write(f"Move the slider, and see which variants still read it.{of_another}")
        slider, answers, link = st.container(), st.container(), st.container()
        with link:  # first, so that whoever sees an answer finds a link that leads to it
            _link(subject, elsewhere=bool(name))
        with answers:
            said = _answers(subject)
        with slider:
            sliders(
                {"": [nuisance_settings.slider(KIND)]},
                {KIND.key: nuisance_settings.read(CHOICE)},
                key="greeting-slider",
                on_move=_take,
                said=said,
                wake=True,
            )
        if name:
            _offer(selection, f"the digit above is one of {name}")


def _offer(selection: Selection, consequence: str) -> None:
    dataset_download.offer(resources.dataset_status(selection.dataset), consequence)


def _subject(selection: Selection) -> Subject | None:
    """The first test image that the first run of every variant gets right.

    Where they agree on none, it is the first of all; None without pictures or runs.
    """
    if not selection.runs:
        return None
    runs = {key: group[0] for key, group in selection.by_variant.items()}
    predictions = {key: resources.predictions(run) for key, run in runs.items()}
    right = np.all([one.predicted == one.targets for one in predictions.values()], axis=0)
    index, variant = int(right.argmax()), next(iter(runs))
    try:
        image = resources.test_images(selection.dataset)[index]
    except DataError:
        return None
    info = get_dataset(selection.dataset)
    return make_subject(info, index, variant, runs, predictions, image)


def _take(move: Move) -> None:
    state.put(AWAKE, True)
    nuisance_settings.take(move)


def _answers(subject: Subject) -> str:
    """Draws what the six say and returns it in a sentence."""
    factor = nuisance_settings.read(CHOICE)
    severities = {} if factor == KIND.neutral else {KIND.key: factor}
    try:
        if severities or state.value(AWAKE):
            with st.spinner("Loading the networks…"):
                found = nuisance_networks.ask(subject, severities)
        else:
            found = _stored(subject)
    except NormLabError as error:
        st.warning(f"No answers: {error}", icon=":material/warning:")
        found = _stored(subject)
    nuisance_settings.settle([KIND.key])
    nuisance_view.draw_answers(found, severities, key="greeting-answers")
    return nuisance_view.in_words(found, severities)


def _stored(subject: Subject) -> Answers:
    assert subject.image is not None
    pixels = subject.image.astype(np.float32) / 255
    return Answers(subject, subject, pixels, pixels)


def _link(subject: Subject, *, elsewhere: bool) -> None:
    """The way into the lab; `elsewhere` if the sidebar must be turned to the digit's data set."""
    label, icon = (
        f"Into the lab: why, and {len(CORRUPTIONS) - 1} other corruptions",
        ":material/tune:",
    )
    query = {
        explain_choice.INDEX: str(subject.index),
        explain_choice.POOL: explain_choice.ALL,
        KIND.key: f"{nuisance_settings.read(CHOICE):.6g}",
    }
    with contextlib.suppress(StreamlitPageNotFoundError):  # this page runs alone
        if not elsewhere:
            query[state.DATASET] = subject.info.key
            st.page_link(LAB, label=label, icon=icon, query_params=query)
        elif st.button(
            label,
            icon=icon,
            type="tertiary",
            on_click=state.turn_to,
            args=[state.SHIPPED, subject.info.key],
        ):
            st.switch_page(LAB, query_params=query)
