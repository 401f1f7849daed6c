"""Fragments that run right after one another do not spoil each other's messages to the browser.

When a fragment starts, Streamlit 1.67 drops or changes messages that have not left yet: that
another fragment has ended, and what a run of the page has drawn of this one, but not that this run
has ended. On a busy server, and with parts that tick, fields that had been replaced then stayed
beside the new ones, and others were taken away with what had been chosen in them.
"""

from __future__ import annotations

import functools

from streamlit.runtime.forward_msg_queue import ForwardMsgQueue


@functools.cache
def keep() -> None:
    """From now on, in every session, the browser is told all, as if it had been told in time."""
    clear = ForwardMsgQueue.clear

    def clear_for_pages(
        self: ForwardMsgQueue,
        retain_lifecycle_msgs: bool = False,
        fragment_ids_this_run: list[str] | None = None,
    ) -> None:
        if retain_lifecycle_msgs and fragment_ids_this_run:
            self._delta_index_map = {}  # what is drawn from now on comes after what waits
        else:
            clear(self, retain_lifecycle_msgs, fragment_ids_this_run)

    ForwardMsgQueue.clear = clear_for_pages  # type: ignore[method-assign]
