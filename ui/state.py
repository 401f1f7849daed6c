"""Session keys and query parameters; the only access to `st.session_state`.

Every choice that changes what a page shows is bound to a query parameter of the same name, so a
link reproduces the view and a choice survives a change of page.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
from starlette.formparsers import MultiPartParser
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.training.runs import Run
from ui.palette import VARIANT_COLORS

DATASET = "dataset"
SEED = "seed"
SOURCE = "runs"
ALL_SEEDS = "all"
"""What an address may say for no seed in particular."""
TURN = "turn"
SHIPPED, LOCAL, TOGETHER = "shipped", "local", "together"


@dataclass(frozen=True)
class Selection:
    """What the sidebar has chosen: a data set and its finished runs of the chosen seeds.

    Those of one variant may be averaged; `source` says where they were trained.
    """

    dataset: str
    runs: tuple[Run, ...] = ()
    source: str = SHIPPED

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds among the runs, ascending."""
        return tuple(sorted({run.seed for run in self.runs}))

    @property
    def by_variant(self) -> dict[str, list[Run]]:
        """The runs of each variant that has any, by seed; variants in the order of their colours,
        so the six first.
        """
        groups: dict[str, list[Run]] = {key: [] for key in list(VARIANT_COLORS)}
        for run in sorted(self.runs, key=lambda run: (run.path.parent.name, run.seed)):
            groups.setdefault(run.variant.key if run.variant else "", []).append(run)
        return {key: runs for key, runs in groups.items() if runs}

    @property
    def most_seeds(self) -> int:
        """How many seeds the variant with the most of them has."""
        return max(map(len, self.by_variant.values()), default=0)

    @property
    def fewest_seeds(self) -> int:
        """How many seeds the variant with the fewest of them has."""
        return min(map(len, self.by_variant.values()), default=0)

    @property
    def seeds_said(self) -> str:
        """How many seeds the variants have: "seed 1", "10 seeds", or "1 to 10 seeds"."""
        if self.most_seeds == 1:
            return f"seed {self.seeds[0]}" if len(self.seeds) == 1 else "one seed each"
        fewest, most = self.fewest_seeds, self.most_seeds
        counts = f"{fewest} to " if fewest < most else ""
        return f"{counts}{most} seeds"


def bound(name: str) -> dict[str, Any]:
    """Arguments that give a widget the key `name` and keep its value in the URL under it."""
    return {"key": name, "bind": "query-params"}


def kept(name: str, default: Any) -> dict[str, Any]:
    """Arguments for a widget that keeps its value through the session, whatever page shows it."""
    mark = f"{name}-visit"
    if value(mark) != visit():  # another page's widget of this key does not hand its value over
        put(name, value(name, default))
        put(mark, visit())
    return {"key": name, "persist_state": "session"}


def value(name: str, default: Any = None) -> Any:
    """The current value of the widget or entry `name`."""
    return st.session_state.get(name, default)


def dataset() -> str:
    """The key of the data set the sidebar shows; "" before `sidebar.render()`."""
    return value(DATASET, "")


def source() -> str:
    """Whether the shipped runs are shown, those made here, or both together."""
    return value(SOURCE) or SHIPPED


def seeds() -> tuple[int, ...]:
    """The seeds that were chosen, none for all of them."""
    return tuple(int(seed) for seed in value(SEED) or [])


def requested(name: str) -> str | None:
    """What the address asks for under `name`, valid or not; read it before the widget exists."""
    return st.query_params.get(name)


def all_requested(name: str) -> list[str]:
    """Like `requested`, of a name that an address may hold several times."""
    return st.query_params.get_all(name)


def count_visit() -> None:
    """Notes which page runs, so that `visit()` grows when another one is opened."""
    context = get_script_run_ctx()
    page = context.page_script_hash if context else ""
    if value("visited-page") != page:
        put("visited-page", page)
        put("visit", visit() + 1)


def visit() -> int:
    """How many pages this session has opened, one after the other."""
    return value("visit", 0)


def is_history_navigation() -> bool:
    """Whether the browser's back or forward made the script run."""
    context = get_script_run_ctx()
    return bool(context and context.is_history_navigation)


def is_dark() -> bool:
    """Whether the browser shows the dark theme."""
    return st.context.theme.type == "dark"


def turn_to(source: str, dataset: str, seeds: Iterable[int] | None = None) -> None:
    """Has the page's next run set the sidebar to runs, for whoever has clicked in a fragment.

    An address alone would not change what the sidebar holds. No `seeds` are all of them; with None
    the choice of these stays.
    """
    values: dict[str, Any] = {SOURCE: source, DATASET: dataset}
    if seeds is not None:
        values[SEED] = [str(seed) for seed in sorted(set(seeds))]
    put(TURN, values)


def is_to_turn() -> bool:
    """Whether `turn_to` waits for the page to run."""
    return bool(value(TURN))


def turn() -> None:
    """Does what `turn_to` has asked for; call it before the sidebar's widgets exist.

    What is set any earlier does not always reach the browser, which then sets it back.
    """
    for name, new in value(TURN, {}).items():
        put(name, new)
    st.session_state.pop(TURN, None)


def tell_address(name: str, shown: str | Sequence[str]) -> None:
    """Has the address say what a widget shows that is `bound` to it; none if that is empty.

    On a page that has just been opened it does not do so itself with what a script has set before.
    """
    values = [shown] if isinstance(shown, str) else list(shown)
    if any(values) and all_requested(name) != values and (context := get_script_run_ctx()):
        with context.session_state.query_params() as params:
            params.set_corrected_value(name, values, "string_array_value")


def put(name: str, new: Any) -> None:
    """Sets the value of the widget or entry `name`: in a callback, or before the widget exists."""
    st.session_state[name] = new


def keep_uploads_in_memory() -> None:
    """Has no upload pass through a temporary file, as those above 1 MB do by default."""
    MultiPartParser.spool_max_size = 0  # no limit; server.maxUploadSize is one


def drop_uploads(file_ids: Iterable[str]) -> None:
    """Takes files out of Streamlit's memory, which would hold them until the session ends."""
    context = get_script_run_ctx()
    manager = context.uploaded_file_mgr if context else None
    if context and isinstance(manager, MemoryUploadedFileManager):
        for file_id in file_ids:
            manager.remove_file(context.session_id, file_id)
