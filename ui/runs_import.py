"""Bringing in runs from files; each passes the gate of `core.training.archive`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st
from streamlit.runtime.uploaded_file_manager import DeletedFile

from core.errors import NormLabError
from core.training.archive import import_run
from ui import resources, runs_words, state, upload_watch
from ui.runs_files import unpack

UPLOADER, BATCH, WATCH = "runs-uploader", "runs-to-import", "runs-upload-watch"
MAX_MEGABYTES = 5
"""In which some fifteen runs on MNIST fit; a picture may be larger (`.streamlit/config.toml`)."""
TOO_LARGE = f"it has more than {MAX_MEGABYTES} MB; a file of several runs can be unpacked first"


@dataclass
class Batch:
    """Files that were uploaded together: those still to be checked, and what became of others."""

    waiting: list[tuple[str, bytes]] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def uploader() -> None:
    """Takes exported runs, one or several files at once."""
    state.keep_uploads_in_memory()
    key = f"{UPLOADER}-{state.value(UPLOADER, 0)}"

    def take_over() -> None:
        # Until it has the new uploader, the browser may report once more what was taken out.
        files = [file for file in state.value(key) if not isinstance(file, DeletedFile)]
        if not files:
            return
        batch = unpacked([(file.name, file.getvalue()) for file in files])
        batch.refused += [refusal(name, TOO_LARGE) for name in upload_watch.left_out(WATCH)]
        state.put(BATCH, batch)
        state.drop_uploads(file.file_id for file in files)
        state.put(UPLOADER, state.value(UPLOADER, 0) + 1)

    st.file_uploader(
        f"Exported runs: .zip, up to {MAX_MEGABYTES} MB each",
        type="zip",
        accept_multiple_files=True,
        max_upload_size=MAX_MEGABYTES,
        key=key,
        on_change=take_over,
        help="A file that Download wrote, with one run or several. Everything in it is checked "
        "before it is added, and nothing in it is executed.",
    )
    upload_watch.watch(UPLOADER, MAX_MEGABYTES << 20, key=WATCH)


def unpacked(files: Sequence[tuple[str, bytes]]) -> Batch:
    """The runs in the uploaded files, which may hold several each."""
    batch = Batch()
    for name, content in files:
        try:
            batch.waiting += unpack(name, content)
        except NormLabError as error:
            batch.refused.append(refusal(name, error))
    return batch


def work() -> None:
    """Imports what was uploaded, then draws everything anew; does nothing where nothing was."""
    batch = state.value(BATCH)
    if batch is None:
        return
    total = len(batch.waiting)
    with st.spinner("Checking the files; the first one takes a few seconds…"):
        bar = st.progress(0.0, text=f"{total} runs to check") if total > 1 else None
        # Taken out first: a click meanwhile begins another script, which goes on with the rest.
        while batch.waiting:
            _import_one(batch, *batch.waiting.pop(0))
            left = len(batch.waiting)
            if bar:
                bar.progress(1 - left / total, text=f"{total - left} of {total} runs checked")
    state.put(BATCH, None)
    done = f"Added {', '.join(batch.added)}." if batch.added else ""
    runs_words.say(runs_words.IMPORT, done, batch.refused)
    st.rerun()


def _import_one(batch: Batch, name: str, content: bytes) -> None:
    try:
        batch.added.append(import_run(content, resources.LOCAL_DIR).name)
    except NormLabError as error:
        batch.refused.append(refusal(name, error))


def refusal(name: str, error: NormLabError | str) -> str:
    """One line on a file that was not imported; its name comes from the user."""
    return f"“{name[:60]}” was not added: {str(error).removesuffix('.')}."
