"""What the six variants say of a user's own images: one of them at length, many as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.data.datasets import get_dataset
from core.errors import NormLabError
from core.training.runs import Run
from ui import (
    address,
    explain_choice,
    own_images,
    predict_labels,
    predict_networks,
    predict_one,
    predict_table,
)
from ui.announce import announcer
from ui.own_images import OwnImage
from ui.pooling import say_who_is_missing
from ui.state import Selection


def show(
    selection: Selection,
    owns: Sequence[OwnImage],
    refused: Mapping[str, str] | None = None,
    *,
    table: DeltaGenerator,
) -> None:
    """The answers to `owns`; `refused` maps the names of what was not taken to the reasons.

    Where there are several, they become a table in the container `table`.
    """
    info, refused = get_dataset(selection.dataset), refused or {}
    announce = announcer()
    if not owns:
        announce("")
        return
    owns = predict_labels.labelled(owns)
    own = own_images.shown_of(owns)
    own_images.choose(own)
    answers, below = st.container(), st.container(horizontal=True, vertical_alignment="bottom")
    with below:
        runs = _choose_runs(selection)
    try:
        with answers, st.spinner("Asking the networks…"):
            said = predict_networks.answers(info, runs, owns)
            here = said[said["image"] == owns.index(own)]
            seeds = predict_networks.seeds_that_agree(info, selection.by_variant, own, here)
    except NormLabError as error:
        answers.warning(f"No answers: {error}", icon=":material/warning:")
        return
    told = predict_one.Told(info, own, here, seeds, runs)
    with answers:
        announce(f"{own.name}: {predict_one.verdicts(told)}")
    with below:
        predict_labels.choose_true(info, own)
        predict_one.links(told)
    predict_one.details(told)
    if len(owns) + len(refused) > 1:
        with table:
            predict_table.show(predict_table.Many(info, owns, said, runs, refused), own)


def _choose_runs(selection: Selection) -> dict[str, Run]:
    """One network of each variant, of the chosen seed where there are several to choose from."""
    seeds = [str(seed) for seed in selection.seeds]
    chosen = seeds[0]
    if len(seeds) > 1:
        choice = address.one_of(explain_choice.SEED, seeds)
        chosen = st.selectbox(
            "Seed asked",
            seeds,
            width=110,
            help="One network of each variant answers, all of the same seed; the answers say how "
            "many of the others agree with it.",
            **choice.widget(),
        )
        choice.settle(chosen, what="seed", shown=f"seed {chosen}")
        if missing := say_who_is_missing(selection.by_variant, int(chosen)):
            st.caption(missing)
    return {
        key: run
        for key, runs in selection.by_variant.items()
        for run in runs
        if str(run.seed) == chosen
    }
