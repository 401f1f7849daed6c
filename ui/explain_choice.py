"""The top of the Explain page: which image, and which of the networks of a variant."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.errors import StreamlitPageNotFoundError

from core.errors import NormLabError
from core.training.runs import Run
from ui import address, explain_resources, failures_tables, own_images, resources, state
from ui.explain_data import Subject, around, failing_images, make_subject, own_subject
from ui.explain_pictures import strip
from ui.failures_view import View, label
from ui.own_images import OwnImage
from ui.picker import pick
from ui.pooling import say_who_is_missing

VARIANT, INDEX, CLASS, POOL, SEED = "variant", "index", "class", "pictures", "explained_seed"
FAILURES, ALL, OWN = "failures", "all", "own"
POOL_LABELS = {FAILURES: "Failures", ALL: "All test images", OWN: "Own image"}
GONE = (
    "The image you brought is no longer here: it was never stored. Bring it again on Predict. "
    "Offered instead: {shown}."
)
FIRST, ANY = "first", "any"
PAGES = {
    "explain": ("Explain this image", ":material/search_insights:"),
    "nuisance": ("Into the nuisance lab", ":material/tune:"),
}
"""The pages that take an image: what leads there."""


def query(index: int, variant: str, seed: int | None) -> dict[str, str]:
    """The part of an address that shows this image; `seed` None leaves it to the sidebar."""
    found = {INDEX: str(index), VARIANT: variant}
    return found if seed is None else {**found, SEED: str(seed)}


def link(page: str, query: Mapping[str, str]) -> None:
    """A link to one of the `PAGES` that take an image, where it can be reached."""
    label, icon = PAGES[page]
    with contextlib.suppress(StreamlitPageNotFoundError):  # this page runs alone
        st.page_link(f"pages/{page}.py", label=label, icon=icon, query_params=query)


def choose(view: View, *, pictures: str = FAILURES, purpose: str = "explain it") -> Subject:
    """Draws the choice and returns what it comes to; all of it is kept in the address.

    `pictures` are offered first, failures or all; pressing one serves the `purpose`.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        variant = _choose_variant(view)
        seed = _choose_seed(view, variant)
    failing = _failing(view, variant, seed)
    row, note = st.container(horizontal=True, vertical_alignment="bottom"), st.container()
    with row:
        kind = choose_kind([FAILURES, ALL] if len(failing) else [ALL], pictures, note)
        own = own_images.chosen() if kind == OWN else None
        if own is None:
            pool = _choose_class(view, variant, failing if kind == FAILURES else None)
            index = _choose_index(view, pool)
    if own is not None:
        return _own_subject(view, own, variant, seed or min(view.failures[variant]))
    _show_strip(view, variant, pool, index, purpose)
    shown = seed or _first_failing(view, variant, index)
    runs = _runs(view, shown)
    if missing := say_who_is_missing(view.runs, shown):
        st.caption(missing)
    predictions = {key: resources.predictions(run) for key, run in runs.items()}
    image = None if view.images is None else view.images[index]
    return make_subject(view.info, index, variant, runs, predictions, image)


def _runs(view: View, seed: int) -> dict[str, Run]:
    return {key: run for key, group in view.runs.items() for run in group if run.seed == seed}


def _own_subject(view: View, own: OwnImage, variant: str, seed: int) -> Subject:
    """The user's image as the networks of that seed see it; without them the page ends here."""
    runs = _runs(view, seed)
    _link("Another image, or its label")
    try:
        with st.spinner("Asking the networks…"):
            logits = explain_resources.logits(runs, own.image, view.info)
    except NormLabError as error:
        st.warning(f"No answers: {error}", icon=":material/warning:")
        st.stop()
    return own_subject(view.info, own.image, own.true, variant, runs, logits)


def _link(words: str) -> None:
    with contextlib.suppress(StreamlitPageNotFoundError):  # this page runs alone
        st.page_link("pages/predict.py", label=words, icon=":material/draw:")


def _choose_variant(view: View) -> str:
    options = list(view.runs)
    choice = address.one_of(VARIANT, options)
    chosen = st.segmented_control(
        "Variant",
        options,
        required=True,
        format_func=label,
        help="Whose failures are offered, and which network a diagnosis is of.",
        **choice.widget(),
    )
    choice.settle(chosen, what="the variant", shown=label(chosen))
    return chosen


def _choose_seed(view: View, key: str) -> int | None:
    """The chosen seed, None for the first that fails; asked only where there are several."""
    seeds = [str(run.seed) for run in view.runs[key]]
    if len(seeds) == 1:
        return int(seeds[0])
    choice = address.one_of(SEED, [FIRST, *seeds])
    chosen = st.selectbox(
        "Seed explained",
        [FIRST, *seeds],
        width=170,
        format_func=lambda seed: "first that fails" if seed == FIRST else seed,
        help="One network of each variant is explained, all of the same seed. “First that fails” "
        "is the first seed with which the chosen variant gets the image wrong; of your own image "
        "it is the variant's first.",
        **choice.widget(),
    )
    choice.settle(chosen, what="seed", shown="the first seed that fails")
    return None if chosen == FIRST else int(chosen)


def _first_failing(view: View, key: str, index: int) -> int:
    """The first seed with which the variant fails on the image; without any, its first seed."""
    frames = view.failures[key]
    failing = [seed for seed, frame in frames.items() if (frame["index"] == index).any()]
    return min(failing or frames)


def _failing(view: View, key: str, seed: int | None) -> pd.DataFrame:
    """The images on which the variant fails: `index, target`, and what they are taken for."""
    return failing_images({s: f for s, f in view.failures[key].items() if seed in (None, s)})


def choose_kind(options: list[str], default: str, note: DeltaGenerator) -> str:
    """Which images are offered: one of `options`, or the user's own if there is one.

    Where an address asks for an own image that is gone, `note` says so. A link to a test image
    leaves the user's own, which the session would keep.
    """
    default = default if default in options else options[0]
    options = [*options, OWN] if own_images.chosen() else options
    kinds = address.one_of(POOL, options, default)
    to_test_image = state.requested(INDEX) is not None and state.requested(POOL) is None
    if kinds.is_new and to_test_image and state.value(kinds.key) == OWN:
        state.put(kinds.key, None)
    kind = st.segmented_control(
        "Pictures",
        options,
        required=True,
        format_func=POOL_LABELS.__getitem__,
        **kinds.widget(),
    )
    shown = POOL_LABELS[kind].lower()
    if kinds.refused(kind) == OWN:
        kinds.follow(kind)
        with note:
            st.info(GONE.format(shown=shown), icon=":material/no_photography:")
            _link("Predict")
    else:
        kinds.settle(kind, what="pictures", shown=shown)
    return kind


def _choose_class(view: View, key: str, pool: pd.DataFrame | None) -> pd.DataFrame:
    """Those of `pool`, by default of all test images, that have the chosen label."""
    names = view.info.class_names
    classes = address.one_of(CLASS, [ANY, *names])
    chosen = st.selectbox("True label", [ANY, *names], width=120, **classes.widget())
    classes.settle(chosen, what="class", shown="any class")
    if pool is None:
        targets = resources.predictions(view.runs[key][0]).targets
        pool = pd.DataFrame({"index": np.arange(len(targets)), "target": targets})
    return pool if chosen == ANY else pool[pool["target"] == names.index(chosen)]


def _choose_index(view: View, pool: pd.DataFrame) -> int:
    first_run = next(iter(view.runs.values()))[0]
    last = len(resources.predictions(first_run).targets) - 1
    choice = address.number(INDEX, last, int(pool["index"].iloc[0]) if len(pool) else 0)
    chosen = int(
        st.number_input("Test image", 0, last, "min", width=150, step=1, **choice.widget())
    )
    shown = f"{chosen}; {view.info.label} has test images 0 to {last:,}"
    choice.settle(chosen, what="test image", shown=shown)
    return chosen


def _show_strip(view: View, key: str, pool: pd.DataFrame, index: int, purpose: str) -> None:
    """The offered pictures in one row; the shown one is marked."""
    shown = pool[around(pool["index"].tolist(), index)]
    if shown.empty:
        st.info("No failure has this label: choose another one, or all test images.")
        return
    html = strip(
        shown,
        images=view.images,
        class_names=view.info.class_names,
        current=index,
        color=failures_tables.variant_color(key),
    )
    pick(html, key="strip", on_pick=pick_index)
    kind = "failures of " + label(key) if "predicted" in pool else "test images"
    few = f"{len(shown)} of {len(pool):,}" if len(shown) < len(pool) else f"{len(pool)}"
    st.caption(f"{few} {kind}. Press one to {purpose}.")


def pick_index(picked: str) -> None:
    """Shows the image with that number; for use as a callback."""
    state.put(address.number(INDEX, 0, 0).key, int(picked))
