"""What one fragment no longer draws goes from the page, although another one's tick comes at once.

A browser takes away what a fragment has not drawn again once it is told that the fragment's run has
ended. Streamlit 1.67 withdraws that when the next fragment starts before the message has left, as a
ticking one does on a busy server; what was left over then stayed, inputs included, until something
else drew that fragment once more.
"""

from __future__ import annotations

import functools
from collections.abc import Collection

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

ENDED = ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY


@functools.cache
def keep() -> None:
    """From now on, in every session, the end of a fragment is told unless it starts anew itself."""
    withdraw = ForwardMsgQueue.clear

    def clear(
        queue: ForwardMsgQueue,
        retain_lifecycle_msgs: bool = False,
        fragment_ids_this_run: list[str] | None = None,
    ) -> None:
        starting = fragment_ids_this_run or []
        ends = [msg for msg in queue._queue if starting and _ended_beside(msg, starting)]
        withdraw(queue, retain_lifecycle_msgs, fragment_ids_this_run)
        for msg in ends:
            msg.script_finished = ENDED

    ForwardMsgQueue.clear = clear  # type: ignore[method-assign, assignment]


def _ended_beside(msg: ForwardMsg, starting: Collection[str]) -> bool:
    """Whether `msg` tells the end of fragments of which none is starting."""
    is_end = msg.WhichOneof("type") == "script_finished" and msg.script_finished == ENDED
    return is_end and set(msg.metadata.run.fragment_ids).isdisjoint(starting)
