"""Fetching a data set's images while the pages stay usable: offer, progress, time left."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import streamlit as st

from core.data.datasets import DatasetStatus, data_dir, get_dataset
from core.errors import NormLabError
from ui import resources, state

TICK_SECONDS = 1.0
ALWAYS_HERE = "digits"
FAILURES_WITHOUT = "failures are shown without pictures. Everything else needs no images"


@dataclass
class Download:
    """A download in a background thread, shared by all sessions of the server.

    `error` is the line for the user once it has failed.
    """

    key: str
    done_bytes: int = 0
    total_bytes: int = 0
    error: str | None = None
    finished: bool = False
    started: float = field(default_factory=time.monotonic)

    def run(self) -> None:
        """Fetches the files; whatever goes wrong ends up in `error`."""
        from core.data.download import download_dataset  # torchvision, needed only now

        try:
            download_dataset(self.key, data_dir(), self.report)
        except NormLabError as error:
            self.error = str(error)
        except Exception as error:  # the thread's boundary: a page must say it, not a log
            self.error = f"The download failed ({type(error).__name__}: {error}). Try again."
        finally:
            self.finished = True

    def report(self, done_bytes: int, total_bytes: int) -> None:
        """Called by the download as bytes arrive."""
        self.done_bytes, self.total_bytes = done_bytes, total_bytes

    def share(self) -> float:
        """How much is done, in [0, 1]."""
        return min(self.done_bytes / self.total_bytes, 1.0) if self.total_bytes else 0.0

    def describe(self, now: float) -> str:
        """Megabytes and time left in words; `now` is a `time.monotonic()`."""
        if not self.done_bytes:
            return "Connecting…"
        left = (now - self.started) * (self.total_bytes - self.done_bytes) / self.done_bytes
        return (
            f"{self.done_bytes / 1e6:.1f} of {self.total_bytes / 1e6:.1f} MB, "
            f"about {max(left, 0):.0f} s left"
        )


@st.cache_resource(show_spinner=False)
def _downloads() -> dict[str, Download]:
    return {}


def _start(key: str) -> None:
    running = _downloads().get(key)
    if running is None or running.finished:
        _downloads()[key] = download = Download(key)
        threading.Thread(target=download.run, name=f"download-{key}", daemon=True).start()


def offer(
    status: DatasetStatus,
    consequence: str = FAILURES_WITHOUT,
    *,
    key: str = "offer",
    instead: bool = True,
) -> None:
    """Says that the images of a data set are not here or damaged and offers to fetch them.

    `consequence` says what that means for the page: "so …". Each place on a page needs a `key` of
    its own. With `instead` it also offers to show the data set whose images are always here.
    """
    info = get_dataset(status.key)
    download = _downloads().get(status.key)
    what = "damaged" if status.damaged else "not on this machine"
    with st.container(border=True, key=key):
        st.markdown(
            f":material/image_not_supported: **The {info.label} images are {what}**, "
            f"so {consequence}."
        )
        if download and not download.finished:
            _watch(status.key)
            return
        if download and download.error:
            st.error(download.error)
        st.caption(status.reason or "")
        with st.container(horizontal=True):
            if info.downloadable:
                st.button(
                    f"Download {info.label}",
                    key=f"{key}-download",
                    icon=":material/download:",
                    on_click=_start,
                    args=[status.key],
                )
            if instead and ALWAYS_HERE in resources.datasets_with_runs(local=False):
                _offer_digits(key)


def _offer_digits(key: str) -> None:
    clicked = st.button(
        "Show digits instead",
        key=f"{key}-digits",
        icon=":material/swap_horiz:",
        help="A smaller data set that comes with NormLab, and its networks.",
        on_click=state.turn_to,
        args=[state.SHIPPED, ALWAYS_HERE],
    )
    if clicked:  # in a fragment, where the sidebar has not run
        st.rerun()


@st.fragment(run_every=TICK_SECONDS)
def _watch(key: str) -> None:
    download = _downloads().get(key)
    if download is None or download.finished:
        st.rerun()
    st.progress(download.share(), text=download.describe(time.monotonic()))
