"""The top of the Batch mates page: which image, which networks, and who stands beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import NormLabError
from core.training.runs import Run
from ui import address, explain_choice, explain_resources, own_images, resources, state
from ui.address import Choice
from ui.batch_data import Company, mates_strip, offered
from ui.failures_view import View, label
from ui.images import large_picture
from ui.picker import pick
from ui.pooling import say_who_is_missing
from ui.shown_image import ShownImage

INDEX, SEED, CLASS, MATES = "index", "asked_seed", "mates_class", "mates"
SAME = "same"
MAX_MATES = 255
NUM_OFFERED = 40


def choose(view: View) -> Company:
    """Draws the choice and returns what it comes to; all of it is kept in the address."""
    assert view.images is not None
    targets = resources.predictions(next(iter(view.runs.values()))[0]).targets
    row, note = st.container(horizontal=True, vertical_alignment="bottom"), st.container()
    with row:
        seed = _choose_seed(view)
        runs = {k: run for k, group in view.runs.items() for run in group if run.seed == seed}
        image = _choose_image(view, targets, note)
        mates_class = _choose_class(image, runs)
    if missing := say_who_is_missing(view.runs, seed):
        st.caption(missing)
    shown, chosen = st.columns([1, 4], gap="large")
    assert image.image is not None
    shown.html(large_picture(image.image[None], 0, image.said))
    shown.caption(f"{image.heading}.")
    with chosen:
        own = _choose_mates(len(targets) - 1, image.index)
        about = image.info, image.index, image.target, image.image
        company = Company(*about, seed, runs, view.images, targets, mates_class, own)
        pick(
            mates_strip(company, offered(company, NUM_OFFERED)), key="mates-strip", on_pick=_toggle
        )
        st.caption(
            f"Test images of class {view.info.class_names[mates_class]}, and the mates you chose. "
            "Press one to put it into the batch or to take it out."
        )
    return company


def _choose_seed(view: View) -> int:
    """The seed whose networks are asked; a question only where there are several."""
    seeds = sorted({run.seed for group in view.runs.values() for run in group})
    if len(seeds) == 1:
        return seeds[0]
    options = [str(seed) for seed in seeds]
    choice = address.one_of(SEED, options)
    chosen = st.selectbox("Seed asked", options, width=120, **choice.widget())
    choice.settle(chosen, what="seed", shown=f"seed {chosen}")
    return int(chosen)


def _choose_image(view: View, targets: np.ndarray, note: DeltaGenerator) -> ShownImage:
    """A test image, or the user's own where there is one, or was one by the address."""
    assert view.images is not None
    own = own_images.chosen()
    if own or state.requested(explain_choice.POOL) == explain_choice.OWN:
        kind = explain_choice.choose_kind([explain_choice.ALL], explain_choice.ALL, note)
        if own and kind == explain_choice.OWN:
            return ShownImage(view.info, None, own.true, own.image)
    index = _choose_index(view, len(targets) - 1)
    return ShownImage(view.info, index, int(targets[index]), view.images[index])


def _choose_index(view: View, last: int) -> int:
    choice = address.number(INDEX, last, 0)
    chosen = int(
        st.number_input("Test image", 0, last, "min", width=150, step=1, **choice.widget())
    )
    shown = f"{chosen}; {view.info.label} has test images 0 to {last:,}"
    choice.settle(chosen, what="test image", shown=shown)
    return chosen


def _choose_class(image: ShownImage, runs: Mapping[str, Run]) -> int:
    """The class of mates of one class: by default the image's own, or what it is read as."""
    names, own = image.info.class_names, image.target
    same = f"the same ({image.name})"
    if own is None:
        first, own = _reading(image, runs)
        same = f"as {first} reads it ({names[own]})"
    choice = address.one_of(CLASS, [SAME, *names])
    chosen = st.selectbox(
        "Class of the mates",
        [SAME, *names],
        width=230,
        format_func=lambda name: same if name == SAME else name,
        help="Of this class is the batch of one class, and so are the pictures offered below.",
        **choice.widget(),
    )
    choice.settle(chosen, what="class", shown="the image's own class")
    return own if chosen == SAME else names.index(chosen)


def _reading(image: ShownImage, runs: Mapping[str, Run]) -> tuple[str, int]:
    """What the first of the variants, named, takes the image for."""
    assert image.image is not None
    key, run = next(iter(runs.items()))
    try:
        said = int(explain_resources.logits({key: run}, image.image, image.info)[key].argmax())
    except NormLabError:  # which the answers will tell
        said = 0
    return label(key), said


def _choose_mates(last: int, index: int | None) -> tuple[int, ...]:
    """The user's mates by number; the image itself is never its own mate."""
    choice = Choice(MATES, lambda text: _written(parse_mates(text, last)), "")
    before = str(state.value(choice.key, ""))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Your mates: numbers of test images",
            placeholder=f"such as 3, 17, 200 (0 to {last:,}, at most {MAX_MATES})",
            **choice.widget(),
        )
        st.button("Take all out", on_click=state.put, args=[choice.key, ""], disabled=not text)
    if parse_mates(before, last) is None:
        st.warning(
            f"{before[:40]!r} is no list of test images: write up to {MAX_MATES} numbers from 0 to "
            f"{last:,}, separated by commas.",
            icon=":material/warning:",
        )
    found = parse_mates(text, last) or ()
    choice.settle(_written(found), what="mates", shown="the image without mates of your own")
    return tuple(mate for mate in found if mate != index)


def parse_mates(text: str, last: int) -> tuple[int, ...] | None:
    """The numbers in "3, 17, 200", each once, all from 0 to `last`; None if it is no such list."""
    words = [word for word in re.split(r"[,\s]+", text.strip()) if word]
    if not all(re.fullmatch(r"[0-9]{1,10}", word) for word in words):
        return None
    found = tuple(dict.fromkeys(int(word) for word in words))
    return found if len(found) <= MAX_MATES and max(found, default=0) <= last else None


def _written(mates: tuple[int, ...] | None) -> str | None:
    return None if mates is None else ",".join(map(str, mates))


def _toggle(picked: str) -> None:
    """Puts an image into the user's batch or takes it out; for use as a callback."""
    key = address.one_of(MATES, [""]).key
    mates = [mate for mate in re.split(r"[,\s]+", str(state.value(key, ""))) if mate]
    rest = [mate for mate in mates if mate != picked]
    state.put(key, ",".join(rest if picked in mates else [*mates, picked][:MAX_MATES]))
