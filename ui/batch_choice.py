"""The top of the Batch mates page: which image, which networks, and who stands beside it."""

from __future__ import annotations

import re

import numpy as np
import streamlit as st

from ui import address, resources, state
from ui.address import Choice
from ui.batch_data import Company, mates_strip, offered
from ui.failures_view import View
from ui.images import large_picture, with_article
from ui.picker import pick

INDEX, SEED, CLASS, MATES = "index", "asked_seed", "mates_class", "mates"
SAME = "same"
MAX_MATES = 255
NUM_OFFERED = 40


def choose(view: View) -> Company:
    """Draws the choice and returns what it comes to; all of it is kept in the address."""
    assert view.images is not None
    targets = resources.predictions(next(iter(view.runs.values()))[0]).targets
    names = view.info.class_names
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seed = _choose_seed(view)
        index = _choose_index(view, targets)
        mates_class = _choose_class(names, int(targets[index]))
    shown, chosen = st.columns([1, 4], gap="large")
    said = f"test image {index}, {with_article(names[targets[index]])}"
    shown.html(large_picture(view.images, index, said))
    shown.caption(f"Test image {index}, labelled {names[targets[index]]}.")
    with chosen:
        own = _choose_mates(len(targets) - 1, index)
        runs = {k: run for k, group in view.runs.items() for run in group if run.seed == seed}
        company = Company(view.info, index, seed, runs, view.images, targets, mates_class, own)
        pick(
            mates_strip(company, offered(company, NUM_OFFERED)), key="mates-strip", on_pick=_toggle
        )
        st.caption(
            f"Test images of class {names[mates_class]}, and the mates you chose. Press one to put "
            "it into the batch or to take it out."
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


def _choose_index(view: View, targets: np.ndarray) -> int:
    last = len(targets) - 1
    choice = address.number(INDEX, last, 0)
    chosen = int(
        st.number_input("Test image", 0, last, "min", width=150, step=1, **choice.widget())
    )
    shown = f"{chosen}; {view.info.label} has test images 0 to {last:,}"
    choice.settle(chosen, what="test image", shown=shown)
    return chosen


def _choose_class(names: tuple[str, ...], target: int) -> int:
    choice = address.one_of(CLASS, [SAME, *names])
    chosen = st.selectbox(
        "Class of the mates",
        [SAME, *names],
        width=190,
        format_func=lambda name: f"the same ({names[target]})" if name == SAME else name,
        help="Of this class is the batch of one class, and so are the pictures offered below.",
        **choice.widget(),
    )
    choice.settle(chosen, what="class", shown="the image's own class")
    return target if chosen == SAME else names.index(chosen)


def _choose_mates(last: int, index: int) -> tuple[int, ...]:
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
