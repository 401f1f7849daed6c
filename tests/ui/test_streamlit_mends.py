"""Nothing that waits for the browser is lost, no tick comes out of turn, no choice is forgotten."""

from types import SimpleNamespace

import pytest
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

from ui import streamlit_mends

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
    streamlit_mends.apply()
    queue = ForwardMsgQueue()
    for message in before:
        queue.enqueue(message)
    AppSession._clear_queue(SimpleNamespace(_browser_queue=queue), starting)
    for message in after:
        queue.enqueue(message)
    return [
        one.delta.new_element.markdown.body if one.HasField("delta") else one.script_finished
        for one in queue.flush()
    ]


@pytest.mark.parametrize("starting", [None, ["tick"], ["form"], ["tick", "form"]])
@pytest.mark.parametrize("status", [WHOLE, PART])
def test_all_that_waits_is_told_before_what_a_run_draws(starting, status):
    before = [drawn("a page"), drawn("a form", "form", 1), ended(status)]
    after = [drawn("a new one", (starting or [""])[0], 1), ended(PART)]
    expected = ["a page", "a form", status, "a new one", PART]
    assert told(starting, before, after) == expected


def test_what_the_browser_has_asked_for_is_answered_whatever_starts():
    streamlit_mends.apply()
    session = SimpleNamespace(_browser_queue=ForwardMsgQueue())
    session._browser_queue.enqueue(ForwardMsg(file_urls_response={"response_id": "asked"}))
    AppSession._clear_queue(session)
    [answer] = session._browser_queue.flush()
    assert answer.file_urls_response.response_id == "asked"


def test_one_run_tells_only_the_last_of_what_it_draws_in_one_place():
    assert told(["form"], [], [drawn("one", "form"), drawn("two", "form")]) == ["two"]


def test_it_is_done_once():
    streamlit_mends.apply()
    before = AppSession.request_rerun
    streamlit_mends.apply()
    assert AppSession.request_rerun is before


class Session(SimpleNamespace):
    """As much of a session as begins a fragment; `runner` says whether its last run goes on."""

    __hash__ = object.__hash__

    def __init__(self, runner: bool | None, fragments: str = "form", **entries) -> None:
        super().__init__(later=[], taken=[], created=[], _state=AppSessionState.APP_NOT_RUNNING)
        self._call_soon_on_event_loop = self.later.append
        self.has_fragment = lambda fragment: fragment == fragments
        self._scriptrunner = runner if runner is None else SimpleNamespace()
        if runner is not None:
            self._scriptrunner.request_rerun = lambda data: self.taken.append(data) or runner
        self._client_state = ClientState(page_script_hash="here")
        self._pages_manager = SimpleNamespace(main_script_hash="main")
        self._browser_queue = ForwardMsgQueue()
        self.__dict__.update(entries)

    def is_due(self, fragment: str, *, tick: bool = True) -> bool:
        asked = ClientState(fragment_id=fragment, is_auto_rerun=tick)
        return streamlit_mends.is_due(self, asked)

    def begin(self) -> None:
        data = RerunData(fragment_id="form")
        streamlit_mends.begin_fragment(self, data, lambda _, data: self.created.append(data))


def test_a_fragment_waits_until_the_ended_run_has_told_all():
    streamlit_mends.apply()
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


@pytest.mark.parametrize("busy", [{"runner": True}, {"runner": None, "waits": True}])
def test_a_tick_waits_for_its_last_one_to_run_and_to_be_told_but_not_for_other_ticks(busy):
    session = Session(busy["runner"])
    if busy.get("waits"):
        session._browser_queue.enqueue(drawn("a page"))
    assert session.is_due("clock") and session.is_due("chart")
    assert not session.is_due("clock") and not session.is_due("chart")
    session._scriptrunner = None
    session._browser_queue.flush()
    assert session.is_due("clock") and session.is_due("chart")


@pytest.mark.parametrize("asked", ["", "form"])
def test_no_tick_comes_between_what_was_asked_and_its_answer_but_all_else_does(asked):
    session = Session(runner=True)
    assert session.is_due(asked, tick=False)
    assert not session.is_due("clock")
    assert session.is_due("form", tick=False) and session.is_due("", tick=False)


@pytest.mark.parametrize("tick", [True, False])
def test_a_tick_sets_no_widget_and_all_else_does(tick):
    asked = ClientState(fragment_id="form", is_auto_rerun=tick)
    asked.widget_states.widgets.add(id="picker", string_value="as it was")
    assert streamlit_mends.admit(Session(runner=None), asked)
    assert [one.id for one in asked.widget_states.widgets] == ([] if tick else ["picker"])


def asked_page(session: Session, page: str, fragment: str = "form") -> str:
    """The page that a fragment's run is for when the browser, still on `page`, asks for it."""
    asked = ClientState(fragment_id=fragment, page_script_hash=page)
    streamlit_mends.name_page(session, asked)
    return asked.page_script_hash


def test_a_fragment_runs_on_the_page_that_was_asked_for_last():
    session = Session(runner=True)
    assert asked_page(session, "there", fragment="") == "there"
    assert asked_page(session, "here") == "there"
    assert asked_page(session, "there") == "there"


@pytest.mark.parametrize("known", ["", "main"])
def test_until_the_page_of_an_address_is_known_the_browser_is_believed(known):
    session = Session(runner=True, _client_state=ClientState(page_script_hash=known))
    assert asked_page(session, "", fragment="") == ""
    assert asked_page(session, "found") == "found"


def test_what_a_first_run_has_set_is_handed_over_and_what_was_handed_over_stays():
    state = SimpleNamespace(
        _query_param_bound_widget_ids={"first", "again", "of another page"},
        _old_state={"again": "old"},
        _new_widget_state={"first": "new", "again": "new", "not in the address": "new"},
    )
    streamlit_mends.remember_first_values(state)
    assert state._old_state == {"first": "new", "again": "old"}
