"""Every method on a network whose exact answer is known, and against Captum on a real one."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.analysis.methods import METHODS
from core.analysis.raw_attributions import (
    NOISE_LEVEL,
    NOISE_SAMPLES,
    ScalarNetwork,
    path_steps,
    path_sum,
    raw_attributions,
)
from core.analysis.target import Target
from tests.explain_helpers import TINY_TARGET, ZEROS, TwoPixels, baseline, cases, image, shipped
from tests.explain_helpers import target as target_of

IMAGE = TwoPixels.image(2, 2)
"""Both ReLUs of `TwoPixels` are open: f = 3·5 − 1 = 14."""

BY_HAND = {
    # Along α the first ReLU opens at 1/6, the second at 1/2.
    "integrated_gradients": (3 * 5 / 6 * 2 - 1 / 2 * 2, 6 * 5 / 6 * 2),
    "saliency": (3 - 1, 6),
    "input_x_gradient": (2 * (3 - 1), 2 * 6),
    # The noise is too weak to close a ReLU.
    "noise_tunnel": (3 - 1, 6),
    "gradient_shap": (4, 10),
    # Rescale: 5 of 6 units pass the first ReLU, 1 of 2 the second.
    "deep_lift": (3 * 5 / 6 * 2 - 1 / 2 * 2, 6 * 5 / 6 * 2),
    "lrp": (15 * 2 / 5 - 2, 15 * 4 / 5),
    # f is 9 without p and 3 − 1 without q.
    "occlusion": (14 - 9, 14 - 2),
    "feature_ablation": ((14 - 9) / 16, (14 - 2) / 16),
    # Half of the orders insert p first.
    "shapley_value_sampling": ((2 + 5) / 2 / 16, (9 + 12) / 2 / 16),
    # The second ReLU gets a negative signal, which is dropped.
    "guided_backprop": (3, 6),
}


def attribute(network: nn.Module, x: Tensor, method: str, **options: int) -> np.ndarray:
    found = raw_attributions(network, x.unsqueeze(0), method, TINY_TARGET, ZEROS, **options)
    return found[0, 0].numpy()


@pytest.mark.parametrize("method", BY_HAND)
def test_two_pixels(method):
    tolerance = {"integrated_gradients": 0.01, "gradient_shap": 0.05}.get(method, 1e-5)
    found = attribute(TwoPixels(), IMAGE, method, n_steps=2_048)
    assert (found[0, 0], found[0, 4]) == pytest.approx(BY_HAND[method], rel=tolerance)


@pytest.mark.parametrize("method", ["integrated_gradients", "deep_lift"])
def test_pixels_that_do_not_matter_get_nothing(method):
    found = attribute(TwoPixels(), IMAGE, method)
    found[0, [0, 4]] = 0
    assert (found == 0).all()


def test_overlapping_windows_are_averaged():
    found = attribute(TwoPixels(), IMAGE, "occlusion")
    # Two of the windows cover column 2: the one over p and the one over q.
    assert found[0, [0, 2, 4, 6]] == pytest.approx([5, (5 + 12) / 2, 12, 12 / 2])
    assert (found[0, 8:] == 0).all()


@pytest.mark.parametrize("method", ["feature_ablation", "shapley_value_sampling"])
def test_squares_of_sixteen_pixels_share_evenly(method):
    found = attribute(TwoPixels(), IMAGE, method)
    blocks = found.reshape(7, 4, 7, 4).transpose(0, 2, 1, 3).reshape(7, 7, 16)
    assert (blocks == blocks[..., :1]).all()
    assert found.sum() == pytest.approx(sum(BY_HAND[method]) * 16)


class TwoChannels(nn.Sequential):
    """f = Σ 2·ReLU(x) − ReLU(−x) over all pixels."""

    def __init__(self) -> None:
        conv = nn.Conv2d(1, 2, 1, bias=False)
        head = nn.Linear(2, 1, bias=False)
        super().__init__(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
        with torch.no_grad():
            conv.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
            head.weight.copy_(784 * torch.tensor([[2.0, -1.0]]))


def test_grad_cam_weighs_the_last_relus_channels_by_their_mean_gradient():
    x = torch.linspace(-1, 1, 784).view(1, 28, 28)
    found = attribute(TwoChannels(), x, "layer_grad_cam")
    np.testing.assert_allclose(found, (2 * F.relu(x) - F.relu(-x))[0], atol=1e-5)


def test_guided_grad_cam_is_guided_backprop_times_the_positive_part_of_grad_cam():
    x = torch.linspace(-1, 1, 784).view(1, 28, 28)
    guided = attribute(TwoChannels(), x, "guided_backprop")
    np.testing.assert_allclose(guided, 2 * (x[0] > 0), atol=1e-5)
    found = attribute(TwoChannels(), x, "guided_grad_cam")
    np.testing.assert_allclose(found, (4 * F.relu(x))[0], atol=1e-5)


def test_a_difference_of_outputs_is_explained_as_one_output():
    """Guided Backprop of a difference is not the difference of Guided Backprops."""
    network = TwoPixels()
    network[3] = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        network[3].weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    difference = Target("0-1", (1.0, -1.0), 0, 1, "")
    found = raw_attributions(network, IMAGE[None], "guided_backprop", difference, ZEROS)
    assert found[0, 0, 0, [0, 4]].tolist() == [3, 6]


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_shap"])
def test_doubled_steps_reuse_those_that_are_there(method):
    def weights(n: int, **options: bool) -> dict[float, float]:
        positions, weights = path_steps(method, n, seed=3, **options)
        return dict(zip(positions.tolist(), weights.tolist(), strict=True))

    few, new, all_steps = weights(64), weights(128, only_new=True), weights(128)
    assert len(few) == len(new) == 64 and not set(few) & set(new)
    half = {position: weight / 2 for position, weight in few.items()}
    assert all_steps == pytest.approx(half | new)
    exactly = 1e-6 if method == "integrated_gradients" else 0.1
    assert sum(all_steps.values()) == pytest.approx(1, abs=exactly)


def scalar(variant: str, index: int) -> tuple[ScalarNetwork, Tensor, Tensor]:
    """The explained scalar of a shipped network, an image and the black baseline."""
    model = ScalarNetwork(shipped(variant), target_of(variant, index).weights)
    return model, image(index)[None], torch.from_numpy(baseline().image)[None]


def real_map(variant: str, index: int, method: str, **options: int) -> Tensor:
    target = target_of(variant, index)
    inputs = image(index)[None]
    return raw_attributions(shipped(variant), inputs, method, target, baseline(), **options)


@pytest.mark.thorough
@pytest.mark.parametrize("variant", ["gn", "bn_l1"])
def test_integrated_gradients_agree_with_captums(variant):
    """Ours places the steps otherwise; with Captum's own steps the sums are equal."""
    index = cases(variant)[-1]
    model, x, black = scalar(variant, index)
    theirs = captum.attr.IntegratedGradients(model)
    few = theirs.attribute(x, black, n_steps=8, method="riemann_middle")
    middles, equal = (torch.arange(8) + 0.5) / 8, torch.full((8,), 1 / 8)
    torch.testing.assert_close(path_sum(model, x, black, middles, equal), few.float())
    many = theirs.attribute(
        x, black, n_steps=4_096, method="riemann_middle", internal_batch_size=256
    )
    ours = real_map(variant, index, "integrated_gradients", n_steps=512)
    assert np.corrcoef(ours.flatten(), many.flatten())[0, 1] > 0.999


def test_it_works_where_gradients_are_switched_off():
    expected = real_map("gn", 0, "integrated_gradients")
    with torch.inference_mode():
        assert torch.equal(real_map("gn", 0, "integrated_gradients"), expected)


def test_smooth_grad_agrees_with_captums_for_equal_noise(monkeypatch):
    index = cases("gn")[0]
    model, x, _ = scalar("gn", index)
    noise = np.random.default_rng(5).normal(0, NOISE_LEVEL, (NOISE_SAMPLES, 1, 28, 28))
    scaled = torch.from_numpy(noise).float() * (x.max() - x.min())
    monkeypatch.setattr(torch, "normal", lambda *_: scaled)
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(model))
    theirs = tunnel.attribute(x, nt_samples=NOISE_SAMPLES, stdevs=1.0, abs=False)
    ours = real_map("gn", index, "noise_tunnel", seed=5)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


def test_gradient_shap_estimates_integrated_gradients():
    index = cases("bn_l1")[0]
    shap = real_map("bn_l1", index, "gradient_shap", n_steps=2_048)
    integrated = real_map("bn_l1", index, "integrated_gradients", n_steps=2_048)
    assert np.corrcoef(shap.flatten(), integrated.flatten())[0, 1] > 0.98


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_gives_what_each_of_its_images_gives_alone(method):
    inputs = torch.stack([image(index) for index in (0, 5, 9)])
    about = (method, target_of("bn_l1", 5), baseline())
    together = raw_attributions(shipped("bn_l1"), inputs, *about)
    assert together.shape == (3, 1, 28, 28) and together.dtype == torch.float32
    alone = raw_attributions(shipped("bn_l1"), inputs[1:2], *about)
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-5 * float(alone.abs().max()))
