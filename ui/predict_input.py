"""The ways in: a drawing, files, the camera or samples, all read by the same gate."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import DeletedFile

from core.data.datasets import get_dataset
from core.data.image_gate import LIMITS, MAX_BYTES, SIGNATURES
from core.data.preprocess import POLARITIES
from core.errors import NormLabError
from ui import (
    address,
    explain_resources,
    own_images,
    predict_entries,
    predict_samples,
    predict_steps,
    predict_view,
    state,
    upload_watch,
)
from ui.drawing_canvas import Drawing, drawing_canvas
from ui.own_images import Way
from ui.predict_entries import (
    MAX_FILES,
    MAX_TOTAL,
    PHOTO,
    UPLOADS,
    Brought,
    Entry,
    Preparation,
    remove,
    take,
    uploads,
)
from ui.predict_refusals import show_refusals
from ui.state import Selection

DRAW, UPLOAD, CAMERA, SAMPLES = "draw", "upload", "camera", "samples"
WAY_LABELS = {DRAW: "Draw", UPLOAD: "Upload", CAMERA: "Camera", SAMPLES: "Samples"}
WAY = address.one_of("way", list(WAY_LABELS))

POLARITY_LABELS = {
    "auto": "Find out",
    "dark_on_light": "Dark on light",
    "light_on_dark": "Light on dark",
}
POLARITY = address.one_of("ink", list(POLARITIES))
FIT, AS_IS = "fit", "as_is"
PREPARATION_LABELS = {FIT: "Crop and centre", AS_IS: "Use as it is"}
PREPARATION = address.one_of("prepare", list(PREPARATION_LABELS))

DRAWING, UPLOADER, WATCH = "predict-drawing", "predict-uploader", "predict-watch"
BOARD = "drawing-board"
PATIENCE = 2.0
"""Seconds after which a progress bar says how long it will take."""

MEMORY = "in memory until this page is reloaded, written nowhere"

GUIDES = {
    DRAW: "Draw a digit: the answers follow the pen.",
    UPLOAD: "Bring one picture or many: here stands what the variants read.",
    CAMERA: "Take a picture of a digit on paper: here stands what the variants read.",
}

BESIDE = """<style>
@media (min-width: 1000px) {
  .st-key-board-and-answers {
    display: grid; grid-template: auto 1fr / minmax(0, 2fr) minmax(0, 3fr); gap: 1rem 2rem;
  }
  .st-key-board-and-answers > :has(> .st-key-beside-board) { grid-area: 1 / 2 / span 2; }
}
</style>"""
"""The answers beside the way in; on a phone right below it, and the steps last."""


@st.fragment
def show(selection: Selection) -> None:
    """What was brought and what the networks say of it; a stroke runs only this part again."""
    state.keep_uploads_in_memory()
    way = _choose_way()
    first, answers, steps, table = _places(way)
    with first:
        # Not for the other ways: what is left empty would keep showing the board.
        board = st.container() if way == DRAW else None
        entries = _entries(way, selection)
    with steps if way == DRAW else first:
        centring = get_dataset(selection.dataset).centring
        preparation = _choose_preparation(way)._replace(centring=centring)
    with first:
        brought = _bring(entries, preparation)
        if way != DRAW:
            show_refusals(brought.refused, len(entries))
    with answers:
        if brought.owns:
            predict_view.show(selection, brought.owns, brought.refused, table=table)
        elif way in GUIDES:
            _guide(way, brought)
    with steps:
        if brought.owns and way != SAMPLES:
            predict_steps.show(own_images.shown_of(brought.owns), brought.owns)
    if board:
        _draw_board(board)  # after the answers: it asks for the next ones
        if not brought.owns:
            _load_ahead(selection)


def _draw_board(board: DeltaGenerator) -> None:
    with board:
        drawing_canvas(state.value(DRAWING, Drawing()), key=BOARD, on_draw=_keep_drawing)


def _load_ahead(selection: Selection) -> None:
    """Gets the networks ready while the pen is on its way; a stroke later does not wait for it."""
    if not state.value(DRAWING, Drawing()).count:
        return
    with suppress(NormLabError), st.spinner("Loading the networks…"):
        for runs in selection.by_variant.values():
            explain_resources.network(runs[0])


def _places(way: str) -> tuple[DeltaGenerator, ...]:
    """Where the way in, the answers, the steps and the table of many answers go."""
    if way == SAMPLES:
        first, steps, answers = (st.container() for _ in range(3))
    else:
        st.html(BESIDE)
        with st.container(key="board-and-answers"):
            first, answers = st.container(), st.container(key="beside-board")
            steps = st.container()
    return first, answers, steps, st.container()


def _guide(way: str, brought: Brought) -> None:
    """What to do while there is nothing to answer."""
    refused = "".join(brought.refused.values()) if way == DRAW else ""
    st.info(refused or GUIDES[way], icon=":material/draw:" if way == DRAW else ":material/info:")


def _choose_way() -> str:
    chosen = st.segmented_control(
        "Way in",
        list(WAY_LABELS),
        required=True,
        label_visibility="collapsed",
        format_func=WAY_LABELS.__getitem__,
        **WAY.widget(),
    )
    WAY.settle(chosen, what="the way", shown=WAY_LABELS[chosen])
    return chosen


def _choose_preparation(way: str) -> Preparation:
    """How pictures are read; drawings and samples are known to be light on dark."""
    if way == SAMPLES:
        return Preparation("light_on_dark")
    with st.container(horizontal=True):
        prepare = _control("Preparation", PREPARATION, PREPARATION_LABELS, PREPARATION_HELP)
        polarity = "light_on_dark"
        if way != DRAW:
            polarity = _control("Ink", POLARITY, POLARITY_LABELS, POLARITY_HELP)
    return Preparation(polarity, prepare == AS_IS, on_board=way == DRAW)


PREPARATION_HELP = (
    "“Crop and centre” makes the picture as MNIST's were made: the digit's longer side scaled to "
    "20 pixels, its centre of mass in the centre of 28×28. “Use as it is” does none of that."
)
POLARITY_HELP = (
    "Whether the ink is darker than the paper. “Find out” looks at the picture's border; used as "
    "it is, a picture is turned over only if you say “Dark on light”."
)


def _control(label: str, choice: address.Choice, labels: dict[str, str], help_text: str) -> str:
    chosen = st.segmented_control(
        label,
        list(labels),
        required=True,
        format_func=labels.__getitem__,
        help=help_text,
        wrap=True,
        **choice.widget(),
    )
    choice.settle(chosen, what=f"{choice.name} =", shown=f"“{labels[chosen]}”")
    return chosen


def _entries(way: str, selection: Selection) -> list[Entry]:
    ways: dict[str, Callable[[], list[Entry]]] = {
        DRAW: _drawn,
        UPLOAD: _uploaded,
        CAMERA: _photographed,
        SAMPLES: lambda: predict_samples.choose(selection),
    }
    return ways[way]()


def _drawn() -> list[Entry]:
    drawing = state.value(DRAWING, Drawing())
    return [Entry("Your drawing", "drawing", drawing.content)] if drawing.content else []


def _keep_drawing(drawing: Drawing) -> None:
    state.put(DRAWING, drawing)


def _uploaded() -> list[Entry]:
    """Files are taken out of the uploader, which would forget them when its page is left."""
    key = f"{UPLOADER}-{state.value(UPLOADER, 0)}"

    def take_over() -> None:
        # Until it has the new uploader, the browser may report once more what was taken out.
        files = [file for file in state.value(key) if not isinstance(file, DeletedFile)]
        if not files:
            return
        take(((file.name, file.getvalue()) for file in files), upload_watch.left_out(WATCH))
        state.drop_uploads(file.file_id for file in files)
        state.put(UPLOADER, state.value(UPLOADER, 0) + 1)

    st.file_uploader(
        f"Pictures of digits: {', '.join(SIGNATURES)}, each {LIMITS}; at most {MAX_FILES} "
        f"files and {MAX_TOTAL >> 20} MB at once",
        accept_multiple_files=True,
        max_upload_size=MAX_BYTES >> 20,
        key=key,
        on_change=take_over,
    )
    upload_watch.watch(UPLOADER, MAX_BYTES, key=WATCH)
    kept = sum(not entry.refused for entry in uploads())
    words = f"{kept} {'file is' if kept == 1 else 'files are'} kept"
    _offer_removal(UPLOADS, "upload", words, "Remove all")
    return uploads()


def _photographed() -> list[Entry]:
    def keep() -> None:
        photo = state.value("predict-camera")
        entry = photo and Entry("Your photo", "camera", photo.getvalue())
        state.put(PHOTO, [entry] if entry else [])

    st.camera_input("A digit on paper, near and upright", key="predict-camera", on_change=keep)
    st.caption(
        "Browsers give the camera only to pages on https or on localhost, and only if you allow it."
    )
    _offer_removal(PHOTO, "camera", "The photo is kept", "Remove the photo")
    return state.value(PHOTO, [])


def _offer_removal(name: str, way: Way, kept: str, words: str) -> None:
    if not state.value(name):
        st.caption(f"What you bring stays {MEMORY}.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{kept} {MEMORY}.")
        st.button(words, icon=":material/delete:", on_click=remove, args=[name, way])


def _bring(entries: list[Entry], preparation: Preparation) -> Brought:
    """Reads all; above two seconds a bar says how long it will take."""
    started, place = time.monotonic(), st.empty()

    def report(done: int) -> None:
        passed = time.monotonic() - started
        if passed > PATIENCE:
            left = passed * (len(entries) - done) / done
            text = f"{done} of {len(entries)} pictures read, about {left:.0f} s left"
            place.progress(done / len(entries), text=text)

    with place, st.spinner("Reading the pictures…"):
        brought = predict_entries.bring(entries, preparation, report)
    place.empty()
    return brought
