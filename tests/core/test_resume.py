"""Resume points: exact, two of them, and a damaged one never believed."""

from __future__ import annotations

import pytest
import torch

from core.config import VARIANTS
from core.training.resume import read_resume_point, remove_resume_points, write_resume_point
from core.training.state import ReplicaState, new_state
from tests.training_helpers import assert_same_state

BN = VARIANTS["bn_l1"]
METRICS = [{"epoch": 1, "test_loss": 0.1}, {"epoch": 2, "test_loss": 1 / 3}]


def make_state(epoch: int, step: int = 0, variant=BN, seed: int = 3) -> ReplicaState:
    """Random values everywhere, different for each epoch and step."""
    state = new_state(variant, seed)
    generator = torch.Generator().manual_seed(1_000 * epoch + step)
    for name in ("parameters", "momentum", "statistics", "sums"):
        tensor = getattr(state, name)
        setattr(state, name, torch.rand(tensor.shape, generator=generator).to(tensor.dtype))
    state.epoch, state.step, state.seconds = epoch, step, 0.1 * epoch
    return state


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_resume_point_gives_back_every_bit(tmp_path):
    state = make_state(2, 17)
    write_resume_point(tmp_path, state, METRICS)
    back, metrics = read_resume_point(tmp_path, BN, 3)
    assert_same_state(back, state)
    assert back.seconds == state.seconds and back.sums.dtype == torch.float64
    assert back.variant == BN and not back.diverged
    assert metrics == METRICS


def test_without_one_training_begins_anew(tmp_path):
    state, metrics = read_resume_point(tmp_path, BN, 3)
    assert_same_state(state, new_state(BN, 3))
    assert metrics == []


def test_the_newest_two_are_kept_and_the_newest_is_read(tmp_path):
    for epoch, step in ((1, 0), (2, 0), (2, 5), (9, 999), (10, 0)):
        write_resume_point(tmp_path, make_state(epoch, step), METRICS)
    assert len(names(tmp_path)) == 2
    assert_same_state(read_resume_point(tmp_path, BN, 3)[0], make_state(10))
    remove_resume_points(tmp_path)
    assert names(tmp_path) == []


def test_a_later_stop_in_the_same_epoch_is_newer(tmp_path):
    for step in (9, 100, 1_000):
        write_resume_point(tmp_path, make_state(1, step), METRICS)
        assert read_resume_point(tmp_path, BN, 3)[0].step == step


@pytest.fixture
def two(tmp_path):
    """A folder with resume points of epochs 1 and 2."""
    for epoch in (1, 2):
        write_resume_point(tmp_path, make_state(epoch), METRICS[:epoch])
    return tmp_path, max(tmp_path.iterdir())


def assert_falls_back(folder) -> None:
    state, metrics = read_resume_point(folder, BN, 3)
    assert_same_state(state, make_state(1))
    assert metrics == METRICS[:1]


@pytest.mark.parametrize("size", [0, 4, 100, 2_000, -1])
def test_a_truncated_newest_one_costs_an_epoch_not_the_run(two, size):
    folder, newest = two
    newest.write_bytes(newest.read_bytes()[:size])
    assert_falls_back(folder)


def test_a_flipped_bit_anywhere_is_noticed(two):
    """Also where JSON and safetensors would read a flipped bit as another number."""
    folder, newest = two
    content = newest.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    expected = {epoch: make_state(epoch) for epoch in (1, 2)}
    progress = content.index(b'"state"')
    positions = [*range(progress, progress + 200, 3), *range(0, len(content), len(content) // 40)]
    for position in positions:
        damaged = bytearray(content)
        damaged[position] ^= 1
        newest.write_bytes(damaged)
        state, metrics = read_resume_point(folder, BN, 3)
        # A flip that changes nothing, as in a space, may pass; another number may not.
        assert_same_state(state, expected[state.epoch])
        assert metrics == METRICS[: state.epoch], position
        assert state.epoch == 1 or position < header


def test_one_of_another_run_is_not_taken(two):
    folder, _ = two
    for variant, seed in ((BN, 4), (VARIANTS["gn"], 3)):
        assert read_resume_point(folder, variant, seed)[0].epoch == 0


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_is_no_file_is_passed_over(two, kind):
    folder, newest = two
    newest.unlink()
    newest.mkdir() if kind == "folder" else newest.symlink_to("nowhere")
    assert_falls_back(folder)


def test_if_both_are_damaged_training_begins_anew(two):
    folder, _ = two
    for path in folder.iterdir():
        path.write_bytes(b"x")
    state, metrics = read_resume_point(folder, BN, 3)
    assert state.epoch == 0 and metrics == []
