"""The time a request will take, from jobs before it."""

from __future__ import annotations

import pytest

from core.training import jobs
from core.training.estimate import estimate_seconds
from core.training.request import make_request
from core.training.storage import to_json


def ended(root, *, seconds: float, steps_done: int = 100, **options) -> None:
    """A job of one run of 10 epochs, half of whose 200 steps are behind it unless told."""
    request = make_request(options.pop("dataset", "digits"), ["gn"], epochs=10, **options)
    job = jobs.register(request, root)
    end = {"state": "stopped", "reason": None, "seconds": seconds}
    end |= {"steps_done": steps_done, "total_steps": 200}
    (job.path / "end.json").write_bytes(to_json(end))


def test_without_a_job_before_it_nothing_is_claimed(tmp_path):
    wanted = make_request("digits", ["gn"])
    assert estimate_seconds(wanted, tmp_path) is None
    ended(tmp_path, seconds=1.0, seeds=(1,))
    ended(tmp_path, seconds=9.0, steps_done=0, seeds=(2,))
    ended(tmp_path, seconds=9.0, device="cuda", seeds=(3,))
    assert estimate_seconds(wanted, tmp_path) is None


def test_the_newest_job_sets_the_pace_and_one_on_the_same_data_goes_first(tmp_path):
    wanted = make_request("digits", ["gn", "ln"], epochs=10, seeds=(1, 2, 3))
    ended(tmp_path, seconds=60.0, dataset="mnist")
    # Five epochs of 60,000 images in a minute; wanted are 60 epochs of 1,437.
    assert estimate_seconds(wanted, tmp_path) == pytest.approx(60 * 1_437 / 5_000)
    ended(tmp_path, seconds=50.0, seeds=(1,))
    ended(tmp_path, seconds=10.0, seeds=(2,))
    # Five epochs of them in ten seconds.
    assert estimate_seconds(wanted, tmp_path) == pytest.approx(120)
    ended(tmp_path, seconds=5.0, dataset="mnist", seeds=(3,))
    assert estimate_seconds(wanted, tmp_path) == pytest.approx(120)
