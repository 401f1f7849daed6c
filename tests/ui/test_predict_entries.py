"""What a session keeps of a user's files, and the digits that are read from it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from core.data.image_gate import TOO_LARGE
from tests.pictures import DIGIT, PAPER, encode
from ui import own_images, predict_entries, state
from ui.own_images import OwnImage
from ui.predict_entries import MAX_FILES, Entry, Preparation, bring, printable, take, uploads


@pytest.fixture(autouse=True)
def session(monkeypatch):
    """A session's memory, and reading that keeps nothing between calls."""
    memory: dict = {}
    monkeypatch.setattr(state, "value", lambda name, default=None: memory.get(name, default))
    monkeypatch.setattr(state, "put", memory.__setitem__)
    monkeypatch.setattr(predict_entries, "_read", predict_entries._read.__wrapped__)
    return memory


def entry(content: bytes, name: str = "x.png") -> Entry:
    return Entry(name, "upload", content, name)


def test_files_of_one_name_stay_apart():
    take([("7.png", b"a"), ("7.png", b"b")])
    take([("7.png", b"a")])
    assert [one.name for one in uploads()] == ["7.png (3)", "7.png", "7.png (2)"]
    assert [one.content for one in uploads()] == [b"a", b"a", b"b"]
    assert {one.file for one in uploads()} == {"7.png"}


def test_only_so_many_files_are_kept_and_the_others_named():
    take((f"{number}.png", b"x") for number in range(MAX_FILES + 2))
    *kept, one, other = uploads()
    assert len(kept) == MAX_FILES and not any(entry.refused for entry in kept)
    assert one.content == other.content == b""
    assert bring([one], Preparation()).refused == {
        "200.png": "Only 200 files are kept at once. Remove the others and bring it again."
    }
    take([("late.png", b"x")])  # what was refused before is not said again
    assert [entry.name for entry in uploads() if entry.refused] == ["late.png"]


def test_files_that_were_not_even_sent_are_named():
    take([("7.png", b"x")], too_large=["7.png", "big\0.png"])
    kept, *refused = uploads()
    assert not kept.refused and not any(entry.content for entry in refused)
    assert [entry.name for entry in refused] == ["7.png (2)", "big�.png"]
    assert {entry.refused for entry in refused} == {TOO_LARGE}


def test_files_that_are_too_large_together_are_refused_and_smaller_ones_still_taken(monkeypatch):
    monkeypatch.setattr(predict_entries, "MAX_TOTAL", 10)
    take([("a", b"12345678"), ("b", b"123"), ("c", b"12")])
    assert [bool(one.refused) for one in uploads()] == [False, True, False]
    assert "All files together" in uploads()[1].refused


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("7.png", "7.png"),
        ("../../etc/7.png", "../../etc/7.png"),
        ("a\0b\n\u202egnp.7", "a�b��gnp.7"),
        ("x" * 1000 + ".png", "…" + "x" * 75 + ".png"),
    ],
)
def test_names_can_be_shown_in_one_line(name, shown):
    assert printable(name) == shown and len(shown) <= 80


def test_bad_files_do_not_keep_good_ones_from_going_on():
    done = []
    entries = [entry(b"", "a"), entry(encode(DIGIT), "b"), entry(b"%PDF", "c")]
    brought = bring(entries, Preparation(), done.append)
    assert [own.name for own in brought.owns] == ["b"]
    np.testing.assert_array_equal(brought.owns[0].image, DIGIT)
    assert list(brought.refused) == ["a", "c"] and "PDF" in brought.refused["c"]
    assert done == [1, 2, 3]


def test_polarity_and_as_it_is_reach_the_preprocessing():
    dark = entry(encode(255 - DIGIT))
    images = {
        preparation: bring([dark], Preparation(*preparation)).owns[0].image
        for preparation in [("auto", False), ("light_on_dark", False), ("auto", True)]
    }
    np.testing.assert_array_equal(images["auto", False], DIGIT)
    np.testing.assert_array_equal(images["light_on_dark", False], 255 - DIGIT)
    np.testing.assert_array_equal(images["auto", True], 255 - DIGIT)
    turned = bring([dark], Preparation("dark_on_light", as_is=True)).owns[0].image
    np.testing.assert_array_equal(turned, DIGIT)


def test_several_digits_of_one_picture_come_one_by_one_without_a_label():
    paper = np.full((120, 240), 255, np.uint8)
    paper[30:90, 40:60] = paper[30:90, 160:180] = 0
    owns = bring([entry(encode(paper), "1.png")], Preparation()).owns
    assert [own.name for own in owns] == ["1.png, digit 1 of 2", "1.png, digit 2 of 2"]
    assert [(own.place, own.true) for own in owns] == [(0, None), (1, None)]
    assert owns[0].digits is owns[1].digits and len(owns[0].digits) == 2


def test_a_name_tells_the_label_until_the_user_says_otherwise():
    entries = [entry(encode(PAPER), "photo_1.png"), entry(encode(DIGIT), "b.png")]
    first, second = bring(entries, Preparation()).owns
    assert (first.true, second.true) == (1, None)
    own_images.choose(second)
    own_images.label_as(5)
    assert own_images.chosen().true == 5
    assert [own.true for own in bring(entries, Preparation()).owns] == [1, 5]
    own_images.label_as(None)
    assert own_images.chosen().true is None


def test_the_image_chosen_last_is_shown_as_long_as_it_is_there():
    owns = [OwnImage(np.full((28, 28), level, np.uint8), "same", "upload") for level in (1, 2)]
    assert own_images.chosen() is None and own_images.shown_of(owns) is owns[0]
    own_images.choose(owns[1])
    assert own_images.shown_of(owns) is owns[1]
    assert own_images.shown_of(owns[:1]) is owns[0]
    assert owns[0].digest != owns[1].digest and len(owns[0].digest) == 64


def test_streamlit_forgets_what_was_taken_over(monkeypatch):
    manager = MemoryUploadedFileManager("/upload")
    for session_id, file_id in (("mine", "a"), ("mine", "b"), ("other", "a")):
        manager.add_file(session_id, UploadedFileRec(file_id, "x", "image/png", b"x"))
    context = SimpleNamespace(session_id="mine", uploaded_file_mgr=manager)
    monkeypatch.setattr(state, "get_script_run_ctx", lambda: context)
    state.drop_uploads(["a"])
    assert [one.file_id for one in manager.get_files("mine", ["a", "b"])] == ["b"]
    assert len(manager.get_files("other", ["a"])) == 1
