"""An image and its company in the batch: who the mates are, and what the variants say then.

No streamlit, no torch.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from core.analysis.metrics import softmax
from core.training.runs import Run
from ui.charts import VARIANT_LABELS
from ui.failures_tables import variant_color
from ui.images import format_percent, mark, picture, with_article
from ui.shown_image import ShownImage

NUM_MATES = 63
STORED, ALONE, RANDOM, ONE_CLASS, OWN = "stored", "alone", "random", "one_class", "own"
BATCH_NORM = "batch"
ROUNDING = 1e-4
"""Logits of size 10 that differ by less have been computed in another order, not differently."""


@dataclass(frozen=True)
class Company(ShownImage):
    """An image, the networks that are asked of it (variant → run of `seed`) and its mates.

    `images` (N, 28, 28) uint8 and `targets` (N,) are the whole test set. `mates_class` is the class
    of which a batch of one class consists; `own` are the numbers of the mates that a user chose.
    """

    seed: int
    runs: Mapping[str, Run]
    images: np.ndarray
    targets: np.ndarray
    mates_class: int
    own: tuple[int, ...] = ()

    @property
    def batch_norm(self) -> list[str]:
        """The variants whose answer can depend on mates."""
        return [k for k, run in self.runs.items() if run.variant and run.variant.norm == BATCH_NORM]

    @property
    def file_stem(self) -> str:
        return f"{self.place}-seed-{self.seed}"

    def others(self, class_number: int | None = None) -> np.ndarray:
        """The numbers of all other test images, or of those of one class."""
        found = np.arange(len(self.targets))
        if class_number is not None:
            found = np.flatnonzero(self.targets == class_number)
        return found if self.index is None else found[found != self.index]

    def drawn(self, count: int, class_number: int | None = None) -> np.ndarray:
        """Up to `count` others in random order, always the same for the image.

        All users' own images have the same.
        """
        seed = [-1 if number is None else number for number in (self.index, class_number)]
        random = np.random.default_rng(np.array(seed) + 1)
        return random.permutation(self.others(class_number))[:count]

    def mates(self) -> dict[str, np.ndarray]:
        """The mates in each condition but `STORED`; `OWN` only if there are any."""
        found = {
            ALONE: np.empty(0, int),
            RANDOM: self.drawn(NUM_MATES),
            ONE_CLASS: self.drawn(NUM_MATES, self.mates_class),
        }
        return found | ({OWN: np.array(self.own)} if self.own else {})


def condition_labels(company: Company) -> dict[str, str]:
    """The conditions in words, for table and charts."""
    counts = {key: len(mates) for key, mates in company.mates().items()}
    name = company.info.class_names[company.mates_class]
    labels = {
        STORED: "running statistics",
        ALONE: "alone in the batch",
        RANDOM: f"with {counts[RANDOM]} random mates",
        ONE_CLASS: f"with {counts[ONE_CLASS]} mates of class {name}",
        OWN: f"with your {counts[OWN]} {'mates' if len(company.own) > 1 else 'mate'}"
        if company.own
        else "",
    }
    return {key: labels[key] for key in (STORED, *counts)}


def answers_frame(company: Company, logits: Mapping[tuple[str, str], np.ndarray]) -> pd.DataFrame:
    """One row per (variant, condition) of `logits` (10,): who says what, and how far it moved.

    `variant, condition, num_mates, predicted` (class name), `right, probability` (of the predicted
    class), `true_probability, change`: the largest |Δ logit| against running statistics. `right`
    and `true_probability` are None where the truth is not known.
    """
    mates, target, rows = company.mates(), company.target, []
    for (key, condition), values in logits.items():
        shares, predicted = softmax(values), int(values.argmax())
        rows.append(
            {
                "variant": key,
                "condition": condition,
                "num_mates": len(mates.get(condition, ())),
                "predicted": company.info.class_names[predicted],
                "right": None if target is None else predicted == target,
                "probability": float(shares[predicted]),
                "true_probability": None if target is None else float(shares[target]),
                "change": float(np.abs(values - logits[key, STORED]).max()),
            }
        )
    return pd.DataFrame(rows)


def answers_sentence(company: Company, frame: pd.DataFrame) -> str:
    """Who changes its mind in which company, in Markdown."""
    labels = condition_labels(company)
    changed = []
    for key in company.batch_norm:
        rows = frame[frame["variant"] == key].set_index("condition")
        before = rows["predicted"][STORED]
        words = [
            f"{labels[str(name)]} {with_article(said)}"
            for name, said in rows["predicted"].items()
            if said != before
        ]
        if words:
            changed.append(
                f"{VARIANT_LABELS.get(key, key)} sees {with_article(before)} with its "
                f"{labels[STORED]}, but {', '.join(words)}"
            )
    if changed:
        return f"**{'; '.join(changed)}.**"
    if company.batch_norm:
        return "**No batch-norm network changes its mind about this image in this company.**"
    return "There is no batch-norm network among these runs, so no answer depends on mates."


def proof_sentence(company: Company, frame: pd.DataFrame) -> str:
    """How far the logits of group and layer norm moved over the same batches."""
    rows = frame[~frame["variant"].isin(company.batch_norm)]
    if rows.empty:
        return ""
    batches = rows["condition"].nunique() - 1
    largest = rows["change"].max()
    return (
        f"Group and layer norm over the same {batches} batches: {moved_words(largest)}. They take "
        "mean and variance from the image alone."
    )


def answers_table(company: Company, frame: pd.DataFrame) -> str:
    """`answers_frame` as an HTML table, variants × conditions, shaded by the true probability.

    Where the truth is not known, by that of the predicted class.
    """
    labels = condition_labels(company)
    headings = "".join(f'<th scope="col">{escape(words)}</th>' for words in labels.values())
    rows = []
    for key, group in frame.groupby("variant", sort=False):
        by_condition = group.set_index("condition").to_dict("index")
        cells = "".join(_cell(by_condition[name], company) for name in labels)
        name = escape(VARIANT_LABELS.get(str(key), str(key)))
        rows.append(
            f'<tr style="--accent:{variant_color(str(key))}"><th scope="row">{name}</th>{cells}'
            f"<td>{change_words(group['change'].max())}</td></tr>"
        )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Answers by company">'
        f'<table class="heat company"><thead><tr><td></td>{headings}'
        '<th scope="col">largest |Δ logit|</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(row: Mapping[Hashable, Any], company: Company) -> str:
    said = f"{mark(row['predicted'], row['right'])}, {format_percent(row['probability'])}"
    share, small = row["probability"], ""
    if row["right"] is not None:
        share = row["true_probability"]
        small = "" if row["right"] else f"{company.name}: {format_percent(share)}"
    return (
        f'<td class="shade" style="--share:{share:.3f}">{escape(said)}'
        f"<small>{escape(small)}</small></td>"
    )


def change_words(change: float) -> str:
    """A |Δ logit| as people read it: "0", "4.8e-07" or "11.20"."""
    if change == 0:
        return "0"
    return f"{change:.1e}" if change < 0.005 else f"{change:.2f}"


def moved_words(change: float) -> str:
    """How far the logits moved at most, and whether that is more than rounding."""
    if change == 0:
        return "no logit moves at all"
    if change < ROUNDING:
        return f"no logit moves by more than {change_words(change)}, which is float32 rounding"
    return f"a logit moves by {change_words(change)}"


def offered(company: Company, size: int) -> list[int]:
    """Test images offered as mates: chosen ones of other classes, then some of the class."""
    found = company.others(company.mates_class)[:size].tolist()
    return [*(index for index in company.own if index not in found), *found]


def mates_strip(company: Company, indices: Sequence[int]) -> str:
    """Pictures for `ui/picker.py` that are in the batch or not; a click picks the number."""
    items = []
    for index in indices:
        name = company.info.class_names[company.targets[index]]
        pressed = index in company.own
        said = f"test image {index}, {with_article(name)}"
        items.append(
            f'<li><button type="button" data-pick="{index}" title="{escape(said)}" '
            f'aria-pressed="{str(pressed).lower()}">{picture(company.images, index, said)}'
            f'<span aria-hidden="true">{"✓ " if pressed else ""}{escape(name)}</span></button></li>'
        )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Pictures to choose mates from">'
        f'<ul class="strip">{"".join(items)}</ul></div>'
    )


def swapped_pictures(company: Company, indices: Sequence[int], words: str) -> str:
    """Test images in one row with their labels, as HTML; `words` says what the row is."""
    items = []
    for index in indices:
        name = company.info.class_names[company.targets[index]]
        said = f"{words}: test image {index}, {with_article(name)}"
        shown = picture(company.images, index, said)
        items.append(f'<li>{shown}<span aria-hidden="true">{escape(name)} · {index}</span></li>')
    return f'<ul class="strip shown" aria-label="{escape(words)}">{"".join(items)}</ul>'


def sizes_frame(found: Mapping[str, dict]) -> pd.DataFrame:
    """One row per variant and stored result of `core.analysis.batch_mates.accuracy_by_size`."""
    return pd.DataFrame(
        [{"variant": key, **row} for key, document in found.items() for row in document["sizes"]]
    )
