"""What one step, one epoch and one evaluation compute, against the recipe written plainly."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from core.config import VARIANTS, Recipe, Variant
from core.data.augmentation import normalize, pad_with_fill, rotate
from core.model.network import Network, build_network, flatten_parameters
from core.model.stack import read_statistics
from core.training import shard as shard_module
from core.training.shard import Shard, epoch_plan
from core.training.state import TENSOR_NAMES, ReplicaState, new_state
from tests.training_helpers import NUM_TRAIN, RECIPE, assert_same_state, shortened, tiny_data


def never() -> bool:
    return False


def run(state: ReplicaState, recipe: Recipe = RECIPE) -> list[dict[str, float]]:
    """All its epochs, alone in a shard; their metrics."""
    records = []
    while not state.is_done:
        records.append(Shard({0: state}, tiny_data(), recipe).run_epoch(never)[0])
    return records


def training_batches(seed: int, epoch: int, recipe: Recipe):
    """(images (B, 1, 28, 28), targets (B,)) of one epoch."""
    data = tiny_data()
    padded = pad_with_fill(data.train_images, recipe.fill)
    order, coefficients = epoch_plan(seed, epoch, NUM_TRAIN, recipe.rotation_degrees)
    for first in range(0, NUM_TRAIN, recipe.batch_size):
        index = order[None, first : first + recipe.batch_size]
        rotated = rotate(padded, index, coefficients[:, None, first : first + recipe.batch_size])
        yield normalize(rotated[0], data.mean, data.std), data.train_targets[index[0]]


def classic_loop(variant: Variant, seed: int, dtype: torch.dtype) -> tuple[Network, list]:
    """The recipe as a textbook writes it: one network, torch's own SGD and StepLR."""
    network = build_network(variant, seed).train().to(dtype)
    optimizer = torch.optim.SGD(
        network.parameters(),
        RECIPE.learning_rate,
        momentum=RECIPE.momentum,
        weight_decay=variant.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, RECIPE.step_size, RECIPE.gamma)
    history = []
    for epoch in range(1, variant.epochs + 1):
        entropy = penalty_sum = correct = 0.0
        for images, targets in training_batches(seed, epoch, RECIPE):
            optimizer.zero_grad()
            logits = network(images.to(dtype))
            cross_entropy = F.cross_entropy(logits, targets)
            penalty = variant.l1_weight * sum(p.abs().sum() for p in network.parameters())
            (cross_entropy + penalty).backward()
            optimizer.step()
            entropy += cross_entropy.item() * len(targets)
            penalty_sum += float(penalty.detach() if variant.l1_weight else 0) * len(targets)
            correct += (logits.argmax(1) == targets).sum().item()
        schedule.step()
        history.append([value / NUM_TRAIN for value in (entropy, penalty_sum, 100 * correct)])
    return network, history


# Order and angles


def test_the_order_is_a_permutation_that_depends_on_seed_and_epoch_alone():
    torch.manual_seed(0)
    order, coefficients = epoch_plan(3, 2, 1_000, 15.0)
    assert sorted(order.tolist()) == list(range(1_000)) and order.tolist() != sorted(order)
    assert coefficients.shape == (6, 1_000) and coefficients.dtype == torch.int32
    torch.manual_seed(1)
    again = epoch_plan(3, 2, 1_000, 15.0)
    assert torch.equal(again[0], order) and torch.equal(again[1], coefficients)
    for other in (epoch_plan(3, 3, 1_000, 15.0), epoch_plan(4, 2, 1_000, 15.0)):
        assert not torch.equal(other[0], order) and not torch.equal(other[1], coefficients)


def test_no_two_seeds_and_epochs_share_a_plan():
    plans = {tuple(epoch_plan(s, e, 20, 15.0)[0].tolist()) for s in range(12) for e in range(1, 26)}
    assert len(plans) == 12 * 25


def test_all_variants_of_one_seed_see_the_same_batches(monkeypatch):
    seen: dict[str, list[torch.Tensor]] = {}
    for key in ("gn", "bn_l1"):
        shard = Shard({0: new_state(shortened(key), 1)}, tiny_data(), RECIPE)
        batches = seen.setdefault(key, [])
        forward = shard.stack.forward
        monkeypatch.setattr(
            shard.stack,
            "forward",
            lambda images, training, f=forward, b=batches: (
                b.append(images.clone()) if training else None,
                f(images, training),
            )[1],
        )
        shard.run_epoch(never)
    assert [len(batch) for batch in seen["gn"]] == [32, 32, 22]
    assert all(torch.equal(*pair) for pair in zip(seen["gn"], seen["bn_l1"], strict=True))
    expected = [images for images, _ in training_batches(1, 1, RECIPE)]
    assert all(torch.equal(*pair) for pair in zip(seen["gn"], expected, strict=True))


# One step


def random_state(variant: Variant) -> ReplicaState:
    """Every one of the 7,946 parameters is away from 0."""
    state = new_state(variant, 1)
    generator = torch.Generator().manual_seed(5)
    noise = torch.rand(state.parameters.shape, generator=generator) + 0.05
    state.parameters = noise * torch.where(state.parameters < 0, -0.3, 0.3)
    return state


def after_one_step(l1_weight: float, weight_decay: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Parameters before and after, of group norm with these penalties."""
    variant = Variant("x", "group", l1_weight=l1_weight, weight_decay=weight_decay, epochs=1)
    state = random_state(variant)
    before = state.parameters.clone()
    steps = iter([False, True])
    assert Shard({0: state}, tiny_data(), RECIPE).run_epoch(lambda: next(steps)) == {}
    assert state.step == 1
    return before, state.parameters


def test_l1_pulls_every_parameter_by_learning_rate_times_lambda():
    before, plain = after_one_step(0.0, 0.0)
    _, pulled = after_one_step(0.25, 0.0)
    # Norm weights and biases and the classifier's biases among them: all 7,946.
    torch.testing.assert_close(pulled - plain, -0.01 * 0.25 * before.sign(), atol=1e-6, rtol=0)


def test_weight_decay_adds_itself_times_the_parameter_to_the_gradient():
    before, plain = after_one_step(0.0, 0.0)
    _, decayed = after_one_step(0.0, 0.5)
    torch.testing.assert_close(decayed - plain, -0.01 * 0.5 * before, atol=1e-6, rtol=0)


def test_both_penalties_add_up():
    before, plain = after_one_step(0.0, 0.0)
    _, both = after_one_step(0.25, 0.5)
    expected = -0.01 * (0.25 * before.sign() + 0.5 * before)
    torch.testing.assert_close(both - plain, expected, atol=1e-6, rtol=0)


def test_the_penalty_is_logged_apart_and_by_hand():
    state = random_state(shortened("gn_l1"))
    total = state.parameters.abs().sum().item()
    data = replace(
        tiny_data(),
        train_images=tiny_data().train_images[:32],
        train_targets=tiny_data().train_targets[:32],
    )
    plain = random_state(shortened("gn"))
    (record,) = Shard({0: state}, data, RECIPE).run_epoch(never).values()
    (without,) = Shard({0: plain}, data, RECIPE).run_epoch(never).values()
    assert record["penalty"] == pytest.approx(5e-5 * total, rel=1e-5)
    assert without["penalty"] == 0
    assert record["train_cross_entropy"] == without["train_cross_entropy"]


# Whole epochs against the classic loop


@pytest.fixture
def double(monkeypatch) -> None:
    """Makes shards compute in float64, where formulas can be told from rounding."""

    def gather(self: Shard, name: str, *_: object) -> torch.Tensor:
        return torch.stack([getattr(state, name).double() for state in self.states.values()])

    monkeypatch.setattr(Shard, "_gather", gather)
    monkeypatch.setattr(shard_module, "normalize", lambda *args: normalize(*args).double())


@pytest.mark.parametrize("key", VARIANTS)
@pytest.mark.usefixtures("double")
def test_a_replica_trains_like_torchs_own_sgd(key):
    variant = shortened(key, epochs=2)
    state = new_state(variant, 2)
    records = run(state)
    network, history = classic_loop(variant, 2, torch.float64)
    expected = flatten_parameters(network)
    # The step's rates and penalties are float32: hence 1e-8.
    torch.testing.assert_close(state.parameters, expected, atol=1e-8, rtol=0)
    statistics = read_statistics(network).double()
    torch.testing.assert_close(state.statistics, statistics, atol=1e-8, rtol=1e-7)
    for record, (cross_entropy, penalty, accuracy) in zip(records, history, strict=True):
        assert record["train_cross_entropy"] == pytest.approx(cross_entropy, rel=1e-5)
        assert record["penalty"] == pytest.approx(penalty, rel=1e-5, abs=1e-12)
        assert record["train_accuracy_percent"] == pytest.approx(accuracy)
    assert [record["learning_rate"] for record in records] == pytest.approx([0.01, 0.001])


@pytest.mark.parametrize("key", ["gn", "ln_l2", "bn_l1"])
def test_single_precision_differs_by_rounding_alone(key):
    state = new_state(shortened(key), 2)
    run(state)
    network, _ = classic_loop(state.variant, 2, torch.float32)
    expected = flatten_parameters(network)
    torch.testing.assert_close(state.parameters, expected, atol=1e-5, rtol=0)


@pytest.mark.usefixtures("double")
def test_mixed_variants_in_one_shard_train_like_each_alone():
    specs = [("ln_l2", 1), ("gn", 1), ("bn_l1", 2), ("gn_l1", 2), ("bn_l1_l2", 1), ("ln", 2)]
    together = {10 + r: new_state(shortened(key, 1), seed) for r, (key, seed) in enumerate(specs)}
    metrics = Shard(together, tiny_data(), RECIPE).run_epoch(never)
    assert metrics.keys() == together.keys()
    for replica, (key, seed) in zip(together, specs, strict=True):
        alone = new_state(shortened(key, 1), seed)
        (expected,) = run(alone)
        state = together[replica]
        assert state.variant.key == key
        for name in ("parameters", "momentum", "statistics", "sums"):
            torch.testing.assert_close(
                getattr(state, name), getattr(alone, name), atol=1e-11, rtol=1e-10
            )
        for name in ("train_cross_entropy", "penalty", "train_accuracy_percent", "test_loss"):
            assert metrics[replica][name] == pytest.approx(expected[name], rel=1e-6)


def test_means_are_over_images_though_the_last_batch_is_smaller():
    """With a learning rate of almost nothing the network stands still, so one pass must agree."""
    recipe = replace(RECIPE, learning_rate=1e-30)
    state = new_state(shortened("gn"), 1)
    network = state.network(num_batches=3)
    (record,) = run(state, recipe)
    batches = list(training_batches(1, 1, recipe))
    images, targets = (torch.cat(parts) for parts in zip(*batches, strict=True))
    logits = network(images)
    assert len(targets) == NUM_TRAIN and len(batches[-1][1]) == 22
    assert record["train_cross_entropy"] == pytest.approx(
        F.cross_entropy(logits, targets).item(), rel=1e-5
    )
    correct = (logits.argmax(1) == targets).double().mean().item()
    assert record["train_accuracy_percent"] == pytest.approx(100 * correct)


@pytest.mark.parametrize("key", ["gn", "ln", "bn_l1"])
def test_evaluation_is_the_plain_networks_on_unrotated_images(key, monkeypatch):
    monkeypatch.setattr(shard_module, "EVALUATION_BATCH", 16)
    state = new_state(shortened(key), 1)
    (record,) = run(state)
    data = tiny_data()
    network = state.network(num_batches=3)
    assert not network.training
    logits = network(normalize(data.test_images, data.mean, data.std))
    loss = F.cross_entropy(logits, data.test_targets).item()
    assert record["test_loss"] == pytest.approx(loss, rel=1e-5)
    correct = (logits.argmax(1) == data.test_targets).double().mean().item()
    assert record["test_accuracy_percent"] == pytest.approx(100 * correct)


@pytest.mark.parametrize("step", range(4))
def test_stopping_between_any_two_steps_and_going_on_changes_no_bit(step):
    whole = new_state(shortened("bn_l1_l2", 2), 1)
    expected = run(whole)
    state = new_state(shortened("bn_l1_l2", 2), 1)
    answers = iter([False] * step + [True] * 4)
    first = Shard({0: state}, tiny_data(), RECIPE).run_epoch(lambda: next(answers))
    if step < 3:
        assert first == {} and (state.epoch, state.step) == (0, step)
    else:
        assert first and (state.epoch, state.step) == (1, 0)
    records = [*first.values(), *run(state)]
    assert_same_state(state, whole)
    for record, other in zip(records, expected, strict=True):
        assert {**record, "seconds": 0} == {**other, "seconds": 0}


def test_no_step_and_no_evaluation_touches_the_global_random_state():
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    run(new_state(shortened("gn"), 1))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_last_batch_may_be_one_image():
    data = tiny_data(num_train=33)
    states = {r: new_state(shortened(key), 1) for r, key in enumerate(("bn_l1", "gn"))}
    metrics = Shard(states, data, RECIPE).run_epoch(never)
    assert all(0 < record["train_cross_entropy"] < 5 for record in metrics.values())
    assert data.num_batches(32) == 2


def test_shards_share_one_padded_copy_of_the_images():
    data = tiny_data()
    shards = [Shard({0: new_state(VARIANTS[key], 1)}, data, RECIPE) for key in ("gn", "ln")]
    assert shards[0].padded.data_ptr() == shards[1].padded.data_ptr()
    fewer = replace(data, train_images=data.train_images[:64])
    assert len(fewer.padded_images(RECIPE.fill)) == 64 * 30 * 30


def test_a_stack_is_copied_to_the_states_at_once_and_shares_no_memory_with_them(monkeypatch):
    copied = []
    plain = torch.Tensor.cpu
    monkeypatch.setattr(
        torch.Tensor, "cpu", lambda self: (copied.append(self.shape), plain(self))[1]
    )
    states = {r: new_state(shortened("gn"), r) for r in range(5)}
    shard = Shard(states, tiny_data(), RECIPE)
    answers = iter([False, True])
    shard.run_epoch(lambda: next(answers))
    assert copied == [(5, 7_946), (5, 7_946), (5, 2, 80), (5, 3)]
    kept = [states[3].tensors()[name].clone() for name in TENSOR_NAMES]
    with torch.no_grad():
        for tensor in (shard.parameters, shard.momentum, shard.stack.statistics, shard.sums):
            tensor.fill_(7.0)
    for name, value in zip(TENSOR_NAMES, kept, strict=True):
        assert torch.equal(getattr(states[3], name), value), name
