"""What download buttons hand out: files made on demand, there until they are fetched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from ui.downloads import csv_file, download_files


@pytest.fixture
def press(monkeypatch):
    """Presses the button of a file that `make` makes: manager and storage afterwards."""
    storage = MemoryMediaFileStorage("/media")
    manager = MediaFileManager(storage)
    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(media_file_mgr=manager))
    found = []
    monkeypatch.setattr(st, "download_button", lambda label, **given: found.append(given))

    def pressed(make, name):
        download_files({"CSV": make}, name)
        given = found.pop()
        file_id = manager.add_deferred(given["data"], given["mime"], "1", given["file_name"])
        url = manager.execute_deferred(file_id)
        return url.rsplit("/", 1)[1]

    return pressed, manager, storage


def test_a_file_outlives_the_ends_of_scripts_and_keeps_its_name(press):
    pressed, manager, storage = press
    name = pressed(csv_file(pd.DataFrame({"a": [1]})), "curves")
    for _ in range(5):
        manager.remove_orphaned_files()
    file = storage.get_file(name)
    assert (file.filename, file.content) == ("curves.csv", b"a\n1\n")


def test_a_csv_has_whole_counts_and_no_noise_of_sums():
    frame = pd.DataFrame(
        {
            "seed": [1.0, np.nan],
            "accuracy_percent": [99.35799999999999, 100.0],
            "p": [1.5e-17, np.inf],
            "map": np.array([0.1, -0.2], np.float32),
            "name": ["a", None],
            2: [3, 4],
        }
    )
    before = frame.copy()
    text = csv_file(frame)().decode()
    assert text.splitlines()[1:] == ["1,99.358,1.5e-17,0.1,a,3", ",100,inf,-0.2,,4"]
    pd.testing.assert_frame_equal(frame, before)


def test_a_csv_of_no_rows_has_its_columns():
    assert csv_file(pd.DataFrame({"a": [], "b": []}))() == b"a,b\n"


def test_only_the_files_made_last_are_kept(press):
    pressed, manager, storage = press
    for number in range(40):
        pressed(lambda number=number: b"%d" % number, f"file-{number}")
    for _ in range(5):
        manager.remove_orphaned_files()
    assert len(storage._files_by_id) == 16


def test_no_other_part_hands_out_files():
    """A button that `ui.downloads` does not make may lead to an error page; see there."""
    root = Path(__file__).resolve().parents[2]
    files = [path for folder in ("ui", "pages") for path in (root / folder).glob("*.py")]
    assert [path.name for path in files if "download_button(" in path.read_text()] == [
        "downloads.py"
    ]
