"""Fragments that run right after one another do not spoil each other's messages to the browser.

When a fragment starts, Streamlit 1.67 drops or changes messages that have not left yet: that
another fragment has ended, and what a run of the page has drawn of this one, but not that this run
has ended. On a busy server, and with parts that tick, fields that had been replaced then stayed
beside the new ones, and others were taken away with what had been chosen in them. And a fragment
that starts just as another run has ended makes Streamlit ignore what that one has not told yet.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData


@functools.cache
def keep() -> None:
    """From now on, in every session, the browser is told all, as if it had been told in time."""
    clear, create = ForwardMsgQueue.clear, AppSession._create_scriptrunner

    def clear_for_pages(
        self: ForwardMsgQueue,
        retain_lifecycle_msgs: bool = False,
        fragment_ids_this_run: list[str] | None = None,
    ) -> None:
        if retain_lifecycle_msgs and fragment_ids_this_run:
            self._delta_index_map = {}  # what is drawn from now on comes after what waits
        else:
            clear(self, retain_lifecycle_msgs, fragment_ids_this_run)

    def create_in_turn(self: AppSession, initial_rerun_data: RerunData) -> None:
        if initial_rerun_data.fragment_id and self._scriptrunner is not None:
            begin = functools.partial(begin_fragment, self, initial_rerun_data, create)
            self._call_soon_on_event_loop(begin)  # behind all that the ended run has told
        else:
            create(self, initial_rerun_data)

    ForwardMsgQueue.clear = clear_for_pages  # type: ignore[method-assign]
    AppSession._create_scriptrunner = create_in_turn  # type: ignore[method-assign]


def begin_fragment(
    session: AppSession, data: RerunData, create: Callable[[AppSession, RerunData], None]
) -> None:
    """Runs a fragment, unless it is gone: in the run that goes on now, or else in a new one."""
    is_over = session._state == AppSessionState.SHUTDOWN_REQUESTED
    if is_over or not session.has_fragment(data.fragment_id or ""):
        return
    if session._scriptrunner is None or not session._scriptrunner.request_rerun(data):
        create(session, data)
