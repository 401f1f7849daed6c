"""Times in words."""

import pytest

from ui.durations import duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (40.4, "40 s"), (89, "89 s"), (90, "2 min"), (5000, "83 min"), (9000, "2.5 h")],
)
def test_durations_are_for_people(seconds, words):
    assert duration(seconds) == words
