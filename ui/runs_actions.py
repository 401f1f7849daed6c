"""What can be done with the chosen runs: name, download, open, resume, delete."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from core.errors import NormLabError
from core.training.archive import export_run
from core.training.jobs import living_jobs, start_resume
from core.training.manage import delete_run, label_run
from core.training.request import MAX_NAME, MAX_NOTE
from ui import resources, runs_words, state
from ui.downloads import download_file
from ui.markdown import escape
from ui.runs_data import IN_HAND, Entry, count, describe
from ui.runs_files import export_several
from ui.runs_words import CHOSEN

ASKING = "runs-asking"
SHOWN_BY_NAME = 8
PAGES = {"curves": ":material/show_chart:", "overview": ":material/compare_arrows:"}


def show(chosen: Sequence[Entry]) -> None:
    """All that fits the chosen runs."""
    if not chosen:
        return
    with st.container(border=True, key="chosen-runs"):
        st.markdown(f"**{count(chosen)} chosen.** {_shipped_words(chosen)}")
        _list(chosen)
        with st.container(horizontal=True, vertical_alignment="center"):
            _download([entry for entry in chosen if entry.run.state == "done"])
            _resume([entry for entry in chosen if entry.is_resumable])
            _delete(chosen)
            _open(chosen)
        st.caption(_what_is_left_out(chosen))
        own = [entry for entry in chosen if entry.own and entry.run.state != "queued"]
        if own:
            _label(own)


def _shipped_words(chosen: Sequence[Entry]) -> str:
    shipped = [entry for entry in chosen if not entry.own]
    if not shipped:
        return ""
    which = "They" if len(shipped) == len(chosen) else f"{len(shipped)} of them"
    return f"{which} came with NormLab and can be downloaded and opened, but not changed."


def _list(entries: Sequence[Entry]) -> None:
    names = [f"- {escape(describe(entry.run))}" for entry in entries[:SHOWN_BY_NAME]]
    more = len(entries) - SHOWN_BY_NAME
    st.markdown("\n".join([*names, *([f"- and {more} more"] if more > 0 else [])]))


def _attempt(entries: Sequence[Entry], act: Callable[[Entry], None]) -> tuple[int, list[str]]:
    """How many it worked for, and why it did not for the others."""
    refused = []
    for entry in entries:
        try:
            act(entry)
        except NormLabError as error:
            refused.append(str(error))
    return len(entries) - len(refused), list(dict.fromkeys(refused))


def _label(own: Sequence[Entry]) -> None:
    """A name and a note; where several runs differ, a field that is left empty changes nothing."""
    titles, notes = {entry.run.title for entry in own}, {entry.run.note for entry in own}
    before = _common(titles), _common(notes)
    place = f"runs-label-{hash((tuple(entry.id for entry in own), before))}"
    with st.form(place, border=False):
        hint = f"of {count(own)}" if len(own) > 1 else ""
        st.text_input(
            f"Name {hint}".strip(),
            before[0],
            max_chars=MAX_NAME,
            key=f"{place}-name",
            placeholder="They have different names" if len(titles) > 1 else "No name yet",
        )
        st.text_area(
            f"Note {hint}".strip(),
            before[1],
            max_chars=MAX_NOTE,
            key=f"{place}-note",
            placeholder="They have different notes" if len(notes) > 1 else "No note yet",
            height=80,
        )
        st.form_submit_button(
            "Save name and note",
            icon=":material/edit:",
            on_click=_save_label,
            args=[list(own), before, place],
        )


def _common(found: set[str]) -> str:
    return min(found) if len(found) == 1 else ""


def _save_label(own: list[Entry], before: tuple[str, str], place: str) -> None:
    name, note = (state.value(f"{place}-{field}", "").strip() for field in ("name", "note"))

    def save(entry: Entry) -> None:
        title = entry.run.title if name == before[0] else name
        text = entry.run.note if note == before[1] else note
        label_run(entry.run, resources.LOCAL_DIR, title, text)

    done, refused = _attempt(own, save)
    runs_words.say(CHOSEN, f"Saved name and note of {count(own[:done])}." if done else "", refused)


def _download(finished: Sequence[Entry]) -> None:
    if len(finished) == 1:
        make = partial(export_run, finished[0].run)
        download_file("Download", make, "ZIP", finished[0].file_name)
    elif finished:
        make = partial(export_several, list(finished))
        download_file(f"Download {count(finished)}", make, "ZIP", f"normlab-{len(finished)}-runs")


def _what_is_left_out(chosen: Sequence[Entry]) -> str:
    """What Download does, and which of the chosen runs it and Delete pass over."""
    unfinished = [entry for entry in chosen if entry.run.state != "done"]
    in_hand = [entry for entry in chosen if entry.run.state in IN_HAND]
    lines = ["Download makes one file, for Import here or elsewhere, without name and note."]
    if len(unfinished) == len(chosen):
        lines = ["Only a finished run can be downloaded."]
    elif unfinished:
        lines += [f"{count(unfinished)} not finished: left out."]
    if in_hand:
        lines += [f"{count(in_hand)} being trained or waiting for that: stop first, then delete."]
    return " ".join([*lines, _what_opens(chosen)])


def _open(chosen: Sequence[Entry]) -> None:
    """Ways to the pages that show the runs, where those pages can be reached."""
    finished = _finished(chosen)
    if len({entry.run.dataset for entry in finished}) != 1:
        return
    for page, icon in PAGES.items():
        label = f"Open on {page.capitalize()}"
        if st.button(label, icon=icon, type="tertiary", on_click=_turn_to, args=[finished]):
            query = {"variants": sorted(_variants(finished))} if page == "curves" else {}
            with contextlib.suppress(StreamlitPageNotFoundError):  # this page runs alone
                # Not without query_params: what is bound to a widget may not be cleared.
                st.switch_page(f"pages/{page}.py", query_params=query)


def _finished(chosen: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in chosen if entry.run.state == "done" and entry.run.variant]


def _turn_to(finished: Sequence[Entry]) -> None:
    state.turn_to(_source(finished), finished[0].run.dataset, _seeds(finished))


def _source(finished: Sequence[Entry]) -> str:
    own = {entry.own for entry in finished}
    return state.TOGETHER if len(own) > 1 else state.LOCAL if own == {True} else state.SHIPPED


def _seeds(finished: Sequence[Entry]) -> set[int]:
    """The seeds of the runs; none where there are no others, which the sidebar shows as all."""
    seeds, dataset = {entry.run.seed for entry in finished}, finished[0].run.dataset
    every = {run.seed for run in resources.pooled(dataset, _source(finished)).runs}
    return set() if every <= seeds else seeds


def _variants(finished: Sequence[Entry]) -> set[str]:
    return {entry.run.path.parent.name for entry in finished}


def _what_opens(chosen: Sequence[Entry]) -> str:
    """What the pages show beside the chosen runs, since they show each variant with each seed."""
    finished = _finished(chosen)
    if not finished:
        return ""
    if len({entry.run.dataset for entry in finished}) > 1:
        return "Runs of one data set can be opened on Curves and Overview."
    found = resources.pooled(finished[0].run.dataset, _source(finished), _seeds(finished)).runs
    drawn = [run for run in found if run.path.parent.name in _variants(finished)]
    return (
        f"Curves opens with these variants and seeds ({count(drawn)}), Overview with these seeds "
        f"of all variants ({count(found)})."
    )


def _resume(unfinished: Sequence[Entry]) -> None:
    if unfinished:
        st.button(
            f"Resume {count(unfinished)}",
            icon=":material/play_arrow:",
            on_click=_start_resume,
            args=[list(unfinished)],
        )


def _start_resume(unfinished: list[Entry]) -> None:
    try:
        job = start_resume([entry.run for entry in unfinished], resources.LOCAL_DIR)
    except NormLabError as error:
        runs_words.say(CHOSEN, refused=[str(error)])
    else:
        others = any(other.id != job.id for other in living_jobs(resources.LOCAL_DIR))
        waits = " once the jobs before it have ended" if others else ""
        runs_words.say(CHOSEN, f"Job {job.id} goes on with {count(unfinished)}{waits}.")


def _delete(chosen: Sequence[Entry]) -> None:
    """Asks first; the question stays open while the page is drawn anew."""
    deletable = [entry for entry in chosen if entry.is_deletable]
    in_hand = [entry for entry in chosen if entry.run.state in IN_HAND]
    if not deletable and not in_hand:
        return
    st.button(
        f"Delete {count(deletable)}…" if deletable else "Delete…",
        icon=":material/delete:",
        disabled=not deletable,
        on_click=state.put,
        args=[ASKING, [entry.id for entry in deletable]],
    )
    asked = [entry for entry in deletable if entry.id in (state.value(ASKING) or [])]
    if asked:
        _confirm(asked, in_hand)


def _forget_question() -> None:
    state.put(ASKING, None)


@st.dialog("Delete for good?", on_dismiss=_forget_question)
def _confirm(asked: Sequence[Entry], in_hand: Sequence[Entry]) -> None:
    st.markdown(f"**{count(asked)}** with all results and resume points will be lost:")
    _list(asked)
    if in_hand:
        st.caption(f"{count(in_hand)} being trained or waiting for that will be kept: stop first.")
    with st.container(horizontal=True):
        if st.button(f"Delete {count(asked)}", type="primary", icon=":material/delete_forever:"):
            done, refused = _attempt(asked, lambda e: delete_run(e.run, resources.LOCAL_DIR))
            runs_words.say(CHOSEN, f"Deleted {count(asked[:done])}." if done else "", refused)
            _forget_question()
            st.rerun()
        if st.button("Keep"):
            _forget_question()
            st.rerun()
