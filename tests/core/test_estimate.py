"""The time a request will take, from jobs before it or from the runs that come with NormLab."""

from __future__ import annotations

import pytest
from filelock import FileLock

from core.config import VARIANTS, Recipe
from core.training import cost, jobs
from core.training import runs as run_folders
from core.training.estimate import Estimate, estimate, time_until
from core.training.manage import own_run
from core.training.request import make_request
from core.training.storage import to_json
from tests.fixtures_runs import write_run
from tests.job_helpers import beat, request

NUM_TRAIN = 1_437


@pytest.fixture(autouse=True)
def shipped(monkeypatch):
    """What comes with NormLab: two seconds for 1,000 images under batch norm, else one."""
    known = {"batch": 0.002, "group": 0.001, "layer": 0.001}
    monkeypatch.setattr("core.training.cost._costs", lambda root, dataset: (known, "Test"))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    return known


def seconds_of(wanted, root) -> float:
    found = estimate(wanted, root)
    assert found is not None
    return found.seconds


def ended(root, *, seconds: float, steps_done: int = 100, **options) -> int:
    """A job of one run of 10 epochs, half of whose 200 steps are behind it unless told."""
    dataset = options.pop("dataset", "digits")
    job = jobs.register(make_request(dataset, ["gn"], epochs=10, **options), root)
    end = {"state": "stopped", "reason": None, "seconds": seconds}
    end |= {"steps_done": steps_done, "total_steps": 200}
    (job.path / "end.json").write_bytes(to_json(end))
    return job.id


def test_where_nothing_was_trained_the_shipped_runs_tell(tmp_path):
    wanted = make_request("digits", ["gn"], epochs=10)
    found = estimate(wanted, tmp_path)
    assert found == Estimate(
        pytest.approx(10 * NUM_TRAIN / 1_000),
        "at the pace of the runs that come with NormLab (Test)",
    )
    ended(tmp_path, seconds=1.0, seeds=(1,))
    ended(tmp_path, seconds=9.0, steps_done=0, seeds=(2,))
    ended(tmp_path, seconds=9.0, device="cuda", seeds=(3,))
    assert estimate(wanted, tmp_path) == found


@pytest.mark.parametrize(
    ("keys", "seeds", "threads", "longest"),
    [
        (["gn"], (1,), "2", 1.0),
        (["gn"], (1, 2), "2", 1.0),
        (["gn"], (1, 2, 3), "2", 1.5),
        (["gn"], (1, 2, 3), "1", 3.0),
        (["gn"], (1, 2, 3), "16", 1.0),
        (["gn", "bn_l1"], (1,), "2", 2.0),
        (["gn", "ln", "bn_l1"], (1,), "2", 2.0),
    ],
)
def test_as_many_train_at_once_as_there_are_threads(
    tmp_path, keys, seeds, threads, longest, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    wanted = make_request("digits", keys, epochs=10, seeds=seeds)
    assert seconds_of(wanted, tmp_path) == pytest.approx(longest * 10 * NUM_TRAIN / 1_000)


def test_small_batches_take_longer(tmp_path):
    def seconds(batch_size: int) -> float:
        wanted = make_request("digits", ["gn"], recipe=Recipe(batch_size=batch_size))
        return seconds_of(wanted, tmp_path)

    assert seconds(64) == pytest.approx(20 * NUM_TRAIN / 1_000)
    assert seconds(2) > 5 * seconds(64) > 5 * seconds(256)


def test_the_newest_job_sets_the_pace_and_one_on_the_same_data_goes_first(tmp_path):
    wanted = make_request("digits", ["gn", "ln"], epochs=10, seeds=(1, 2, 3))
    expected = 3 * 10 * NUM_TRAIN / 1_000
    # Five epochs of 60,000 images, expected to take 300 s, took half as long.
    ended(tmp_path, seconds=150.0, dataset="mnist")
    assert seconds_of(wanted, tmp_path) == pytest.approx(expected / 2)
    half = 5 * NUM_TRAIN / 1_000
    ended(tmp_path, seconds=5 * half, seeds=(1,))
    number = ended(tmp_path, seconds=2 * half, seeds=(2,), device="auto")
    assert estimate(wanted, tmp_path) == Estimate(
        pytest.approx(2 * expected), f"at the pace of job {number}"
    )
    ended(tmp_path, seconds=5.0, dataset="mnist", seeds=(3,))
    assert seconds_of(wanted, tmp_path) == pytest.approx(2 * expected)


def test_runs_of_a_cpu_say_nothing_of_another_device(tmp_path, shipped):
    wanted = make_request("digits", ["gn"])
    assert estimate(wanted, tmp_path, "cpu") and not estimate(wanted, tmp_path, "cuda")
    assert estimate(make_request("digits", ["gn"], device="mps"), tmp_path) is None
    assert estimate(make_request("digits", ["gn"], device="cpu"), tmp_path, "cuda")
    shipped.clear()
    assert estimate(wanted, tmp_path) is None
    ended(tmp_path, seconds=10.0, seeds=(1,))
    assert seconds_of(wanted, tmp_path) == pytest.approx(40)


def test_the_wait_is_that_of_all_jobs_before(tmp_path):
    assert time_until(tmp_path) == 0
    first, second, third = (jobs.register(request(seed), tmp_path) for seed in (1, 2, 3))
    each = 2 * NUM_TRAIN / 1_000
    assert time_until(tmp_path) == pytest.approx(3 * each)
    assert time_until(tmp_path, third.id) == pytest.approx(2 * each)
    assert time_until(tmp_path, first.id) == 0
    with FileLock(first.path / "lock"):
        beat(first.path)
        assert time_until(tmp_path, second.id) == pytest.approx(each)
        beat(first.path, ago=60)
        assert time_until(tmp_path, second.id) is None


def test_a_job_that_goes_on_takes_what_is_left_of_its_runs(tmp_path):
    path = write_run(tmp_path, "digits", VARIANTS["gn"], 1)
    (path / "manifest.json").unlink()
    lines = (path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    (path / "metrics.jsonl").write_bytes(b"".join(lines[:15]))
    jobs.register_resume([own_run("digits/gn/seed-1", tmp_path)], tmp_path)
    assert time_until(tmp_path) == pytest.approx(5 * NUM_TRAIN / 1_000)
    jobs.register(make_request("digits", ["ln"], device="cuda"), tmp_path)
    assert time_until(tmp_path) is None


# What is read


def test_the_costs_are_those_of_finished_runs_on_a_cpu(tmp_path, monkeypatch):
    monkeypatch.undo()
    first, second = (write_run(tmp_path, "digits", VARIANTS["gn"], seed) for seed in (1, 2))
    (second / "run.json").write_text("{")
    costs, machine = cost._costs(tmp_path, "digits")
    run = run_folders.read_run(first, tmp_path)
    expected = run.final["train_seconds"] / (20 * NUM_TRAIN)
    assert costs == {"group": pytest.approx(expected)} and machine == run.info["device"]["name"]
    (first / "manifest.json").unlink()
    cost._costs.cache_clear()
    assert cost._costs(tmp_path, "digits") == ({}, "")


def test_a_data_set_without_shipped_runs_costs_what_mnist_does(monkeypatch):
    monkeypatch.undo()
    assert cost.shipped_costs("kmnist") == cost.shipped_costs("mnist")
    costs, machine = cost.shipped_costs("digits")
    assert set(costs) == {"batch", "group", "layer"} and machine
    assert costs != cost.shipped_costs("mnist")[0]


@pytest.mark.parametrize("said", ["", "none", "0"])
def test_the_threads_are_the_cores_unless_told(tmp_path, monkeypatch, said):
    processor = "processor : {}\nphysical id\t: {}\nsiblings\t: 4\ncore id\t\t: {}\n\n"
    table = [(0, 0, 0), (1, 0, 1), (2, 0, 0), (3, 0, 1)]
    (tmp_path / "cpuinfo").write_text("".join(processor.format(*row) for row in table))
    monkeypatch.setattr(cost, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(cost.os, "sched_getaffinity", lambda pid: set(range(4)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    cost._num_cores.cache_clear()
    assert cost.num_threads() == 2
    monkeypatch.setattr(cost, "CPU_INFO", tmp_path / "none")
    cost._num_cores.cache_clear()
    assert cost.num_threads() == 4
    cost._num_cores.cache_clear()
