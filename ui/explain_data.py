"""What the variants say of one image, as frames and sentences; no streamlit, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.analysis.metrics import softmax
from core.analysis.predict import agreement, agreement_sentence, all_of, answers_frame
from core.data.datasets import DatasetInfo
from core.training.runs import Predictions, Run
from ui.charts import VARIANT_LABELS
from ui.images import format_percent, with_article
from ui.shown_image import ShownImage

STRIP_SIZE = 60
"""Pictures offered at once; more would take longer to send than to find by number."""


@dataclass(frozen=True)
class Subject(ShownImage):
    """The image that is explained, and the networks that explain themselves.

    `runs` maps each variant to its run of `seed`; `logits` to what that run says of the image,
    (10,) float32, and `predicted` to the class it decided on, which has the largest.
    """

    seed: int
    variant: str
    runs: Mapping[str, Run]
    logits: Mapping[str, np.ndarray]
    predicted: Mapping[str, int]

    @property
    def file_stem(self) -> str:
        """How files made from this view are called."""
        return f"{self.place}-seed-{self.seed}"


def make_subject(
    info: DatasetInfo,
    index: int,
    variant: str,
    runs: Mapping[str, Run],
    predictions: Mapping[str, Predictions],
    image: np.ndarray | None,
) -> Subject:
    """Test image `index` as the `runs` of one seed (variant → run) see it."""
    return Subject(
        info=info,
        index=index,
        target=int(predictions[variant].targets[index]),
        seed=runs[variant].seed,
        variant=variant,
        runs=runs,
        logits={key: _decided(found, index) for key, found in predictions.items()},
        predicted={key: int(found.predicted[index]) for key, found in predictions.items()},
        image=image,
    )


def own_subject(
    info: DatasetInfo,
    image: np.ndarray,
    target: int | None,
    variant: str,
    runs: Mapping[str, Run],
    logits: Mapping[str, np.ndarray],
) -> Subject:
    """A user's image (28, 28) uint8 of which the `runs` of one seed say `logits` (10,)."""
    predicted = {key: int(found.argmax()) for key, found in logits.items()}
    return Subject(info, None, target, image, runs[variant].seed, variant, runs, logits, predicted)


def _decided(found: Predictions, index: int) -> np.ndarray:
    """The logits (10,) of one image, ties of their half precision broken as the network decided."""
    logits, predicted = found.logits[index].copy(), found.predicted[index]
    if logits.argmax() != predicted:
        logits[predicted] = np.nextafter(logits.max(), np.float32(np.inf))
    return logits


def verdicts(subject: Subject) -> pd.DataFrame:
    """One row per variant: `variant, label, predicted` (class name), `right, probability` (of the
    predicted class), `true_probability, margin`.

    The margin is the logit of the true class less the largest other one, below 0 exactly where the
    variant is wrong. Where the truth is not known, it is that of the predicted class, and `right`
    and `true_probability` are None.
    """
    names, target = subject.info.class_names, subject.target
    rows = []
    for key, logits in subject.logits.items():
        shares, predicted = softmax(logits), subject.predicted[key]
        of = predicted if target is None else target
        rows.append(
            {
                "variant": key,
                "label": VARIANT_LABELS.get(key, key),
                "predicted": names[predicted],
                "right": None if target is None else predicted == target,
                "probability": float(shares[predicted]),
                "true_probability": None if target is None else float(shares[target]),
                "margin": float(logits[of]) - float(np.delete(logits, of).max()),
            }
        )
    return pd.DataFrame(rows)


def class_probabilities(subject: Subject) -> pd.DataFrame:
    """One row per variant and class: `variant, class, logit, probability, is_target`.

    `is_target` is None where the true class is not known.
    """
    names, target = subject.info.class_names, subject.target
    return pd.DataFrame(
        {
            "variant": key,
            "class": name,
            "logit": float(logit),
            "probability": float(share),
            "is_target": None if target is None else number == target,
        }
        for key, logits in subject.logits.items()
        for number, (name, logit, share) in enumerate(
            zip(names, logits, softmax(logits), strict=True)
        )
    )


def verdict_sentence(subject: Subject) -> str:
    """Who is wrong, and what they take the image for, in one line of Markdown.

    Where the truth is not known: whether they agree, and what they take it for.
    """
    if subject.target is None:
        return _opinions(subject)
    frame = verdicts(subject)
    wrong, everyone = frame[~frame["right"]], f"{all_of(len(frame)).capitalize()} variants"
    if len(frame) == 1:
        return _of_the_only_one(frame.iloc[0])
    if wrong.empty:
        return f"**{everyone} are right.** {_least_certain(frame)}"
    if len(wrong) == len(frame) and wrong["predicted"].nunique() == 1:
        return f"**{everyone} take it for {with_article(wrong['predicted'][0])}.**"
    who = everyone if len(wrong) == len(frame) else f"{len(wrong)} of {len(frame)} variants"
    taken = "; ".join(
        f"for {with_article(str(name))} by {', '.join(rows['label'])}"
        for name, rows in wrong.groupby("predicted", sort=False)
    )
    verb = "is" if len(wrong) == 1 else "are"
    return f"**{who} {verb} wrong.** It is taken {taken}."


def _of_the_only_one(verdict: pd.Series) -> str:
    share = format_percent(verdict["probability"])
    taken = f"takes it for {with_article(verdict['predicted'])}"
    return f"**{verdict['label']} {'is right' if verdict['right'] else taken}**, with {share}."


def _opinions(subject: Subject) -> str:
    names = subject.info.class_names
    found = agreement(answers_frame({k: one[None] for k, one in subject.logits.items()}, names))
    return f"**{agreement_sentence(found, names)}** {_least_certain(verdicts(subject))}"


def _least_certain(frame: pd.DataFrame) -> str:
    least = frame.sort_values("margin").iloc[0]
    share = format_percent(frame["probability"].min())
    if len(frame) > 1 and share == format_percent(1):
        return f"{all_of(len(frame)).capitalize()} with {share}."
    return f"The least certain is {least['label']}, with {format_percent(least['probability'])}."


def failing_images(failures: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """The images on which any seed of one variant fails, those that most seeds fail on first.

    `failures` maps a seed to a frame of failures. Columns `index, target, predicted, probability`
    (of the most certain failing seed), `seeds` (how many fail) and `first_seed` (that fails).
    """
    rows = pd.concat([frame.assign(seed=seed) for seed, frame in failures.items()])
    rows = rows.sort_values(["probability", "index"], ascending=[False, True])
    groups = rows.groupby("index")
    first = groups[["target", "predicted", "probability"]].first()
    counted = first.assign(seeds=groups.size(), first_seed=groups["seed"].min()).reset_index()
    return counted.sort_values(["seeds", "probability", "index"], ascending=[False, False, True])


def around(indices: Sequence[int], current: int, size: int = STRIP_SIZE) -> slice:
    """The part of `indices` that is offered: at most `size`, about `current` if it is there."""
    found = list(indices)
    position = found.index(current) if current in found else 0
    start = max(0, min(position - size // 2, len(found) - size))
    return slice(start, start + size)
