"""The image as the networks see it, and what each variant says of it."""

from __future__ import annotations

import streamlit as st

from ui import failures_tables, images
from ui.announce import announcer
from ui.chart_titles import about
from ui.charts import VARIANT_LABELS
from ui.charts_explain import MARGIN, MARGIN_UNKNOWN, margin_alt, margin_chart
from ui.downloads import csv_file, download_files, download_row, json_file
from ui.explain_data import Subject, class_probabilities, verdict_sentence, verdicts
from ui.picker import pick


def show(subject: Subject) -> None:
    """The image beside the six verdicts, then every class's probability."""
    frame, sentence = verdicts(subject), verdict_sentence(subject)
    announcer()(f"{subject.heading}. {sentence}")
    picture, words = st.columns([1, 3], gap="large")
    with picture:
        _picture(subject)
    with words:
        st.header(subject.heading, anchor=False)
        st.markdown(sentence)
        chart = margin_chart(frame, about=about(subject, subject.seed))
        st.altair_chart(chart, key="margins", alt=margin_alt(frame))
        st.caption(MARGIN if subject.target is not None else MARGIN_UNKNOWN)
        download_row(chart, frame, f"verdicts-{subject.file_stem}")
    _table(subject)


def _picture(subject: Subject) -> None:
    if subject.image is None:
        st.caption("The picture is not on this machine.")
        return
    said = f"{subject.said}, as the networks see it"
    st.html(images.large_picture(subject.image[None], 0, said))
    st.caption(f"28×28 pixels, as the networks see them. Seed {subject.seed}.")


def _table(subject: Subject) -> None:
    frame = class_probabilities(subject)
    shown = {key: VARIANT_LABELS.get(key, key) for key in subject.logits}
    names = subject.info.class_names
    pick(
        failures_tables.probability_table(frame, variants=shown, class_names=names),
        key="probabilities",
    )
    colors = "green is the true label, orange a wrong one"
    st.caption(f"Probability of each class{'' if subject.target is None else f'; {colors}'}.")
    files = {"CSV": csv_file(frame), "JSON": json_file(lambda: document(subject))}
    download_files(files, f"probabilities-{subject.file_stem}")


def document(subject: Subject) -> dict:
    """What each variant says, ready for JSON."""
    return {
        "dataset": subject.info.key,
        "index": subject.index,
        "true": subject.name,
        "seed": subject.seed,
        "verdicts": verdicts(subject).to_dict("records"),
        "classes": class_probabilities(subject).to_dict("records"),
    }
