"""Why a possible request cannot be started, and which seeds would be free."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.config import VARIANTS
from core.training.job import Job
from core.training.request import make_request
from tests.fixtures_runs import write_run
from ui.training_obstacles import find_obstacle, free_seeds, repeats_shipped

REQUEST = make_request("digits", ["gn", "ln", "bn_l1"], seeds=(1,))


def job(state: str = "running", **changed) -> Job:
    request = replace(REQUEST, **changed)
    return Job(3, None, state, request=request, runs=request.runs)  # type: ignore[arg-type]


@pytest.fixture
def obstacle(tmp_path):
    def find(*living: Job, request=REQUEST):
        return find_obstacle(request, tmp_path / "runs", living, tmp_path / "shipped")

    return find


def test_nothing_is_in_the_way_of_new_runs(obstacle):
    assert obstacle() is None
    assert obstacle(job(seeds=(2,))) is None


@pytest.mark.parametrize(
    ("living", "said"),
    [
        ([job()], "Being trained now: see above."),
        ([replace(job(), steps_done=33, total_steps=100)], "Being trained now, 33 % done: see ab"),
        ([job("queued")], "Starting: see above."),
        ([job(seeds=(2,)), job("queued")], "Waits for 1 job before it: see above."),
        ([job(seeds=(2,)), job("queued", seeds=(3,)), job("queued")], "Waits for 2 jobs before it"),
    ],
)
def test_of_the_job_that_does_just_this_is_said_how_far_it_is(obstacle, living, said):
    found = obstacle(*living)
    assert found.text.startswith(said) and found.job == 3
    assert found.seeds is None and not found.on_runs_page


def test_runs_in_the_hands_of_another_job_are_named(obstacle):
    other = job(variants=(VARIANTS["gn"], VARIANTS["ln_l2"]), seeds=(1, 2))
    found = obstacle(other)
    assert found.text == "Job 3 is training Group norm, seed 1 already."
    assert (found.job, found.seeds) == (None, "3")


def test_runs_that_exist_are_named_with_what_to_do(obstacle, tmp_path):
    runs = tmp_path / "runs"
    write_run(runs, "digits", VARIANTS["ln"], 1)
    found = obstacle()
    assert found.text == (
        "Already here: Layer norm, seed 1 (finished, 20 epochs). "
        "Take other seeds, or delete this one on the page Runs."
    )
    assert found.seeds == "2" and found.on_runs_page and not found.trained
    for key in ("gn", "bn_l1"):
        path = write_run(runs, "digits", VARIANTS[key], 1)
    (path / "manifest.json").unlink()  # as when its training was killed
    for key in ("gn", "ln"):
        (runs / "digits" / key / "seed-1" / "manifest.json").unlink()
    assert obstacle().text == (
        "Already here: Group norm, seed 1 (interrupted, epoch 20); Layer norm, seed 1 "
        "(interrupted, epoch 20) and 1 more. "
        "Take other seeds, or resume or delete these on the page Runs."
    )


def test_it_is_known_whether_all_of_it_has_been_trained(obstacle, tmp_path):
    for key in ("gn", "ln", "bn_l1"):
        write_run(tmp_path / "runs", "digits", VARIANTS[key], 1)
    assert obstacle().trained
    (tmp_path / "runs/digits/gn/seed-1/manifest.json").unlink()
    assert not obstacle().trained


def test_a_damaged_run_is_in_the_way_too(obstacle, tmp_path):
    path = tmp_path / "runs/digits/gn/seed-1"
    path.mkdir(parents=True)
    (path / "run.json").write_text("{")
    assert "Group norm, seed 1 (damaged)" in obstacle().text


def test_a_folder_that_cannot_be_written_is_said_before_start(obstacle, tmp_path):
    (tmp_path / "runs").write_text("not a folder")
    found = obstacle()
    assert "is not a folder" in found.text and "\n" not in found.text
    assert found.seeds is None and found.job is None


def test_free_seeds_pass_over_runs_made_here_shipped_and_in_hand(tmp_path):
    here, shipped = tmp_path / "runs", tmp_path / "shipped"
    for root, seed in ((here, 1), (shipped, 4), (here, 9)):
        (root / "digits" / "gn" / f"seed-{seed}").mkdir(parents=True)
    (here / "digits" / "gn" / "seed-odd").mkdir()
    (here / "digits" / "ln_l2" / "seed-2").mkdir(parents=True)  # of no variant that is asked for
    living = [job(seeds=(6,))]
    assert free_seeds(REQUEST, living, here, shipped) == "2"
    assert free_seeds(replace(REQUEST, seeds=(7, 8)), living, here, shipped) == "2-3"
    assert free_seeds(replace(REQUEST, seeds=(1, 2, 4)), living, here, shipped) == "10-12"
    assert free_seeds(replace(REQUEST, seeds=(1, 2, 4)), [], here, shipped) == "5-7"


def test_seeds_that_shipped_runs_have_are_noticed(tmp_path):
    (tmp_path / "digits/ln/seed-1").mkdir(parents=True)
    assert repeats_shipped(REQUEST, tmp_path)
    assert not repeats_shipped(replace(REQUEST, seeds=(2,)), tmp_path)
