"""Which runs are followed, and when something about them is new."""

from __future__ import annotations

import shutil

import pytest
from filelock import FileLock

from core.config import VARIANTS
from core.training.runs import read_run
from tests.fixtures_runs import write_run
from tests.growing_runs import finish, grow, write_growing
from ui.live_runs import epochs_done, signature, unfinished, written


@pytest.fixture
def growing(tmp_path):
    return write_growing(tmp_path, "digits", "gn", 2, epochs=3)


def test_only_what_has_no_end_is_followed(tmp_path, growing):
    write_run(tmp_path, "digits", VARIANTS["gn"], 1)
    failed = write_growing(tmp_path, "digits", "ln", 1, epochs=1)
    (failed / "status.json").write_text('{"state": "failed", "reason": "diverged"}')
    (found,) = unfinished(tmp_path, "digits")
    assert (found.path, found.state, found.epoch) == (growing, "interrupted", 3)
    with FileLock(growing / "lock"):
        assert unfinished(tmp_path, "digits", seeds=(2, 3))[0].state == "running"
    assert unfinished(tmp_path, "digits", seeds=(1, 3)) == unfinished(tmp_path, "mnist") == []


def test_an_epoch_is_new_but_changes_no_state(tmp_path, growing):
    before = unfinished(tmp_path, "digits")
    seen, at = signature(before), written(before)
    assert written(unfinished(tmp_path, "digits")) == at
    grow(growing, 4)
    after = unfinished(tmp_path, "digits")
    assert signature(after) == seen and written(after) != at
    with FileLock(growing / "lock"):
        assert signature(unfinished(tmp_path, "digits")) != seen


def test_a_finished_run_that_is_deleted_changes_the_signature(tmp_path, growing):
    finish(growing)
    run = read_run(growing, tmp_path)
    seen = signature([run])
    assert run.state == "done"
    shutil.rmtree(growing)
    assert signature([run]) != seen


def test_how_far_they_are_is_told_in_words(tmp_path, growing):
    write_growing(tmp_path, "digits", "gn_l1", 1, epochs=5)
    runs = unfinished(tmp_path, "digits")
    assert epochs_done(runs[:1]) == "3 of 20 epochs"
    assert epochs_done(runs) == "3 to 5 of 20 or 25 epochs"
