"""What waits for the browser when a fragment starts is told as if it had left before."""

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue

from ui import fragment_queue

EARLY = ForwardMsg.FINISHED_EARLY_FOR_RERUN
WHOLE, PART = ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY


def drawn(text: str, fragment: str = "", place: int = 0) -> ForwardMsg:
    message = ForwardMsg()
    message.metadata.delta_path.append(place)
    message.delta.fragment_id = fragment
    message.delta.new_element.markdown.body = text
    return message


def ended(status: int) -> ForwardMsg:
    return ForwardMsg(script_finished=status)


def told(starting: list[str] | None, before: list[ForwardMsg], after: list[ForwardMsg]) -> list:
    """Texts and ends, in order, if `starting` begins between what waits and what comes."""
    fragment_queue.keep()
    queue = ForwardMsgQueue()
    for message in before:
        queue.enqueue(message)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=starting)
    for message in after:
        queue.enqueue(message)
    return [
        one.delta.new_element.markdown.body if one.HasField("delta") else one.script_finished
        for one in queue.flush()
    ]


@pytest.mark.parametrize("starting", [["tick"], ["form"], ["tick", "form"]])
@pytest.mark.parametrize("status", [WHOLE, PART])
def test_all_that_waits_is_told_before_what_a_fragment_draws(starting, status):
    before = [drawn("a page"), drawn("a form", "form", 1), ended(status)]
    after = [drawn("a new one", starting[0], 1), ended(PART)]
    expected = ["a page", "a form", status, "a new one", PART]
    assert told(starting, before, after) == expected


def test_a_run_of_the_whole_page_still_takes_back_what_was_drawn():
    before = [drawn("a page"), drawn("a form", "form", 1), ended(PART), ended(WHOLE)]
    assert told(None, before, [drawn("a page anew")]) == [EARLY, EARLY, "a page anew"]


def test_one_run_tells_only_the_last_of_what_it_draws_in_one_place():
    assert told(["form"], [], [drawn("one", "form"), drawn("two", "form")]) == ["two"]


def test_a_queue_that_is_emptied_holds_nothing():
    fragment_queue.keep()
    queue = ForwardMsgQueue()
    queue.enqueue(drawn("a page"))
    queue.clear()
    assert queue.is_empty()


def test_it_is_done_once():
    fragment_queue.keep()
    before = ForwardMsgQueue.clear
    fragment_queue.keep()
    assert ForwardMsgQueue.clear is before
