"""One attribution map per network, or the reason why there is none.

A map that fails its own test is never returned: not where the method has no meaning for the norm,
and not where it does not add up to f(x) − f(baseline) although it must.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from core.analysis.baselines import Baseline, baseline_warning
from core.analysis.methods import Method, get_method
from core.analysis.raw_attributions import (
    MAX_STEPS,
    MIN_STEPS,
    NOISE_SAMPLES,
    NUM_ORDERS,
    PATH_METHODS,
    ScalarNetwork,
    path_steps,
    path_sum,
    raw_attributions,
)
from core.analysis.target import Target
from core.analysis.threads import map_in_threads
from core.config import Variant
from core.model.network import Network

MAX_COMPLETENESS_ERROR = 0.05
NUM_SAMPLES = {"noise_tunnel": NOISE_SAMPLES, "shapley_value_sampling": NUM_ORDERS}


@dataclass(frozen=True)
class AttributionMap:
    """What one method says of one network and image; `attributions` is None exactly if not `valid`.

    `attributions` (28, 28) float32 are in units of the explained output (logits), for gradients per
    unit of the normalized pixel. `reason` says why there is no map, `warning` what to mind where
    there is one. `n_steps` counts steps or samples. `completeness_error` is
    |Σ attributions − Δf| / |Δf| with Δf = `output` − `output_baseline`, None where it is not
    defined. `baseline` is None for methods without one.
    """

    variant: str
    method: str
    target: Target
    baseline: str | None
    valid: bool
    output: float
    output_baseline: float | None = None
    reason: str | None = None
    warning: str | None = None
    n_steps: int | None = None
    completeness_error: float | None = None
    attributions: np.ndarray | None = None

    def to_dict(self) -> dict:
        """Everything but the map itself, ready for JSON."""
        fields = {name: value for name, value in vars(self).items() if name != "attributions"}
        return {**fields, "target": self.target.spec, "target_text": self.target.text}


def attribute(
    network: Network,
    image: Tensor,
    method: str,
    target: Target,
    baseline: Baseline,
    *,
    seed: int = 0,
) -> AttributionMap:
    """The map of `image` (1, 28, 28), normalized, or the reason against it.

    For Integrated Gradients and Gradient SHAP steps are doubled from 64 until the completeness
    error is ≤ 5 %, at most to 2,048. The network is neither changed nor put on the path of hooks,
    so threads may share it. Raises `UsageError` for an unknown method.
    """
    known = get_method(method)
    model = ScalarNetwork(network, target.weights)
    device = model.contrast.weight.device
    x = image.detach().to(device, copy=True).unsqueeze(0)
    b = torch.from_numpy(baseline.image).to(device).unsqueeze(0)
    found = _describe(network.variant, known, target, baseline, model(torch.cat([x, b])))
    if reason := _reason_in_advance(found, known, network.variant.norm, torch.dist(x, b).item()):
        return replace(found, reason=reason, warning=None)
    if known.key in PATH_METHODS:
        return _judge(found, known, _refined(model, x, b, known.key, seed))
    attributions = raw_attributions(network, x, method, target, baseline, seed=seed)
    return _judge(found, known, iter([(NUM_SAMPLES.get(known.key), attributions)]))


def _describe(
    variant: Variant, method: Method, target: Target, baseline: Baseline, outputs: Tensor
) -> AttributionMap:
    """What is known before the map; `outputs` (2,) are those of image and baseline."""
    output, output_baseline = outputs.tolist()
    uses = method.uses_baseline
    return AttributionMap(
        variant=variant.key,
        method=method.key,
        target=target,
        baseline=baseline.key if uses else None,
        valid=False,
        output=output,
        output_baseline=output_baseline if uses else None,
        warning=baseline_warning(baseline.key, variant.norm) if uses else None,
    )


def _reason_in_advance(
    found: AttributionMap, method: Method, norm: str, distance: float
) -> str | None:
    """Why there can be no map; `distance` is the one between image and baseline."""
    if reason := method.reason_against(norm):
        return reason
    if method.uses_baseline and distance < 1e-4:
        return "The image is the baseline itself, so there is no difference to explain."
    # Enough steps next to zero would make the sum right, and the map still say nothing.
    return found.warning if method.key in PATH_METHODS else None


def _refined(
    model: ScalarNetwork, x: Tensor, b: Tensor, method: str, seed: int
) -> Iterator[tuple[int, Tensor]]:
    """Numbers of steps and maps (1, 1, 28, 28), each with twice as many steps as the one before."""
    n, attributions = 0, torch.zeros_like(x)
    while n < MAX_STEPS:
        only_new, n = n > 0, 2 * n or MIN_STEPS
        steps = path_steps(method, n, only_new=only_new, seed=seed)
        attributions = attributions / 2 + path_sum(model, x, b, *steps)
        yield n, attributions


def _judge(
    found: AttributionMap, method: Method, maps: Iterator[tuple[int | None, Tensor]]
) -> AttributionMap:
    """The first of `maps` that is good enough, or the reason why the last is not."""
    reason: str | None = None
    for n_steps, tensor in maps:
        attributions = tensor.reshape(tensor.shape[-2:]).cpu().numpy()
        error = _completeness_error(found, attributions) if method.completeness else None
        found = replace(found, n_steps=n_steps, completeness_error=error)
        reason = _reason_against_map(found, attributions, method)
        if reason is None:
            return replace(found, valid=True, attributions=attributions)
    return replace(found, reason=reason, warning=None)


def _completeness_error(found: AttributionMap, attributions: np.ndarray) -> float | None:
    assert found.output_baseline is not None
    difference = found.output - found.output_baseline
    if abs(difference) <= 1e-6 * max(1.0, abs(found.output)):
        return None
    return abs(float(attributions.sum(dtype=np.float64)) - difference) / abs(difference)


def _reason_against_map(
    found: AttributionMap, attributions: np.ndarray, method: Method
) -> str | None:
    if not np.isfinite(attributions).all():
        return "The map holds values that are not finite."
    if not method.completeness:
        return None
    error = found.completeness_error
    if error is None:
        return "f(x) equals f(baseline), so there is no difference to explain."
    if error <= MAX_COMPLETENESS_ERROR:
        return None
    assert found.output_baseline is not None
    at = f"At {found.n_steps:,} steps the map" if found.n_steps else "The map"
    return (
        f"{at} sums to {attributions.sum(dtype=np.float64):.3g} instead of f(x) − f(baseline) = "
        f"{found.output - found.output_baseline:.3g}: an error of {100 * error:.3g} %, above "
        f"{100 * MAX_COMPLETENESS_ERROR:.0f} %."
    )


def attribute_all(
    networks: Mapping[str, Network],
    image: Tensor,
    method: str,
    targets: Mapping[str, Target],
    baseline: Baseline,
    *,
    seed: int = 0,
) -> dict[str, AttributionMap]:
    """The maps of one image and method for several networks, which `targets` has the keys of."""
    found = map_in_threads(
        lambda key: attribute(networks[key], image, method, targets[key], baseline, seed=seed),
        networks,
    )
    return dict(zip(networks, found, strict=True))
