"""One image and its answers: alone, among random mates, among mates of one class, among yours."""

from __future__ import annotations

import streamlit as st

from core.errors import NormLabError
from ui import batch_resources
from ui.batch_data import Company, answers_frame, answers_sentence, answers_table, proof_sentence
from ui.downloads import download_row
from ui.picker import pick


def show(company: Company) -> bool:
    """The sentences, the table and its file; False where the networks cannot be asked."""
    st.header("What the company changes", anchor=False)
    try:
        with st.spinner("Asking the networks in each company…", show_time=True):
            frame = answers_frame(company, batch_resources.answers(company))
    except NormLabError as error:
        st.warning(f"No answers: {error}", icon=":material/warning:")
        return False
    st.markdown(answers_sentence(company, frame))
    st.markdown(proof_sentence(company, frame))
    pick(answers_table(company, frame), key="company-table")
    shading = ", which shades the cell"
    if company.target is not None:
        shading = "; below a wrong answer, the probability of the true label, which shades the cell"
    st.caption(
        f"What each network says and how probable it finds it{shading}. With running statistics "
        "the network is in evaluation mode; in all other columns batch norm normalizes with mean "
        "and variance (biased, as PyTorch does) of exactly that batch, as in training mode. Last: "
        f"how far any logit moves from the first column. This seed ({company.seed})."
    )
    download_row(None, frame, f"batch-mates-{company.file_stem}")
    return True
