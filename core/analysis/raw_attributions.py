"""Attribution maps of whole batches, not yet judged: `core.analysis.attribution` is the gate.

B batch, N step or sample. The network is copied for each call, because Captum hooks into modules
and rewrites weights; the copy ends in one scalar per image, so that methods that work on modules
explain a difference of logits as well. Captum computes what needs hooks or perturbations. What only
averages gradients is computed here: Captum's NoiseTunnel and GradientShap draw from the global
random generators, which threads share, and its IntegratedGradients cannot double its steps without
starting again. Captum is imported where it is used, because it loads matplotlib.
"""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn

from core.analysis.baselines import Baseline
from core.analysis.methods import get_method
from core.analysis.target import Target
from core.config import IMAGE_SIZE

BATCH_SIZE = 256
MIN_STEPS, MAX_STEPS = 64, 2_048
PATH_METHODS = ("integrated_gradients", "gradient_shap")
"""They sum gradients along the path from baseline to image, so steps can be doubled."""

NOISE_SAMPLES = 64
NOISE_LEVEL = 0.1
"""Standard deviation as a share of the image's range; Smilkov et al. use 0.1 to 0.2."""
NUM_ORDERS = 64
SQUARE = 4
"""Side of a feature of Feature Ablation and Shapley Value Sampling, in pixels."""
WINDOW, STRIDE = 4, 2


class ScalarNetwork(nn.Module):
    """A frozen copy of `network` in evaluation mode that returns weights · logits (B,)."""

    def __init__(self, network: nn.Module, weights: Sequence[float]) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval()
        # On "meta" its first weights are not drawn from the global generator.
        self.contrast = nn.Linear(len(weights), 1, bias=False, device="meta")
        self.contrast.weight = nn.Parameter(torch.tensor([list(weights)], dtype=torch.float32))
        self.to(next(network.parameters()).device).requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        return self.contrast(self.network(images)).flatten()


@torch.inference_mode(False)
@torch.enable_grad()
def raw_attributions(
    network: nn.Module,
    inputs: Tensor,
    method: str,
    target: Target,
    baseline: Baseline,
    n_steps: int = MIN_STEPS,
    seed: int = 0,
) -> Tensor:
    """Maps (B, 1, 28, 28) of `inputs` (B, 1, 28, 28) by `method`, valid or not.

    `n_steps` matters for `PATH_METHODS` only. The network is left as it is; the result is on its
    device.
    """
    model = ScalarNetwork(network, target.weights)
    device = model.contrast.weight.device
    # Captum may leave a hook on the tensor that it is given, so it gets its own.
    x = inputs.detach().to(device, copy=True)
    b = torch.from_numpy(baseline.image).to(device).unsqueeze(0)
    key = get_method(method).key
    if key in PATH_METHODS:
        return path_sum(model, x, b, *path_steps(key, n_steps, seed=seed))
    return _IMPLEMENTATIONS[key](model, x.requires_grad_(), b, seed).detach()


def path_steps(
    method: str, n: int, *, only_new: bool = False, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Positions (N,) from 0, the baseline, to 1, the image, and their weights (N,).

    With `only_new` the n / 2 steps that the rule with n has beside those of the rule with n / 2:
    the integral by n steps is half the one by n / 2 plus theirs.

    The integral over the position is taken over t with position = t², because where group and layer
    norm divide by a standard deviation, gradients change fastest near a uniform baseline.
    Integrated Gradients take the trapezoid rule, whose term at 0 vanishes, Gradient SHAP random t.
    """
    if method == "gradient_shap":
        t = np.random.default_rng(seed).random(n)[n // 2 if only_new else 0 :]
    else:
        t = np.arange(1, n + 1, 2 if only_new else 1) / n
    weights = np.where(t == 1, 1, 2 * t) / n
    return torch.from_numpy(t**2).float(), torch.from_numpy(weights).float()


def path_sum(
    model: nn.Module, inputs: Tensor, baseline: Tensor, positions: Tensor, weights: Tensor
) -> Tensor:
    """(x − b) · Σ weightₙ · ∇f(b + positionₙ (x − b)) for inputs (B, 1, 28, 28)."""
    difference = inputs - baseline
    total = torch.zeros_like(inputs)
    per_batch = max(1, BATCH_SIZE // len(inputs))
    for position, weight in zip(
        positions.to(inputs).split(per_batch), weights.to(inputs).split(per_batch), strict=True
    ):
        points = baseline + position.view(-1, 1, 1, 1, 1) * difference
        gradients = gradient(model, points.flatten(0, 1)).view_as(points)
        total += torch.tensordot(weight, gradients, dims=1)
    return total * difference


def gradient(model: nn.Module, points: Tensor) -> Tensor:
    """∇f at each of the points (N, 1, 28, 28), computed `BATCH_SIZE` at a time."""
    parts = []
    for part in points.detach().split(BATCH_SIZE):
        leaf = part.clone().requires_grad_()
        parts += torch.autograd.grad(model(leaf).sum(), leaf)
    return torch.cat(parts)


@functools.cache
def _captum() -> ModuleType:
    import captum.attr

    # It announces each hook that it sets on our copy.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"captum\.")
    return captum.attr


def _noise_tunnel(model: nn.Module, x: Tensor, _: Tensor, seed: int) -> Tensor:
    noise = np.random.default_rng(seed).normal(0, NOISE_LEVEL, (NOISE_SAMPLES, 1, *x.shape[1:]))
    ranges = x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True)
    points = x + torch.from_numpy(noise).to(x) * ranges
    return gradient(model, points.flatten(0, 1)).view_as(points).mean(dim=0)


class _PlusZero(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images + 0


def _deep_lift(model: nn.Module, x: Tensor, b: Tensor, _: int) -> Tensor:
    # Captum hooks into the tensor between two modules: a ReLU and a max-pool need one each.
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            model.set_submodule(name, nn.Sequential(_PlusZero(), module))
    return _captum().DeepLift(model).attribute(x, b)


def _lrp(model: nn.Module, x: Tensor, _: Tensor, __: int) -> Tensor:
    from captum.attr._utils.lrp_rules import EpsilonRule

    for module in model.modules():
        if isinstance(module, nn.Flatten):
            module.rule = EpsilonRule()  # Captum knows no rule for it, but takes ours
    return _captum().LRP(model).attribute(x)


def squares(device: torch.device | None = None) -> Tensor:
    """The number of the 4×4-pixel square, 0 to 48, that each pixel belongs to: (1, 1, 28, 28)."""
    side = IMAGE_SIZE // SQUARE
    numbers = torch.arange(side**2, device=device).view(1, 1, side, side)
    return numbers.repeat_interleave(SQUARE, dim=2).repeat_interleave(SQUARE, dim=3)


def _occlusion(model: nn.Module, x: Tensor, b: Tensor, _: int) -> Tensor:
    occlusion = _captum().Occlusion(model)
    return occlusion.attribute(
        x,
        sliding_window_shapes=(1, WINDOW, WINDOW),
        strides=(1, STRIDE, STRIDE),
        baselines=b,
        perturbations_per_eval=max(1, BATCH_SIZE // len(x)),
    )


def _feature_ablation(model: nn.Module, x: Tensor, b: Tensor, _: int) -> Tensor:
    ablation = _captum().FeatureAblation(model)
    of_squares = ablation.attribute(
        x,
        baselines=b,
        feature_mask=squares(x.device),
        perturbations_per_eval=max(1, BATCH_SIZE // len(x)),
    )
    return of_squares / SQUARE**2


def _shapley_value_sampling(model: nn.Module, x: Tensor, b: Tensor, seed: int) -> Tensor:
    sampling = _captum().ShapleyValueSampling(model)
    sampling.permutation_generator = functools.partial(_orders, seed=seed)
    of_squares = sampling.attribute(
        x,
        baselines=b,
        feature_mask=squares(x.device),
        n_samples=NUM_ORDERS,
        perturbations_per_eval=max(1, BATCH_SIZE // len(x)),
    )
    return of_squares / SQUARE**2


def _orders(num_features: int, num_orders: int, seed: int) -> Iterator[list[int]]:
    """Random orders, each followed by its reverse, which makes their mean vary less."""
    random = np.random.default_rng(seed)
    for _ in range(num_orders // 2):
        order = random.permutation(num_features).tolist()
        yield from (order, order[::-1])


def _last_relu(model: nn.Module) -> nn.Module:
    return [module for module in model.modules() if isinstance(module, nn.ReLU)][-1]


def _layer_grad_cam(model: nn.Module, x: Tensor, _: Tensor, __: int) -> Tensor:
    captum = _captum()
    small = captum.LayerGradCam(model, _last_relu(model)).attribute(x)
    return captum.LayerAttribution.interpolate(small, (IMAGE_SIZE, IMAGE_SIZE), "bilinear")


def _guided_grad_cam(model: nn.Module, x: Tensor, _: Tensor, __: int) -> Tensor:
    method = _captum().GuidedGradCam(model, _last_relu(model))
    return method.attribute(x, interpolate_mode="bilinear")


_IMPLEMENTATIONS: dict[str, Callable[[nn.Module, Tensor, Tensor, int], Tensor]] = {
    "saliency": lambda model, x, _, __: gradient(model, x),
    "input_x_gradient": lambda model, x, _, __: x * gradient(model, x),
    "noise_tunnel": _noise_tunnel,
    "deep_lift": _deep_lift,
    "lrp": _lrp,
    "occlusion": _occlusion,
    "feature_ablation": _feature_ablation,
    "shapley_value_sampling": _shapley_value_sampling,
    "guided_backprop": lambda model, x, _, __: _captum().GuidedBackprop(model).attribute(x),
    "layer_grad_cam": _layer_grad_cam,
    "guided_grad_cam": _guided_grad_cam,
}
