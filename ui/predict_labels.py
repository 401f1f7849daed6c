"""Which class a user's own images show, by their names, by a table, or by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from core.data.datasets import DatasetInfo
from core.data.labels import MAX_TABLE_BYTES, labels_from_table
from core.errors import LabelError
from ui import own_images, state
from ui.own_images import OwnImage

UNKNOWN, TRUE = "unknown", "own-true-label"
UPLOADER, TABLE, PROBLEM = "label-table-file", "label-table", "label-table-problem"
FORMS = (
    "“7.png”, “photo_7.png”, “mnist-12-7.png” or a folder “7/”; not where names count, as in "
    "“scan_7.png” beside “scan_12.png”."
)


def labelled(owns: Sequence[OwnImage]) -> list[OwnImage]:
    """`owns` with their classes: said by hand, else in a table, else told by the file's name.

    A picture of several digits has no single label.
    """
    table = state.value(TABLE, {})
    found = []
    for own in owns:
        if own.name in table and (own.true is None or own.by_name) and len(own.digits) < 2:
            own = replace(own, true=table[own.name], by_name=False)
        found.append(own_images.labelled(own))
    return found


def choose_true(info: DatasetInfo, own: OwnImage) -> None:
    """Asks which class the image shows; other pages know it too."""
    state.put(TRUE, UNKNOWN if own.true is None else info.class_names[own.true])
    st.selectbox(
        "True label",
        [UNKNOWN, *info.class_names],
        width=130,
        key=TRUE,
        help=f"Which class the image shows, if you know it. File names tell it: {FORMS}",
        on_change=lambda: own_images.label_as(_class(info, state.value(TRUE))),
    )


def _class(info: DatasetInfo, name: str) -> int | None:
    return None if name == UNKNOWN else info.class_names.index(name)


def ask_for_table(info: DatasetInfo, owns: Sequence[OwnImage]) -> None:
    """Asks for a table of labels and says what came of it."""
    with st.popover("Labels from a table", icon=":material/table:"):
        st.caption(
            "A CSV file in UTF-8 with a column “file” and a column “label”, at most "
            f"{MAX_TABLE_BYTES >> 20} MB. Without it, file names tell the label: {FORMS}"
        )
        st.file_uploader(
            "Table of labels",
            type="csv",
            max_upload_size=MAX_TABLE_BYTES >> 20,
            key=UPLOADER,
            on_change=_take,
            args=[info.class_names],
        )
        table, problem = state.value(TABLE, {}), state.value(PROBLEM)
        if problem:
            st.error(problem, icon=":material/error:")
        elif table:
            used = sum(own.name in table for own in owns)
            st.caption(
                f"{len(table):,} labels, {used:,} of them for the {len(owns):,} images here."
            )


def _take(class_names: Sequence[str]) -> None:
    file = state.value(UPLOADER)
    found, problem = {}, ""
    try:
        found = labels_from_table(file.getvalue(), class_names) if file else {}
    except LabelError as error:
        problem = str(error)
    state.put(TABLE, found)
    state.put(PROBLEM, problem)
