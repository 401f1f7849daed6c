"""What networks say of images that nobody has labelled: answers, doubt, agreement.

N image, V network, K class. Torch is imported only where networks are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.analysis.metrics import log_softmax, wilson_interval
from core.config import NUM_CLASSES, variant_label
from core.data.datasets import DatasetInfo

if TYPE_CHECKING:
    from torch import nn

COLUMNS = [
    *("image", "variant", "label", "predicted", "predicted_name", "probability"),
    *("runner_up", "runner_up_name", "runner_up_probability", "margin", "entropy"),
    "probabilities",
]
ACCURACY_COLUMNS = [
    *("variant", "label", "num_images", "errors", "accuracy_percent", "low_percent"),
    "high_percent",
]


def predict(
    networks: Mapping[str, nn.Module], images: np.ndarray, info: DatasetInfo
) -> dict[str, np.ndarray]:
    """Logits (N, 10) float32 of each network for images (N, 28, 28) uint8, normalized as `info`.

    Each image goes through alone: the order of float32 sums depends on the size of a batch, and so
    would the last digits of an answer on what else was asked. The networks, on the CPU, are read
    only and must be in evaluation mode (`ValueError`), since training would change them.
    """
    import torch

    from core.data.augmentation import normalize

    for key, network in networks.items():
        if network.training:
            raise ValueError(f"{key} is in training mode: call eval() first.")
    # A copy of the images, because arrays of a data set may be read-only or seen from behind.
    inputs = normalize(torch.tensor(np.ascontiguousarray(images)), info.mean, info.std)
    found = {key: np.empty((len(images), NUM_CLASSES), np.float32) for key in networks}
    with torch.inference_mode():
        for index in range(len(images)):
            for key, network in networks.items():
                found[key][index] = network(inputs[index : index + 1])[0].numpy()
    return found


def describe_logits(logits: np.ndarray) -> dict:
    """`label, probability, runner_up, runner_up_probability, margin, entropy, probabilities,
    logits` of one image's logits (K,).

    `label` and `runner_up` are the classes with the largest and second largest logit (of equal
    ones the lower class), `margin` is the difference of the two, `entropy` that of the
    probabilities in bits, from 0 to log2 K (Shannon, 1948).
    """
    logs = log_softmax(logits)
    probabilities = np.exp(logs)
    label, runner_up = (int(place) for place in np.argsort(-logits, kind="stable")[:2])
    return {
        "label": label,
        "probability": float(probabilities[label]),
        "runner_up": runner_up,
        "runner_up_probability": float(probabilities[runner_up]),
        "margin": float(logits[label]) - float(logits[runner_up]),
        "entropy": max(0.0, float(-(probabilities * logs).sum() / np.log(2))),
        "probabilities": probabilities.tolist(),
        "logits": logits.tolist(),
    }


def answers_frame(logits: Mapping[str, np.ndarray], class_names: Sequence[str]) -> pd.DataFrame:
    """One row per image and network, image by image, from logits (N, K) of each network.

    Columns `image` (from 0), `variant, label` (the variant's name in words), `predicted` (class
    index), `predicted_name, probability, runner_up, runner_up_name, runner_up_probability,
    margin` (logits), `entropy` (bits), `probabilities` (list of K): see `describe_logits`.
    """
    num_images = min(map(len, logits.values()), default=0)
    rows = []
    for image in range(num_images):
        for key, found in logits.items():
            said = describe_logits(found[image])
            predicted = said.pop("label")
            rows.append(
                {
                    "image": image,
                    "variant": key,
                    "label": variant_label(key),
                    "predicted": predicted,
                    "predicted_name": class_names[predicted],
                    "runner_up_name": class_names[said["runner_up"]],
                    **said,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


@dataclass(frozen=True)
class Agreement:
    """Who says what of one image: `classes` maps each predicted class to the variants that say so.

    The class that most say comes first; of equally many the lower class.
    """

    classes: Mapping[int, tuple[str, ...]]

    @property
    def unanimous(self) -> bool:
        return len(self.classes) == 1

    @property
    def num_variants(self) -> int:
        return sum(map(len, self.classes.values()))

    @property
    def largest(self) -> int:
        """How many variants say what most say."""
        return max(map(len, self.classes.values()))


def agreement(frame: pd.DataFrame) -> Agreement:
    """From the rows of one image in `answers_frame`; `ValueError` for several or none."""
    if frame["image"].nunique() != 1:
        raise ValueError("Give the rows of one image.")
    said: dict[int, tuple[str, ...]] = {}
    for predicted, key in zip(frame["predicted"], frame["variant"], strict=True):
        said[predicted] = (*said.get(predicted, ()), key)
    return Agreement(dict(sorted(said.items(), key=lambda item: (-len(item[1]), item[0]))))


def agreement_sentence(found: Agreement, class_names: Sequence[str]) -> str:
    """Who says what, such as "Read as 7 by 4 of 6 variants; as 1 by Layer norm, Layer norm + L2."

    A majority is counted; everyone else is named.
    """
    (first, keys), *others = found.classes.items()
    name, total = class_names[first], found.num_variants
    if total == 1:
        return f"{_labels(keys)} reads it as {name}."
    if found.unanimous:
        return f"{all_of(total).capitalize()} variants read it as {name}."
    who = f"{len(keys)} of {total} variants" if 2 * len(keys) > total else _labels(keys)
    parts = [f"as {class_names[said]} by {_labels(by)}" for said, by in others]
    return f"{'; '.join([f'Read as {name} by {who}', *parts])}."


def all_of(count: int) -> str:
    """How one says that none of two or more is left out: "both" or "all 6"."""
    return "both" if count == 2 else f"all {count}"


def accuracy_frame(frame: pd.DataFrame, labels: Sequence[int | None]) -> pd.DataFrame:
    """How often each network is right among the images whose class is known.

    `frame` comes from `answers_frame`; `labels` holds the true class of each image or None. One row
    per network: `variant, label, num_images, errors, accuracy_percent, low_percent, high_percent`
    (Wilson, 95 %). Empty where no class is known.
    """
    true = frame["image"].map(dict(enumerate(labels)))
    known = frame[true.notna()]
    wrong = known["predicted"] != true[true.notna()]
    rows = []
    for (key, label), errors in wrong.groupby([known["variant"], known["label"]], sort=False):
        low, high = wilson_interval(int(errors.sum()), len(errors))
        accuracy = 100 * (1 - errors.mean())
        rows.append((key, label, len(errors), int(errors.sum()), accuracy, 100 * low, 100 * high))
    return pd.DataFrame(rows, columns=ACCURACY_COLUMNS)


def _labels(keys: Sequence[str]) -> str:
    return ", ".join(map(variant_label, keys))
