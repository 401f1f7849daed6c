"""What waits for the browser when a fragment starts is told as if it had left before."""

from types import SimpleNamespace

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

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


class Session(SimpleNamespace):
    """As much of a session as begins a fragment; `runner` says whether its last run goes on."""

    def __init__(self, runner: bool | None, fragments: str = "form", **entries) -> None:
        super().__init__(later=[], taken=[], created=[], _state=AppSessionState.APP_NOT_RUNNING)
        self._call_soon_on_event_loop = self.later.append
        self.has_fragment = lambda fragment: fragment == fragments
        self._scriptrunner = runner if runner is None else SimpleNamespace()
        if runner is not None:
            self._scriptrunner.request_rerun = lambda data: self.taken.append(data) or runner
        self.__dict__.update(entries)

    def begin(self) -> None:
        data = RerunData(fragment_id="form")
        fragment_queue.begin_fragment(self, data, lambda _, data: self.created.append(data))


def test_a_fragment_waits_until_the_ended_run_has_told_all():
    fragment_queue.keep()
    session = Session(runner=False)
    ended_runner = session._scriptrunner
    AppSession._create_scriptrunner(session, RerunData(fragment_id="form"))
    assert len(session.later) == 1 and session._scriptrunner is ended_runner


@pytest.mark.parametrize("runner", [None, False])
def test_a_fragment_gets_a_run_of_its_own_where_none_goes_on(runner):
    session = Session(runner)
    session.begin()
    assert [data.fragment_id for data in session.created] == ["form"]


def test_a_fragment_joins_a_run_that_has_begun_meanwhile():
    session = Session(runner=True)
    session.begin()
    assert session.taken and not session.created


@pytest.mark.parametrize(
    "session",
    [Session(None, fragments="other"), Session(None, _state=AppSessionState.SHUTDOWN_REQUESTED)],
)
def test_a_fragment_that_is_gone_is_not_begun(session):
    session.begin()
    assert not session.created
