"""Diagnoses of shipped runs and of networks with a fault planted in one layer."""

import copy
import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from core.analysis import diagnosis
from core.analysis.diagnosis import diagnose, diagnose_all
from core.analysis.evaluate import evaluate_logits
from core.analysis.metrics import softmax
from core.analysis.normalizing import image_statistics
from core.analysis.patching import family_band, margins, patched_logits, repair_values
from core.analysis.persistence import persistence
from core.analysis.reference import make_reference
from core.config import VARIANTS
from core.data.datasets import get_dataset
from core.training.runs import Predictions
from tests.diagnosis_runs import (
    all_predictions,
    contrasts,
    failing,
    inputs,
    network,
    predictions,
    reference,
    split,
)
from tests.thorough import VARIANTS_OR_ONE_PER_NORM, thorough

DIGITS = get_dataset("digits")
NORM_KEYS = ("gn", "ln", "bn_l1")


def diagnose_test_image(key, index, **options):
    images, targets = split("digits", "test")
    return diagnose(
        reference("digits", key), images[index], int(targets[index]), index=index, **options
    )


@cache
def of_test_image(key, index):
    """Computed once for all tests."""
    return diagnose_test_image(key, index)


# A fault in one layer, planted so that little but that layer's statistics changes.


class Marked(nn.Conv2d):
    """The first convolution; remembers which images have a bright corner."""

    def forward(self, x):
        self.mark = x[:, 0, 0, 0] > 0
        return super().forward(x)


class Faulty(nn.Conv2d):
    """In marked images, adds `change` (C, H, W) to its output."""

    def forward(self, x):
        h = super().forward(x)
        mark = self.first[0].mark  # in a list, so that it is no part of this module
        h[mark.repeat(len(h) // len(mark))] += self.change(h)
        return h


def replace_conv(network, number, cls):
    old = network.get_submodule(f"conv{number}")
    new = cls(old.in_channels, old.out_channels, 3, padding=old.padding, bias=False)
    new.load_state_dict(old.state_dict())
    setattr(network, f"conv{number}", new)
    return new


def spike(norm):
    """One value so far from the rest that it alone sets the group's μ and σ, and that ReLU cuts."""
    sign = float(norm.weight[0].sign())

    def change(h):
        out = torch.zeros_like(h[0])
        out[0, 0, 0] = -100 * sign
        return out

    return change


def offset(norm):
    """All values of a channel further up by two of its stored deviations."""
    return lambda h: 2 * norm.running_var.sqrt()[:, None, None].expand_as(h[0])


def planted(key, layer, change):
    """A reference whose network has the fault, marked images, and which of them it made fail."""
    faulty = copy.deepcopy(network("digits", key)).requires_grad_(False)
    first = replace_conv(faulty, 1, Marked)
    conv = replace_conv(faulty, layer, Faulty)
    conv.first, conv.change = [first], change(faulty.get_submodule(f"norm{layer}"))
    images, targets = split("digits", "test")
    marked = images.copy()
    marked[:, 0, 0] = 255
    logits, logits_marked = (evaluate_logits(faulty, x, DIGITS) for x in (images, marked))
    found = Predictions(logits, logits.argmax(1), targets)
    made = make_reference(faulty, split("digits", "train"), images, found, DIGITS)
    fails = (found.predicted == targets) & (logits_marked.argmax(1) != targets)
    return made, marked, np.flatnonzero(fails)


@pytest.mark.parametrize(
    ("key", "layer", "change", "least"),
    [
        ("gn", 4, spike, 6),
        thorough("gn", 5, spike, 5),
        thorough("bn_l1", 3, offset, 3),
    ],
)
def test_a_planted_fault_is_named(key, layer, change, least):
    """In at least `least` of ten images; hardly ever is another layer.

    Batch norm does not hold later layers harmless, and random changes of its statistics do much.
    """
    made, marked, fails = planted(key, layer, change)
    assert len(fails) >= 20
    targets = split("digits", "test").targets
    found = [diagnose(made, marked[i], int(targets[i])) for i in fails[:10]]
    named = np.sum([one.patching.named for one in found], axis=0)
    assert named[layer - 1] >= least
    assert named.sum() - named[layer - 1] <= 1
    told = [one for one in found if one.patching.named[layer - 1]]
    assert all(f"Layer {layer} is named." in " ".join(one.sentences) for one in told)
    assert np.mean([one.patching.flips[layer - 1] for one in found]) > 0.7


@pytest.mark.thorough
def test_statistics_of_others_would_be_no_control(monkeypatch):
    """In place of the image's own they repair a fault as well as the population's do."""
    made, marked, fails = planted("gn", 4, spike)
    targets = split("digits", "test").targets

    def named():
        found = [diagnose(made, marked[i], int(targets[i])) for i in fails[:4]]
        return sum(one.patching.named.any() for one in found)

    assert named() >= 2
    monkeypatch.setattr(diagnosis, "displaced", lambda norm, own, donors: donors)
    assert named() == 0


@pytest.mark.parametrize("key", NORM_KEYS)
def test_nothing_is_named_where_nothing_was_planted(key):
    """Correct images, each against the 200 others nearest in margin: at most about 5 % named.

    By the first band alone, which is no stricter than both.
    """
    ref = reference("digits", key)
    index = ref.control_index
    logits = patched_logits(ref.network, inputs("digits", index), ref.population)
    phi = repair_values(margins(logits, contrasts(logits[:, 0])))
    row = {int(i): k for k, i in enumerate(index)}
    named = 0
    for k, i in enumerate(index):
        controls = ref.nearest_controls(ref.control_margin[k], int(i))
        high = family_band(phi[[row[int(c)] for c in controls]])[1]
        named += (phi[k] > high).any()
    assert len(index) > 300
    assert named / len(index) <= 0.06, named


# What a diagnosis holds.


@pytest.mark.parametrize("key", VARIANTS_OR_ONE_PER_NORM)
def test_the_parts_agree_with_each_other_and_with_the_run(key):
    targets = split("digits", "test").targets
    ref, found = reference("digits", key), predictions("digits", key)
    for index in (int(failing("digits", key)[0]), 0):
        d = of_test_image(key, index)
        p = d.patching
        assert d.predicted == found.predicted[index] and d.correct == (
            d.predicted == targets[index]
        )
        assert p.phi.sum() == pytest.approx(p.margin - p.margin_all, rel=1e-5, abs=1e-5)
        assert d.head.margin == pytest.approx(p.margin, abs=1e-4)
        logits = found.logits[index]
        wrong = int(targets[index]) if not d.correct else int(np.argsort(-logits)[1])
        assert p.margin == pytest.approx(logits[d.predicted] - logits[wrong], abs=0.05)
        assert (d.gradient_share == 0) == (d.variant.norm == "batch")
        assert p.num_controls == 200 and p.num_failures == len(failing("digits", key))
        assert p.num_donors == (split("digits", "train").targets == targets[index]).sum()
        assert p.num_population == ref.num_population
        assert ((p.fix_rate >= 0) & (p.fix_rate <= 1)).all()
        assert (p.named == (p.phi > p.control_high) & (p.phi > p.donor_high)).all()


def test_frames_and_json():
    d = of_test_image("gn", int(failing("digits", "gn")[0]))
    layers, channels = d.layers_frame(), d.channels_frame()
    assert {"layer", "phi", "control_band", "donor_band", "flips", "break_rate", "fix_rate"} < {
        *layers
    }
    assert layers["layer"].tolist() == list(range(1, 8)) and layers["named"].dtype == bool
    assert channels["total"].sum() + d.head.bias == d.head.margin
    document = json.loads(json.dumps(d.to_dict(), allow_nan=False))
    assert document["sentences"] == d.sentences
    assert [row["phi"] for row in document["layers"]] == layers["phi"].tolist()
    assert document["persistence"] is None


@pytest.mark.thorough
def test_a_failures_flips_are_to_the_true_class():
    for index in failing("digits", "gn")[:8]:
        d = of_test_image("gn", int(index))
        ref = reference("digits", "gn")
        logits = patched_logits(ref.network, inputs("digits", [index]), ref.population)[0]
        singles = [1, 2, 4, 8, 16, 32, 64, 127]
        assert (d.patching.flips == (logits[singles].argmax(1).numpy() == d.true)).all()


@pytest.mark.thorough
def test_fix_rates_count_all_failures():
    index = failing("digits", "bn_l1")
    flips = np.array([of_test_image("bn_l1", int(i)).patching.flips for i in index])
    assert of_test_image("bn_l1", 0).patching.fix_rate == pytest.approx(flips.mean(0))
    assert 0 < flips.mean() < 1


def test_controls_are_the_correct_images_nearest_in_margin():
    ref, found = reference("digits", "gn"), predictions("digits", "gn")
    top = np.sort(found.logits, axis=1)
    margin = top[:, -1] - top[:, -2]
    correct = np.flatnonzero(found.predicted == found.targets)
    chosen = ref.nearest_controls(1.5, None)
    assert len(chosen) == len(set(chosen)) == 200 and set(chosen) < set(correct)
    others = np.setdiff1d(correct, chosen)
    assert np.abs(margin[chosen] - 1.5).max() <= np.abs(margin[others] - 1.5).min()
    assert int(chosen[0]) not in ref.nearest_controls(1.5, int(chosen[0]))


def test_population_and_donors_by_hand():
    ref = reference("digits", "gn")
    images, targets = split("digits", "train")
    info = ref.info
    x = (torch.tensor(images).float() / 255 - info.mean).div(info.std)[:, None]
    with torch.no_grad():
        correct = network("digits", "gn")(x).argmax(1).numpy() == targets
        h = network("digits", "gn").conv1(x)
    assert ref.num_population == correct.sum()  # 1,437 images: all are taken
    groups = h.reshape(len(h), 4, -1)
    assert ref.population[0].mean[0] == pytest.approx(groups.mean(2)[correct].mean(0), abs=1e-5)
    variance = groups.var(2, correction=0)
    assert ref.population[0].var[0] == pytest.approx(variance[correct].mean(0), rel=1e-4)
    assert ref.donors[3][0].var == pytest.approx(variance[targets == 3], rel=1e-4)
    assert reference("digits", "bn_l1").population is None


# Sentences.


def test_a_failure_is_told_with_its_figures():
    gate = persistence(all_predictions("digits"))
    for index in failing("digits", "gn")[:4]:
        d = diagnose_test_image("gn", int(index), gate=gate)
        text = " ".join(d.sentences)
        margin = d.patching.margin
        assert d.sentences[0] == (
            f"Group norm with seed 1 is wrong here: it says {d.predicted}, "
            f"{margin:.2f} logits ahead of {d.true}."
        )
        fails = sum(p.predicted[index] != p.targets[index] for p in all_predictions("digits")["gn"])
        assert f"Group norm fails here with {fails} of 10 seeds" in d.sentences[1]
        assert "is not named" in text or "no layer is named" in text
        assert f"{100 * d.patching.break_rate[-1]:.0f} % of" in text or "flips" in text
        assert "nan" not in text and "inf" not in text


@pytest.mark.thorough
def test_a_flip_that_controls_share_is_told_so():
    told = []
    for index in failing("digits", "gn")[:12]:
        d = of_test_image("gn", int(index))
        flipping = np.flatnonzero(d.patching.flips[:-1] & (d.patching.break_rate[:-1] >= 0.01))
        if len(flipping) == 1 and d.patching.flips[:-1].sum() == 1:
            layer = flipping[0]
            percent = f"{100 * d.patching.break_rate[layer]:.0f} %"
            told.append(
                f"Repairing layer {layer + 1} alone flips the prediction, but flips {percent} of "
                "200 equally close correct images too" in " ".join(d.sentences)
            )
    assert told and all(told)


def test_a_correct_image_and_an_unknown_one_are_told_as_such():
    image = split("digits", "test").images[0]
    ref, right = reference("digits", "ln"), of_test_image("ln", 0)
    assert "is right here" in right.sentences[0] and "runner-up" in right.target.text
    unknown = diagnose(ref, image, None)
    assert "whether that is right is not known" in unknown.sentences[0]
    assert unknown.correct is None and unknown.to_dict()["true"] is None
    assert "at least 4 seeds" in unknown.sentences[1]
    assert "Repairing" not in " ".join(unknown.sentences[2:4])


def test_a_persistent_difference_is_told():
    frame = persistence(all_predictions("digits"))
    row = next(r for r in frame.itertuples() if r.persistent)
    d = diagnose_test_image(row.a, row.index, gate=frame)
    assert "persists over seeds" in d.sentences[1]
    assert f"fails here with {row.fails_a} of 10 seeds" in d.sentences[1]
    nobody = next(i for i in range(360) if i not in set(frame["index"]))
    assert diagnose_test_image("gn", nobody, gate=frame).sentences[1].startswith("No seed")


def test_few_controls_name_nothing_and_say_so():
    ref = reference("digits", "gn")
    few = dataclasses.replace(
        ref, control_index=ref.control_index[:50], control_margin=ref.control_margin[:50]
    )
    index = int(failing("digits", "gn")[0])
    image, true = split("digits", "test").images[index], int(split("digits", "test").targets[index])
    d = diagnose(few, image, true)
    assert not d.patching.named.any()
    assert any("50 controls" in sentence for sentence in d.sentences)
    assert d.to_dict()["layers"][0]["control_band"] is None


def test_a_network_without_failures_has_no_fix_rate_to_tell():
    images, targets = split("digits", "test")
    good = predictions("digits", "gn").predicted == targets
    found = predictions("digits", "gn")
    some = Predictions(found.logits[good], found.predicted[good], targets[good])
    ref = make_reference(
        network("digits", "gn"), split("digits", "train"), images[good], some, DIGITS
    )
    d = diagnose(ref, images[good][0], int(targets[good][0]))
    assert "no failure to repair" in " ".join(d.sentences)
    assert (d.patching.fix_rate == 0).all()


@pytest.mark.thorough
def test_an_all_black_image():
    for key in NORM_KEYS:
        d = diagnose(reference("digits", key), np.zeros((28, 28), np.uint8), None)
        json.dumps(d.to_dict(), allow_nan=False)
        assert np.isfinite(d.patching.phi).all()


# Nothing given is changed, and threads do not disturb each other.


def state_of(network):
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules()]
    gradients = [p.grad is None and p.requires_grad for p in network.parameters()]
    return (
        {k: v.clone() for k, v in network.state_dict().items()},
        network.training,
        hooks,
        gradients,
    )


@pytest.mark.thorough
@pytest.mark.parametrize("key", NORM_KEYS)
@pytest.mark.parametrize("training", [False, True])
def test_the_network_is_not_changed_also_after_an_exception(key, training, monkeypatch):
    given = copy.deepcopy(network("digits", key)).train(training)
    before, random = state_of(given), torch.get_rng_state()
    arguments = (
        split("digits", "train"),
        split("digits", "test").images,
        predictions("digits", key),
        DIGITS,
    )
    ref = make_reference(given, *arguments)
    image = split("digits", "test").images[0]
    expected = of_test_image(key, 0).patching.phi
    assert diagnose(ref, image, 0, index=0).patching.phi == pytest.approx(expected)
    inner = state_of(ref.network)
    monkeypatch.setattr(diagnosis, "gradient_share", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        diagnose(ref, image, 0)
    for network_now, then in ((given, before), (ref.network, inner)):
        now = state_of(network_now)
        assert now[1:] == then[1:]
        assert all(torch.equal(now[0][name], then[0][name]) for name in now[0])
    assert torch.equal(torch.get_rng_state(), random) and torch.is_grad_enabled()


@pytest.mark.thorough
def test_eight_threads_give_the_numbers_of_one():
    keys = list(NORM_KEYS)
    jobs = [(key, index) for index in (0, 34, 78) for key in keys]
    alone = [of_test_image(*job).to_dict() for job in jobs]
    plain = {
        key: evaluate_logits(network("digits", key), split("digits", "test").images, DIGITS)
        for key in keys
    }
    with ThreadPoolExecutor(8) as pool:
        together = [pool.submit(diagnose_test_image, *job) for job in jobs]
        beside = {
            key: pool.submit(
                evaluate_logits, network("digits", key), split("digits", "test").images, DIGITS
            )
            for key in keys
        }
        assert [future.result().to_dict() for future in together] == alone
        for key in keys:
            assert np.array_equal(beside[key].result(), plain[key])


@pytest.mark.thorough
def test_several_runs_at_once():
    images, targets = split("digits", "test")
    references = {key: reference("digits", key) for key in NORM_KEYS}
    found = diagnose_all(references, images[34], int(targets[34]), index=34)
    assert list(found) == list(NORM_KEYS)
    for key, one in found.items():
        assert one.to_dict() == of_test_image(key, 34).to_dict()


# Two traps, on the shipped MNIST networks.


@torch.inference_mode()
def statistics_of_images(network, x):
    """Means and log variances of each layer's groups: a list of (B, 2 G)."""
    found = []
    for module in network:
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
            own = image_statistics(module, x)
            found.append(torch.cat([own.mean, (own.var + module.eps).log()], 1))
        x = module(x)
    return found


@pytest.mark.parametrize("key", VARIANTS)
def test_unusual_statistics_do_not_mean_failure(key, mnist_root):
    """AUROC of failures against 1,000 correct images: statistics at most .67, max-softmax > .96.

    Mean |z| over a layer's statistics, against 1,000 training images; for each layer and for all.
    """
    found, net = predictions("mnist", key), network("mnist", key)
    fails = failing("mnist", key)
    correct = np.flatnonzero(found.predicted == found.targets)[::10][:1000]
    index = np.concatenate([fails, correct])
    failed = np.arange(len(index)) < len(fails)
    info, train = get_dataset("mnist"), split("mnist", "train").images[::60]
    normal = (torch.tensor(train).float() / 255 - info.mean).div(info.std)[:, None]
    z = [
        ((own - usual.mean(0)) / usual.std(0).clamp_min(1e-6)).abs()
        for own, usual in zip(
            statistics_of_images(net, inputs("mnist", index)),
            statistics_of_images(net, normal),
            strict=True,
        )
    ]
    by_statistics = [roc_auc_score(failed, score.mean(1)) for score in (*z, torch.cat(z, 1))]
    by_softmax = roc_auc_score(failed, -softmax(found.logits[index]).max(1))
    assert max(by_statistics) < 0.67 and by_softmax > 0.96


@pytest.mark.parametrize("key", ["gn", "gn_l1", "bn_l1", "bn_l1_l2"])
def test_replacing_all_statistics_flips_close_correct_images_too(key, mnist_root):
    """At least as large a share of the 200 closest correct images as of the failures."""
    ref = reference("mnist", key)
    closest = ref.control_index[:200]
    logits = patched_logits(ref.network, inputs("mnist", closest), ref.population)
    predicted = logits.argmax(2)
    broken = (predicted[:, -1] != predicted[:, 0]).float().mean().item()
    fixed = ref.fixed[-1] / ref.num_failures
    assert fixed > 0.05 and broken > fixed
