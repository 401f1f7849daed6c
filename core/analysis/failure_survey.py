"""Which nuisances and which layers matter over all failures of a network, against matched controls.

F failure, N image, L layer. Each failure is paired with one correctly classified test image about
as close to the boundary. Of each nuisance and direction: how many failures a small change repairs
(some step up to it gives the true class), and how many of the paired images it breaks. Of each
layer: the same for repairing its statistics (D1). Only what repairs more than it breaks says
anything of failures: any change turns images that are close to turning.
"""

from __future__ import annotations

import numpy as np
import torch

from core.analysis.nuisances import NUISANCES, Nuisance
from core.analysis.patching import patched_logits, single_patches
from core.analysis.reference import Reference
from core.analysis.survey_table import ALL_LAYERS, LAYER, NUISANCE, encode
from core.data.corruptions import corrupt, to_inputs
from core.model.network import NUM_CONVS
from core.training.runs import Predictions

STEPS = 4
BATCH_SIZE = 250


def survey(reference: Reference, predictions: Predictions) -> dict:
    """`failing, controls, rows` of one run, ready for JSON and for `survey_table.survey_frame`.

    The first two are the indices of the F pairs of images. A row is [kind, name, direction,
    outcomes]: one character per pair, 1 where the failure is repaired, 2 where the control is
    broken, 3 where both, else 0.
    """
    failing, controls = match(predictions)
    if not len(failing):
        return {"failing": [], "controls": [], "rows": []}
    sides = [(n, direction) for n in NUISANCES.values() for direction in n.ends]
    rows: list[list] = []
    for nuisance, direction in sides:
        turned = [
            _turned(reference, predictions, index, nuisance, direction)
            for index in (failing, controls)
        ]
        rows.append([NUISANCE, nuisance.key, direction, encode(*turned)])
    rows += _layers(reference, predictions, failing, controls)
    return {"failing": failing.tolist(), "controls": controls.tolist(), "rows": rows}


def match(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Indices of failures (F,) and for each of its own correct image with the nearest margin.

    Margins are predicted less true, and for correct images predicted less runner-up. Failures
    choose in the order of their margins, the closest to the boundary first, as long as there are
    correct images left.
    """
    wrong = predictions.predicted != predictions.targets
    top = np.sort(predictions.logits, axis=1)
    true = np.take_along_axis(predictions.logits, predictions.targets[:, None], axis=1)[:, 0]
    margin = np.where(wrong, top[:, -1] - true, top[:, -1] - top[:, -2])
    failing, free = (np.flatnonzero(which) for which in (wrong, ~wrong))
    failing = failing[np.argsort(margin[failing], kind="stable")][: len(free)]
    controls = []
    for index in failing:
        nearest = np.abs(margin[free] - margin[index]).argmin()
        controls.append(free[nearest])
        free = np.delete(free, nearest)
    return failing, np.array(controls, int)


def _turned(
    reference: Reference,
    predictions: Predictions,
    index: np.ndarray,
    nuisance: Nuisance,
    direction: int,
) -> np.ndarray:
    """Whether (F,) some step up to a small change repairs each image, or breaks a correct one."""
    pixels = torch.tensor(reference.test_images[index])
    info, targets = reference.info, predictions.targets[index]
    wrong = predictions.predicted[index] != targets
    turned = np.zeros(len(index), bool)
    for size in np.linspace(0, nuisance.small, STEPS + 1)[1:]:
        severity = nuisance.neutral + direction * float(size)
        changed = corrupt(pixels, nuisance.key, severity, mean=info.mean, indices=index.tolist())
        said = _classes(reference, to_inputs(changed, info.mean, info.std))
        turned |= np.where(wrong, said == targets, said != targets)
    return turned


@torch.inference_mode()
def _classes(reference: Reference, inputs: torch.Tensor) -> np.ndarray:
    return torch.cat([reference.network(b).argmax(1) for b in inputs.split(BATCH_SIZE)]).numpy()


def _layers(
    reference: Reference, predictions: Predictions, failing: np.ndarray, controls: np.ndarray
) -> list[list]:
    """The rows of each layer alone, and of all together."""
    singles = single_patches(NUM_CONVS)
    said = [
        patched_logits(
            reference.network,
            reference.inputs(reference.test_images[index]),
            reference.population,
        )[:, singles]
        .argmax(2)
        .numpy()
        for index in (failing, controls)
    ]
    repaired = said[0] == predictions.targets[failing, None]
    broken = said[1] != predictions.targets[controls, None]
    names = [*(str(number) for number in range(1, NUM_CONVS + 1)), ALL_LAYERS]
    return [
        [LAYER, name, 0, encode(repaired[:, place], broken[:, place])]
        for place, name in enumerate(names)
    ]
