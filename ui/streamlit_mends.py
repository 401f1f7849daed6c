"""What Streamlit 1.67 loses or mixes up, most of it on a busy server, kept and kept apart.

- When a run starts, messages that have not left yet are dropped or changed. Of a fragment's: that
  another has ended, and what a run of the page has drawn of this one, but not that this run has
  ended. Fields that had been replaced then stayed beside the new ones, and others were taken away
  with what had been chosen in them. Of a page's: what a script has set a widget to, which the
  browser is told once, and where the browser may send a file, so that its upload never began.
- A fragment that starts just as another run has ended makes Streamlit ignore what that one has not
  told yet.
- A request that a fragment of the page before has sent on the way out names that page: the new
  one is taken off the screen when it runs, and its widgets forget their values.
- Ticks come as fast as ever where the server falls behind, and it falls behind for good. They bring
  along what widgets showed when they were sent, which undoes what a script has set meanwhile.
- A page that is left before anything has run on it a second time forgets what its address has set,
  and its tick comes only after seconds.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from weakref import WeakKeyDictionary

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData
from streamlit.runtime.state.session_state import SessionState

_untold: WeakKeyDictionary[AppSession, set[str]] = WeakKeyDictionary()
"""The fragments whose ticks run or have not been told to the browser; "" for all but ticks."""


@functools.cache
def apply() -> None:
    """From now on, in every session."""
    request, create = AppSession.request_rerun, AppSession._create_scriptrunner
    forget = SessionState._remove_stale_widgets

    def clear_nothing(self: AppSession, fragment_ids_this_run: list[str] | None = None) -> None:
        self._browser_queue._delta_index_map = {}  # what a run draws comes after what waits

    def request_in_turn(self: AppSession, client_state: ClientState | None) -> None:
        if client_state is None or admit(self, client_state):
            request(self, client_state)

    def create_in_turn(self: AppSession, initial_rerun_data: RerunData) -> None:
        if initial_rerun_data.fragment_id and self._scriptrunner is not None:
            begin = functools.partial(begin_fragment, self, initial_rerun_data, create)
            self._call_soon_on_event_loop(begin)  # behind all that the ended run has told
        else:
            create(self, initial_rerun_data)

    def forget_in_turn(self: SessionState, active_widget_ids: frozenset[str]) -> None:
        remember_first_values(self)
        forget(self, active_widget_ids)

    AppSession._clear_queue = clear_nothing  # type: ignore[method-assign]
    AppSession.request_rerun = request_in_turn  # type: ignore[method-assign]
    AppSession._create_scriptrunner = create_in_turn  # type: ignore[method-assign]
    SessionState._remove_stale_widgets = forget_in_turn  # type: ignore[method-assign]


def admit(session: AppSession, asked: ClientState) -> bool:
    """Whether a request is to be run now; mends what it asks for."""
    if not is_due(session, asked):
        return False
    name_page(session, asked)
    if asked.is_auto_rerun:
        asked.ClearField("widget_states")  # the browser has told of every change when it was made
    return True


def name_page(session: AppSession, asked: ClientState) -> None:
    """Has a fragment's request name the page that was asked for last; a page's own stays."""
    here = session._client_state
    if not asked.fragment_id:
        here.page_script_hash = asked.page_script_hash or here.page_script_hash
    elif here.page_script_hash not in ("", session._pages_manager.main_script_hash):
        asked.page_script_hash = here.page_script_hash


def is_due(session: AppSession, asked: ClientState) -> bool:
    """Whether a request is to be run now: all but ticks are.

    A tick is not while the last one of its fragment, or anything but ticks, runs or waits to be
    told to the browser. There will be another one.
    """
    if session._scriptrunner is None and session._browser_queue.is_empty():
        _untold.pop(session, None)
    untold = _untold.setdefault(session, set())
    if not asked.is_auto_rerun:
        untold.add("")
        return True
    if untold & {"", asked.fragment_id}:
        return False
    untold.add(asked.fragment_id)
    return True


def begin_fragment(
    session: AppSession, data: RerunData, create: Callable[[AppSession, RerunData], None]
) -> None:
    """Runs a fragment, unless it is gone: in the run that goes on now, or else in a new one."""
    is_over = session._state == AppSessionState.SHUTDOWN_REQUESTED
    if is_over or not session.has_fragment(data.fragment_id or ""):
        return
    if session._scriptrunner is None or not session._scriptrunner.request_rerun(data):
        create(session, data)


def remember_first_values(state: SessionState) -> None:
    """Has what the address has set in a page's first run count as the last run's already.

    Only such values are handed over to the next page.
    """
    for widget_id in state._query_param_bound_widget_ids:
        with contextlib.suppress(KeyError):  # another page's widget
            state._old_state.setdefault(widget_id, state._new_widget_state[widget_id])
