"""D3 finds thresholds planted into tiny networks, and keeps its word on shipped ones."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core.analysis.change_report import change_sentences, changes_frame
from core.analysis.counterfactual import (
    HALVINGS,
    NUM_CONTROLS,
    STEPS,
    Change,
    ChangedImage,
    Pool,
    find_changes,
)
from core.analysis.nuisances import NUISANCES
from core.data.corruptions import corrupt, get_corruption, to_inputs
from core.data.datasets import get_dataset
from core.training.runs import Predictions
from tests import diagnosis_runs as shipped
from tests.linear_network import linear_network

INFO = get_dataset("digits")
GREY = np.full((28, 28), 102, np.uint8)  # 0.4


class ByBrightness(nn.Module):
    """Class k is the level in `levels` to which the image's mean pixel value is nearest."""

    def __init__(self, *levels: float) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels))

    def forward(self, inputs: Tensor) -> Tensor:
        mean = (inputs * INFO.std + INFO.mean).mean((1, 2, 3))
        return -(mean[:, None] - self.levels).abs()


def changes(network: nn.Module, image: np.ndarray, true: int | None, *keys: str) -> list[Change]:
    chosen = [NUISANCES[key] for key in keys]
    return find_changes({"gn": network}, ChangedImage(image, true, INFO), None, chosen)


def by_ramp(threshold: float) -> nn.Module:
    """Class 0 where Σ column · pixel exceeds `threshold`, else class 1."""
    ramp = np.tile(np.arange(28.0), (28, 1))
    return linear_network(ramp * INFO.std, float(ramp.sum() * INFO.mean - threshold))


def test_a_planted_threshold_of_brightness_repairs():
    darker, brighter = changes(ByBrightness(0.4, 0.66), GREY, 1, "brightness")
    assert darker.severity is None and darker.repairs
    assert 0.13 <= brighter.severity <= 0.13 + brighter.resolution
    assert (brighter.before, brighter.predicted, brighter.lasts) == (0, 1, True)
    assert brighter.image == pytest.approx(0.4 + brighter.severity, abs=1e-6)


def test_a_planted_threshold_breaks_on_the_side_where_it_lies():
    darker, brighter = changes(ByBrightness(0.4, 0.2), GREY, 0, "brightness")
    assert brighter.severity is None and not darker.repairs
    assert -0.1 - darker.resolution <= darker.severity <= -0.1


def test_a_planted_threshold_of_contrast_is_a_factor():
    lower, higher = changes(ByBrightness(0.4, 0.1), GREY, None, "contrast")
    assert higher.severity is None
    assert 0.625 - lower.resolution <= lower.severity <= 0.625
    assert lower.change == pytest.approx(lower.severity - 1)


@pytest.mark.parametrize("needed", [0.3, 1.6, 3.9])
def test_a_planted_shift_is_found_in_pixels(needed):
    dot = np.zeros((28, 28), np.uint8)
    dot[10, 12] = 255
    left, right = changes(by_ramp(12 + needed), dot, 0, "shift_x")
    assert left.severity is None
    assert needed - 1e-3 <= right.severity <= needed + right.resolution + 1e-3


def test_a_planted_thickness_is_found_in_pixels():
    bar = np.zeros((28, 28), np.uint8)
    bar[4:24, 12:15] = 255
    ink = (3 + 0.8) * (20 + 0.8) / 784  # each edge moves by 0.4 px, to both sides
    thinner, thicker = changes(ByBrightness(0.0, 2 * ink), bar, 1, "thickness")
    assert thinner.severity is None
    assert thicker.severity == pytest.approx(0.8, abs=0.15)


def test_what_lies_beyond_the_range_is_not_found():
    assert [c.severity for c in changes(ByBrightness(0.4, 5.0), GREY, 1, *NUISANCES)] == (
        [None] * (2 * len(NUISANCES) - 1)
    )


def test_an_island_is_found_and_said_not_to_last():
    """Right between 0.5 and 0.6 only; a third class follows."""
    _, brighter = changes(ByBrightness(0.45, 0.55, 0.65), GREY, 1, "brightness")
    assert 0.1 <= brighter.severity <= 0.1 + brighter.resolution
    assert brighter.lasts is False


def test_for_a_wrong_image_another_wrong_class_is_no_repair():
    _, brighter = changes(ByBrightness(0.4, 0.7, 0.5), GREY, 1, "brightness")
    assert brighter.severity >= 0.2 and brighter.predicted == 1


def test_without_a_true_class_every_other_prediction_counts():
    _, brighter = changes(ByBrightness(0.4, 0.7, 0.5), GREY, None, "brightness")
    assert 0.05 <= brighter.severity <= 0.05 + brighter.resolution
    assert brighter.predicted == 2 and not brighter.repairs


def pool(values: list[int], predicted: list[int], margins: list[float]) -> Pool:
    """Grey images of true class 0 with those predictions and margins."""
    images = np.stack([np.full((28, 28), value, np.uint8) for value in values])
    logits = np.zeros((len(values), 10), np.float32)
    logits[range(len(values)), predicted] = margins
    found = Predictions(logits, np.array(predicted), np.zeros(len(values), int))
    return Pool(images, {"gn": found})


def test_controls_are_the_correct_images_nearest_in_margin_without_the_image_itself():
    found = pool([0] * 5, [0, 0, 1, 0, 0], [1.0, 5.0, 2.0, 3.0, 2.5])
    assert found.nearest("gn", 2.0, 3).tolist() == [4, 0, 1]


def test_controls_that_the_same_change_breaks_are_counted():
    """+0.13 takes 0.45 and 0.51 over the threshold at 0.53, but not 0.2."""
    controls = pool([51, 115, 130], [0, 0, 0], [1, 1, 1])
    image = ChangedImage(GREY, 1, INFO)
    network = {"gn": ByBrightness(0.4, 0.66)}
    _, brighter = find_changes(network, image, controls, [NUISANCES["brightness"]])
    assert (brighter.broken, brighter.num_controls) == (2, 3)
    assert brighter.broken_share == pytest.approx(2 / 3)


@pytest.fixture(scope="module")
def found() -> list[Change]:
    """Of a failure of group norm, under three shipped networks."""
    index = int(shipped.failing("digits", "gn")[0])
    test = shipped.split("digits", "test")
    keys = ("gn", "ln", "bn_l1")
    networks = {key: shipped.network("digits", key).eval() for key in keys}
    before = {k: {n: t.clone() for n, t in v.state_dict().items()} for k, v in networks.items()}
    image = ChangedImage(test.images[index], int(test.targets[index]), INFO, index)
    controls = Pool(test.images, {key: shipped.predictions("digits", key) for key in keys})
    changes = find_changes(networks, image, controls)
    for key, network in networks.items():
        assert all(torch.equal(t, before[key][n]) for n, t in network.state_dict().items())
    return changes


def test_every_change_does_what_it_says_and_a_scan_step_less_does_not(found):
    index = int(shipped.failing("digits", "gn")[0])
    pixels = torch.tensor(shipped.split("digits", "test").images[[index]])
    turned = [c for c in found if c.severity is not None]
    assert turned
    for c in turned:
        network = shipped.network("digits", c.variant)

        def say(severity: float, c: Change = c, network: nn.Module = network) -> int:
            changed = corrupt(pixels, c.nuisance.key, severity, mean=INFO.mean, indices=[index])
            with torch.inference_mode():
                return int(network(to_inputs(changed, INFO.mean, INFO.std)).argmax())

        assert say(c.severity) == c.predicted != c.before
        closer = [s for s in c.steps if abs(s - c.nuisance.neutral) < abs(c.change)]
        assert all((say(s) == c.predicted) is False or not c.repairs for s in closer)
        assert c.num_controls == NUM_CONTROLS and 0 <= c.broken <= NUM_CONTROLS


def test_the_frame_has_one_row_per_variant_nuisance_and_direction(found):
    frame = changes_frame(found)
    assert len(frame) == 3 * (2 * len(NUISANCES) - 1)
    assert frame["severity"].isna().tolist() == frame["predicted"].isna().tolist()
    row = frame[frame["nuisance"] == "brightness"].iloc[0]
    assert row["resolution"] == pytest.approx(0.4 / STEPS / 2**HALVINGS)
    assert row["end"] == -0.4


def test_sentences_say_the_change_and_how_many_controls_it_turns():
    thinner = Change(
        *("gn", NUISANCES["thickness"], -1, 3, True),
        severity=-0.6,
        predicted=8,
        broken=1,
        num_controls=50,
    )
    other = Change(
        *("gn", NUISANCES["scale"], 1, 3, True),
        severity=1.12,
        predicted=8,
        broken=20,
        num_controls=50,
    )
    assert change_sentences([thinner, other], INFO.class_names) == [
        "Group norm says 3; it would be right if the stroke were 0.6 px thinner "
        "(turns 1 of 50 controls)."
    ]
    (sentence,) = change_sentences([other], INFO.class_names)
    assert "12 % larger (turns 20 of 50 controls). What turns that many" in sentence


def test_sentences_say_that_nothing_was_found_and_what_a_right_image_becomes():
    nothing = Change("ln", NUISANCES["scale"], 1, 3, True)
    right = Change("bn_l1", NUISANCES["shear"], 1, 4, severity=12.0, predicted=9)
    assert change_sentences([nothing, right], INFO.class_names) == [
        "Layer norm says 3; no single change within the ranges makes it right.",
        "Batch norm + L1 says 4; it would change its mind if the image leaned 12° more to the "
        "right (then 9).",
    ]


@pytest.mark.parametrize("nuisance", NUISANCES.values(), ids=NUISANCES)
def test_ranges_lie_within_the_corruption_and_words_exist_for_each_direction(nuisance):
    kind = get_corruption(nuisance.key)
    assert kind.low <= nuisance.low <= nuisance.neutral <= nuisance.high <= kind.high
    for direction, end in nuisance.ends.items():
        assert any(c.isdigit() for c in nuisance.words(end))
        assert 0 < nuisance.small <= abs(end - nuisance.neutral)
        assert ("−" in nuisance.amount(end)) == (direction < 0 and nuisance.unit != "×")
