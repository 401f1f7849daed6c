"""A fragment's end reaches the browser although another fragment starts at once."""

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from ui import fragment_ends

EARLY = ForwardMsg.FINISHED_EARLY_FOR_RERUN
WHOLE, PART = ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY


def statuses_after(starting: list[str] | None, *waiting: tuple[int, list[str]]) -> list[int]:
    """What the browser is told of runs (status, fragments) that wait when `starting` begins."""
    fragment_ends.keep()
    queue = ForwardMsgQueue()
    for status, fragments in waiting:
        message = ForwardMsg(script_finished=status)
        message.metadata.run.script_run_id = "a run"
        message.metadata.run.fragment_ids.extend(fragments)
        queue.enqueue(message)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=starting)
    return [message.script_finished for message in queue.flush()]


def test_the_end_of_one_fragment_is_told_when_another_starts():
    assert statuses_after(["tick"], (PART, ["form"]), (WHOLE, [])) == [PART, WHOLE]


def test_several_ends_are_told_each():
    assert statuses_after(["tick"], (PART, ["form"]), (PART, ["form", "list"])) == [PART, PART]


@pytest.mark.parametrize("starting", [["form"], ["tick", "form"]])
def test_a_fragment_that_starts_anew_has_not_ended(starting):
    """What it had drawn has been withdrawn too: nothing may be taken away for that."""
    assert statuses_after(starting, (PART, ["form"]), (PART, ["list", "form"])) == [EARLY, EARLY]


def test_a_run_of_the_whole_page_makes_an_end_of_all():
    assert statuses_after(None, (PART, ["form"]), (WHOLE, [])) == [EARLY, EARLY]


def test_an_early_end_stays_one():
    assert statuses_after(["tick"], (EARLY, ["form"])) == [EARLY]


def test_a_queue_that_is_emptied_holds_nothing():
    fragment_ends.keep()
    queue = ForwardMsgQueue()
    queue.enqueue(ForwardMsg(script_finished=PART))
    queue.clear()
    assert queue.is_empty()


def test_it_is_done_once():
    fragment_ends.keep()
    before = ForwardMsgQueue.clear
    fragment_ends.keep()
    assert ForwardMsgQueue.clear is before
