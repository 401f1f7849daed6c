"""Two pages on a server that has no time to send what has begun or ended before the next part."""

import sys
import time
from pathlib import Path

if (root := str(Path(__file__).resolve().parents[2])) not in sys.path:
    sys.path.insert(0, root)

import streamlit as st
from streamlit import runtime
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession

from ui import streamlit_mends

BEGINNING, ENDING = 1.0, 0.5  # seconds after a page's run begins, or any ends: nothing is sent
MEANWHILE = 2.5  # seconds of work, in which a tick is certain to come


def held_for(message: ForwardMsg) -> float:
    """Seconds after `message` in which nothing is sent."""
    if message.HasField("script_finished"):
        return ENDING
    starts_page = message.HasField("new_session") and not message.metadata.run.fragment_ids
    return BEGINNING if starts_page else 0.0


@st.cache_resource
def be_busy() -> None:
    flush, ends = AppSession.flush_browser_queue, {}
    server = runtime.get_instance()

    def flush_later(session: AppSession) -> list[ForwardMsg]:
        now = time.monotonic()
        for one in session._browser_queue._queue:
            _, end = ends.setdefault(id(one), (one, now + held_for(one)))  # kept, or ids come again
            if now < end:
                wake = server._get_async_objs().need_send_data.set
                session._event_loop.call_later(end - now, wake)
                return []
        return flush(session)

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


@st.fragment
def beside() -> None:
    if st.button("Count"):
        st.session_state["count"] = st.session_state.get("count", 0) + 1
    st.caption(f"Counted {st.session_state.get('count', 0)}")


def first() -> None:
    st.title("Part")
    if st.button("Everything"):
        time.sleep(MEANWHILE)
    part()


def second() -> None:
    st.title("Second")
    time.sleep(MEANWHILE)
    st.caption("All of it")


be_busy()
streamlit_mends.apply()
chosen = st.navigation([st.Page(first, title="First"), st.Page(second, title="Second")])
with st.sidebar:
    tick()
    beside()
chosen.run()
