"""The fewest mates whose exchange makes batch norm change its mind about the image."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from core.analysis.metrics import softmax
from core.errors import NormLabError
from ui import address, batch_resources, state
from ui.batch_data import Company, moved_words, swapped_pictures
from ui.charts import VARIANT_LABELS
from ui.downloads import csv_file, download_files, json_file
from ui.images import format_percent, with_article
from ui.picker import pick

if TYPE_CHECKING:
    from core.analysis.flip_search import Flip

SIZES = ["2", "4", "8", "16", "32"]
DEFAULT_SIZE = "16"
FOUND = "flip-found"


@st.fragment
def show(company: Company) -> None:
    """A choice of network and batch size, a button, and what the search found."""
    st.header("Mates that change its mind", anchor=False)
    if not company.batch_norm:
        st.write("Only batch norm hears of mates, and none of these runs has it.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = _choose("flip", "Network", company.batch_norm, VARIANT_LABELS)
        size = int(_choose("flip_batch", "Batch of", SIZES, {}, DEFAULT_SIZE))
        pressed = st.button("Search", icon=":material/search:")
    st.caption(
        f"The image starts among {size - 1} random mates. The search exchanges as few of them as "
        f"it can for others of {batch_resources.POOL_SIZE} test images until the prediction "
        "changes. Up to half a minute."
    )
    about = (company.identity, company.runs[key].digest, size)
    if pressed:
        _search(company, key, size, about)
    found_for, found = state.value(FOUND, (None, None))
    if found_for == about:
        _results(company, key, size, *found)


def _choose(
    name: str, title: str, options: list[str], labels: Mapping[str, str], default: str | None = None
) -> str:
    choice = address.one_of(name, options, default)
    chosen = st.selectbox(
        title, options, width=200, format_func=lambda o: labels.get(o, o), **choice.widget()
    )
    choice.settle(chosen, what=title.lower(), shown=labels.get(chosen, chosen))
    return chosen


def _search(company: Company, key: str, size: int, about: tuple) -> None:
    """Searches under a progress bar and keeps what was found until the next search."""
    from core.analysis.flip_search import BUDGET

    bar, started = st.progress(0.0, text="Searching…"), time.monotonic()

    def report(passes: int) -> None:
        left = (time.monotonic() - started) * (BUDGET - passes) / passes
        words = f"{passes:,} of at most {BUDGET:,} passes through the network"
        bar.progress(min(passes / BUDGET, 1.0), text=f"{words}, at most {left:.0f} s left")

    try:
        state.put(FOUND, (about, batch_resources.search(company, key, size, report)))
    except NormLabError as error:
        st.warning(f"No search: {error}", icon=":material/warning:")
    bar.empty()


def _results(
    company: Company, key: str, size: int, flip: Flip, others: list[int], moved: Mapping[str, float]
) -> None:
    from core.analysis.flip_search import BUDGET

    names = company.info.class_names
    st.markdown(flip_sentence(flip, size, names))
    st.caption(_effort(flip, size, BUDGET))
    removed, added = ([others[row - 1] for row in found] for found in (flip.removed, flip.added))
    if flip.found:
        for indices, words in ((removed, "Leaving the batch"), (added, "Coming instead")):
            st.markdown(f"{words}:")
            pick(swapped_pictures(company, indices, words), key=f"flip-{words[:4].lower()}")
    if flip.found and moved:
        st.markdown(
            f"Group and layer norm over the same two batches: {moved_words(max(moved.values()))}."
        )
    frame = pd.DataFrame({"removed": removed, "added": added})
    document = {
        "variant": key,
        "batch": [company.index, *others[: size - 1]],
        "removed": removed,
        "added": added,
        "logits_before": flip.before,
        "logits_after": flip.after,
        "is_smallest": flip.is_smallest,
        "passes": flip.passes,
        "moved_without_batch_norm": dict(moved),
    }
    download_files(
        {"CSV": csv_file(frame), "JSON": json_file(lambda: document)},
        f"flip-{key}-{size}-{company.file_stem}",
    )


def flip_sentence(flip: Flip, size: int, names: tuple[str, ...]) -> str:
    """What the search found, in Markdown."""
    before, after = (_said(logits, names) for logits in (flip.before, flip.after))
    if not flip.found:
        return (
            f"**No exchange was found that changes the prediction**, {before} among its first "
            f"{size - 1} mates; the nearest still says {after}."
        )
    count = len(flip.added)
    whose = "its only mate" if size == 2 else f"{count} of its {size - 1} mates"
    return f"**Exchanging {whose} turns {before} into {after}.**"


def _said(logits: tuple[float, ...], names: tuple[str, ...]) -> str:
    shares = softmax(np.array(logits))
    return f"{with_article(names[shares.argmax()])} ({format_percent(float(shares.max()))})"


def _effort(flip: Flip, size: int, budget: int) -> str:
    """How far the answer is proven, and what it cost."""
    pool = batch_resources.POOL_SIZE
    if not flip.found:
        tried = f"All {(size - 1) * pool:,} single exchanges were tried; " * flip.exhaustive
        why = "the budget is spent" if flip.out_of_budget else "every mate has been exchanged"
        proven = f"{tried}{'more' if tried else 'exchanges'} only as far as the search went: {why}."
    elif flip.is_smallest:
        proven = f"No smaller exchange with these {pool} images does it."
    else:
        proven = "This is the smallest exchange found; a smaller one may exist."
    return (
        f"{proven} Verified with exactly this batch. {flip.passes:,} images went through the "
        f"network, of at most {budget:,}."
    )
