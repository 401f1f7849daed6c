"""Fetching images in the background: progress in words, and every way to fail is one line."""

from __future__ import annotations

import pytest

from core.errors import DataError
from ui.dataset_download import Download


@pytest.fixture
def download(monkeypatch):
    def prepare(behave):
        monkeypatch.setattr("core.data.download.download_dataset", behave)
        return Download("mnist", started=100.0)

    return prepare


def test_progress_says_megabytes_and_time_left(download):
    def fetch(key, root, progress):
        assert key == "mnist"
        progress(2_000_000, 8_000_000)

    running = download(fetch)
    assert running.describe(100.0) == "Connecting…" and running.share() == 0
    running.run()
    assert running.share() == 0.25
    assert running.describe(105.0) == "2.0 of 8.0 MB, about 15 s left"
    assert running.finished and running.error is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("no network: connect and try again."), "no network: connect and try again."),
        (RuntimeError("odd"), "The download failed (RuntimeError: odd). Try again."),
    ],
)
def test_a_failure_is_one_line(download, error, said):
    def fail(key, root, progress):
        raise error

    failed = download(fail)
    failed.run()
    assert failed.finished and failed.error == said
