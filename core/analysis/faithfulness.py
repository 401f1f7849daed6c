"""Infidelity and max-sensitivity of a map, computed by Captum.

Yeh, Hsieh, Suggala, Inouye and Ravikumar 2019, On the (In)fidelity and Sensitivity of Explanations,
arXiv 1901.09392.

N perturbation.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from core.analysis.methods import METHODS
from core.analysis.randomization import Explain
from core.config import IMAGE_SIZE

NUM_SQUARES = 200
SQUARE_SIDES = (3, 9)
"""Smallest and largest side of a square that is taken away, in pixels."""

NUM_NOISY = 10
NOISE = 0.02
"""Half the width of the uniform noise in the normalized image: under two of 255 grey levels."""

TIMES_INPUT = ("input_x_gradient", "lrp")
"""Methods that multiply by the image without a baseline, so that theirs is 0 when normalized."""


@dataclass(frozen=True)
class Infidelity:
    """How badly a map predicts changes of the output when squares of the image are taken away.

    `value` is the mean squared error over `num_squares`, in squared logits. `unexplained` is the
    part of the mean squared change that is left when the map may be scaled as a whole, so that
    methods of any scale compare: from 0 (all is predicted) to 1 (nothing); None if the output
    never changes.
    """

    value: float
    unexplained: float | None
    num_squares: int


def measure_infidelity(
    network: nn.Module,
    image: np.ndarray,
    attributions: np.ndarray,
    weights: Sequence[float],
    baseline: np.ndarray,
    method: str,
    *,
    seed: int = 0,
) -> Infidelity:
    """Infidelity for squares set to the baseline, of random place and of side 3 to 9.

    `image` and `baseline` (1, 28, 28) float32, normalized; `attributions` (28, 28) by `method`; the
    scalar explained is `weights` (10,) · logits. `network` stays as it is.
    """
    from captum.metrics import infidelity

    worker = copy.deepcopy(network).eval()
    contrast = torch.tensor(weights, dtype=torch.float32)
    squares = draw_squares(seed)
    expected = squares * _change_per_pixel(image, baseline, method)
    perturbed = np.where(squares, baseline, image)
    pair = torch.tensor(expected, dtype=torch.float32), torch.tensor(perturbed)

    def measure(attributions: np.ndarray, normalize: bool = False) -> float:
        return infidelity(
            lambda inputs: worker(inputs) @ contrast,
            lambda inputs: pair,
            torch.tensor(image)[None],
            torch.tensor(attributions, dtype=torch.float32)[None, None],
            n_perturb_samples=NUM_SQUARES,
            normalize=normalize,
        ).item()

    # The infidelity of a map of zeros is the mean squared change itself.
    change = measure(np.zeros_like(attributions))
    left = measure(attributions, normalize=True) / change if change > 0 else None
    return Infidelity(measure(attributions), left, NUM_SQUARES)


def draw_squares(seed: int) -> np.ndarray:
    """Which pixels lie in each of 200 random squares: (N, 1, 28, 28) bool."""
    random = np.random.default_rng(seed)
    squares = np.zeros((NUM_SQUARES, 1, IMAGE_SIZE, IMAGE_SIZE), bool)
    for square in squares:
        side = random.integers(SQUARE_SIDES[0], SQUARE_SIDES[1] + 1)
        top, left = random.integers(0, IMAGE_SIZE - side + 1, 2)
        square[0, top : top + side, left : left + side] = True
    return squares


def _change_per_pixel(image: np.ndarray, baseline: np.ndarray, method: str) -> np.ndarray:
    """What a map's pixel is multiplied with when that pixel is set to the baseline.

    A share of f(x) - f(baseline) counts as a whole, a gradient times the pixel's change; the paper
    calls the two global and local. Input × gradient is a share of the way to 0.
    """
    if METHODS[method].uses_baseline:
        return np.ones_like(image)
    change = image - baseline
    if method not in TIMES_INPUT:
        return change
    return np.divide(change, image, out=np.zeros_like(image), where=image != 0)


def measure_sensitivity(
    network: nn.Module, image: np.ndarray, explain: Explain, *, seed: int = 0
) -> float:
    """Max-sensitivity: the largest relative change of the map under invisible noise.

    ‖map(x + noise) - map(x)‖ / ‖map(x)‖, the largest of ten draws; `image` (1, 28, 28) float32,
    normalized. `explain` gets a copy of `network`.
    """
    from captum.metrics import sensitivity_max

    worker = copy.deepcopy(network).eval()
    random = np.random.default_rng(seed)
    noise = random.uniform(-NOISE, NOISE, (NUM_NOISY, *image.shape)).astype(np.float32)

    def explain_as_given(inputs: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        # Captum asks with a tuple first, and given no tuple back compares the wrong dimensions.
        if isinstance(inputs, tuple):
            return (explain(worker, inputs[0]),)
        return explain(worker, inputs)

    found = sensitivity_max(
        explain_as_given,
        torch.tensor(image)[None],
        lambda inputs: inputs + torch.tensor(noise),
        n_perturb_samples=NUM_NOISY,
    )
    return float(found)
