"""The smallest change of each nuisance that would turn a prediction (D3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from core.analysis.change_report import change_sentences, changes_frame
from core.errors import NormLabError
from ui import explain_choice, explain_resources, resources, state
from ui.change_table import change_table
from ui.charts import VARIANT_LABELS
from ui.downloads import csv_file, download_files, json_file
from ui.explain_data import Subject
from ui.picker import pick

if TYPE_CHECKING:
    from core.analysis.counterfactual import Change

METHOD = (
    "Each nuisance goes outwards in {steps} equal steps; the first one that turns the prediction "
    "is then halved {halvings} times, so islands smaller than a step can be missed. ↩: further out "
    "the prediction turns back. Controls: {controls} correct test images about as close to the "
    "boundary. Framed: at most 5 % of them turn under the same change. With so many changes tried, "
    "chance frames some in many correct images too: a frame describes this image and proves no "
    "cause; Failures by normalization tests that over all failures. Rows without any find are "
    "left out."
)


def show(subject: Subject) -> None:
    """What would have to be different: in words, and as a table of the changed images."""
    st.header("What change would turn the answer?", anchor=False)
    if subject.image is None:
        st.caption("This needs the picture, which is not on this machine.")
        return
    try:
        with st.spinner("Changing contrast, strokes, place and noise step by step…"):
            found = changes(subject)
    except NormLabError as error:
        st.warning(f"No changes: {error}", icon=":material/warning:")
        return
    names = subject.info.class_names
    sentences = change_sentences(found, names)
    st.markdown("\n".join(f"- {sentence}" for sentence in sentences))
    shown = {key: VARIANT_LABELS.get(key, key) for key in subject.runs}
    if any(change.severity is not None for change in found):
        pick(change_table(found, shown, names), key="changes")
    noise = " Noise is that of test image 0." if subject.index is None else ""
    st.caption(f"Seed {subject.seed}. {_method()}{noise}")
    _downloads(subject, found, sentences)
    own = {explain_choice.POOL: explain_choice.OWN}
    image = (
        own
        if subject.index is None
        else {
            explain_choice.POOL: explain_choice.ALL,
            **explain_choice.query(subject.index, subject.variant, None),
        }
    )
    explain_choice.link("nuisance", {state.DATASET: subject.info.key, **image})


def _method() -> str:
    from core.analysis.counterfactual import HALVINGS, NUM_CONTROLS, STEPS

    return METHOD.format(steps=STEPS, halvings=HALVINGS, controls=NUM_CONTROLS)


def _downloads(subject: Subject, found: list[Change], sentences: list[str]) -> None:
    frame = changes_frame(found)
    document = {"seed": subject.seed, "sentences": sentences, "changes": frame.to_dict("records")}
    files = {"CSV": csv_file(frame), "JSON": json_file(lambda: document)}
    download_files(files, f"changes-{subject.file_stem}")


def changes(subject: Subject) -> list[Change]:
    """D3 of the image under every variant's run; shared, so never changed."""
    digests = tuple((key, run.digest) for key, run in subject.runs.items())
    return _changes(digests, subject.identity, subject)


@st.cache_resource(show_spinner=False, max_entries=64)
def _changes(digests: tuple, about: tuple, _subject: Subject) -> list[Change]:
    from core.analysis.counterfactual import ChangedImage, Pool, find_changes

    assert _subject.image is not None
    networks = {key: explain_resources.network(run) for key, run in _subject.runs.items()}
    predictions = {key: resources.predictions(run) for key, run in _subject.runs.items()}
    image = ChangedImage(_subject.image, _subject.target, _subject.info, _subject.index)
    pool = Pool(resources.test_images(_subject.info.key), predictions)
    return find_changes(networks, image, pool)
