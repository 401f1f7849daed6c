"""What networks answer: the same whatever else is asked, and said as one can work out by hand."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
import torch

from core.analysis.evaluate import evaluate_logits
from core.analysis.metrics import wilson_interval
from core.analysis.predict import (
    ACCURACY_COLUMNS,
    Agreement,
    accuracy_frame,
    agreement,
    agreement_sentence,
    answers_frame,
    describe_logits,
    predict,
)
from core.config import VARIANTS
from core.data.datasets import DIGIT_NAMES, get_dataset
from core.model.network import Network
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, find_runs
from tests.fixtures_explain import digits_split

INFO = get_dataset("digits")


@cache
def networks() -> dict[str, Network]:
    runs = find_runs(VARIANTS, "digits", 1, SHIPPED_DIR)
    return {key: load_network(run) for key, run in runs.items()}


@pytest.fixture
def image() -> np.ndarray:
    return digits_split().images[:1]


def logits_of(*classes: int) -> np.ndarray:
    """One image per class, 5 logits ahead of all others."""
    return 5 * np.eye(10, dtype=np.float32)[list(classes)]


def frame_of(**classes: list[int]):
    """Answers where each variant says these classes, image by image."""
    return answers_frame({key: logits_of(*said) for key, said in classes.items()}, DIGIT_NAMES)


# Asking


def test_an_answer_does_not_depend_on_what_else_is_asked():
    images = digits_split().images[:30]
    together = predict(networks(), images, INFO)
    backwards = predict(networks(), images[::-1], INFO)
    for key, network in networks().items():
        assert together[key].shape == (30, 10) and together[key].dtype == np.float32
        alone = [predict({key: network}, image[None], INFO)[key][0] for image in images]
        np.testing.assert_array_equal(together[key], alone)
        np.testing.assert_array_equal(together[key], backwards[key][::-1])


def test_the_answers_are_those_of_the_evaluation():
    images = digits_split().images[:50]
    for key, found in predict(networks(), images, INFO).items():
        batch = evaluate_logits(networks()[key], images, INFO)
        assert np.abs(found - batch).max() < 1e-4  # a batch is summed in another order
        np.testing.assert_array_equal(found.argmax(axis=1), batch.argmax(axis=1))


def test_networks_are_read_only(image):
    network = load_network(find_runs(["bn_l1"], "digits", 1, SHIPPED_DIR)["bn_l1"])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    predict({"bn_l1": network}, image, INFO)
    network.train()
    with pytest.raises(ValueError, match="bn_l1 is in training mode"):
        predict({"bn_l1": network}, image, INFO)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.filterwarnings("error")
def test_images_may_be_read_only(image):
    image = image.copy()
    image.flags.writeable = False
    assert predict(networks(), image, INFO)["gn"].shape == (1, 10)


def test_no_images_have_no_answers():
    found = predict(networks(), np.empty((0, 28, 28), np.uint8), INFO)
    assert [one.shape for one in found.values()] == [(0, 10)] * 6
    assert answers_frame(found, DIGIT_NAMES).empty


def test_eight_threads_get_their_own_answers():
    """All six networks shared by eight threads, each with ten images of its own."""
    images = digits_split().images
    expected = predict(networks(), images[:80], INFO)

    def visit(session: int) -> list[dict[str, np.ndarray]]:
        own = range(session, 80, 8)
        return [predict(networks(), images[index][None], INFO) for index in own]

    with ThreadPoolExecutor(8) as pool:
        for session, answers in enumerate(pool.map(visit, range(8))):
            for index, found in zip(range(session, 80, 8), answers, strict=True):
                for key, logits in found.items():
                    np.testing.assert_array_equal(logits[0], expected[key][index])


# In words and figures


def test_a_distribution_by_hand():
    shares = np.array([1 / 8, 1 / 2, 1 / 8, 1 / 4])
    found = describe_logits(np.log(shares) + 3)
    assert (found["label"], found["runner_up"]) == (1, 3)
    assert found["probabilities"] == pytest.approx(shares.tolist())
    assert found["probability"] == pytest.approx(1 / 2)
    assert found["runner_up_probability"] == pytest.approx(1 / 4)
    assert found["margin"] == pytest.approx(math.log(2))
    assert found["entropy"] == pytest.approx(1.75)  # bits


def test_the_ends_of_doubt():
    nothing = describe_logits(np.zeros(10, np.float32))
    assert (nothing["label"], nothing["runner_up"], nothing["margin"]) == (0, 1, 0)
    assert nothing["entropy"] == pytest.approx(math.log2(10))
    certain = describe_logits(1000 * np.eye(10, dtype=np.float32)[4])
    assert (certain["label"], certain["probability"], certain["entropy"]) == (4, 1, 0)
    assert math.copysign(1, certain["entropy"]) == 1


def test_a_frame_has_one_row_per_image_and_network():
    frame = frame_of(gn=[7, 1], other=[2, 1])
    assert frame["image"].tolist() == [0, 0, 1, 1]
    assert frame["variant"].tolist() == ["gn", "other"] * 2
    assert frame["label"].tolist() == ["Group norm", "other"] * 2
    assert frame["predicted"].tolist() == [7, 2, 1, 1]
    assert frame["runner_up"].tolist() == [0] * 4
    assert frame["margin"].tolist() == [5] * 4
    top = math.exp(5) / (math.exp(5) + 9)
    assert frame["probability"].to_numpy() == pytest.approx(top)
    assert frame["probabilities"][0][7] == pytest.approx(top)
    names = answers_frame({"gn": logits_of(3)}, "abcdefghij")
    assert (names["predicted_name"][0], names["runner_up_name"][0]) == ("d", "a")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"gn": 7}, "Group norm reads it as 7."),
        (dict.fromkeys(VARIANTS, 7), "All 6 variants read it as 7."),
        ({"gn": 7, "ln": 7}, "Both variants read it as 7."),
        (
            dict.fromkeys(VARIANTS, 7) | {"ln": 1},
            "Read as 7 by 5 of 6 variants; as 1 by Layer norm.",
        ),
        (
            dict.fromkeys(VARIANTS, 7) | {"ln": 1, "gn": 3},
            "Read as 7 by 4 of 6 variants; as 1 by Layer norm; as 3 by Group norm.",
        ),
        (
            {"gn": 9, "ln": 9, "bn_l1": 4, "gn_l1": 4},
            "Read as 4 by Batch norm + L1, Group norm + L1; as 9 by Group norm, Layer norm.",
        ),
    ],
)
def test_who_agrees(said, sentence):
    found = agreement(frame_of(**{key: [value] for key, value in said.items()}))
    assert agreement_sentence(found, DIGIT_NAMES) == sentence
    assert found.unanimous == (len(set(said.values())) == 1)
    assert found.num_variants == len(said)
    assert found.largest == max(list(said.values()).count(value) for value in said.values())


def test_agreement_is_of_one_image():
    frame = frame_of(gn=[7, 1], ln=[7, 2])
    assert agreement(frame[frame["image"] == 1]) == Agreement({1: ("gn",), 2: ("ln",)})
    for rows in (frame, frame[:0]):
        with pytest.raises(ValueError, match="rows of one image"):
            agreement(rows)


def test_accuracy_counts_what_is_labelled():
    frame = frame_of(gn=[7, 1, 0, 5], ln=[7, 2, 0, 5])
    found = accuracy_frame(frame, [7, 1, None, 0]).set_index("variant")
    assert found["num_images"].tolist() == [3, 3]
    assert found["errors"].tolist() == [1, 2]
    assert found["accuracy_percent"].tolist() == pytest.approx([200 / 3, 100 / 3])
    low, high = wilson_interval(1, 3)
    assert found.loc["gn", "low_percent"] == pytest.approx(100 * low)
    assert found.loc["gn", "high_percent"] == pytest.approx(100 * high)
    nothing = accuracy_frame(frame, [None] * 4)
    assert nothing.empty and list(nothing) == ACCURACY_COLUMNS
