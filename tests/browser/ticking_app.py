"""An app on a server that has no time to send what has ended before the next part of it runs."""

import sys
import time
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[2])) not in sys.path:
    sys.path.insert(0, root)

import streamlit as st
from streamlit import runtime
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession

from ui import fragment_queue

BUSY = 0.5  # seconds after the end of a run in which nothing is sent
MEANWHILE = 2.5  # seconds of work, in which a tick is certain to come


@st.cache_resource
def be_busy() -> None:
    flush, until = AppSession.flush_browser_queue, {}
    server = runtime.get_instance()

    def flush_later(session: AppSession) -> list[ForwardMsg]:
        queue = session._browser_queue._queue
        if not queue or queue[-1].WhichOneof("type") != "script_finished":
            return flush(session)
        end = until.setdefault(id(queue[-1]), time.monotonic() + BUSY)
        if time.monotonic() >= end:
            return flush(session)
        session._event_loop.call_later(BUSY, server._get_async_objs().need_send_data.set)
        return []

    AppSession.flush_browser_queue = flush_later


@st.fragment(run_every=1.0)
def tick() -> None:
    st.caption(f"{time.time():.0f}")


@st.fragment
def part() -> None:
    number = st.session_state.get("number", 0)
    clicked = st.button("Next", on_click=lambda: st.session_state.update(number=number + 1))
    st.text_input("Field", key=f"field-{number}")
    st.caption(f"It says {st.text_input('Lasting', key='lasting')!r} in turn {number}.")
    if clicked:
        time.sleep(MEANWHILE)


be_busy()
fragment_queue.keep()
with st.sidebar:
    tick()
st.title("Part")
if st.button("Everything"):
    time.sleep(MEANWHILE)
part()
