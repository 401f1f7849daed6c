"""Why a network decides as it does for one image, as far as its normalization is concerned.

B batch, L normalization layer, K class, C channel. Gate 0 (`persistence`) says whether a failure
belongs to the variant or to this seed; D1 (`patching`) which layer's statistics carry the margin,
against controls; D2 (`head`) which channels carry it; `gradient_share` how far pixels act through
the statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from core.analysis.gradient_share import gradient_share
from core.analysis.head import HeadDecomposition, decompose_head, last_maps
from core.analysis.normalizing import displaced
from core.analysis.patching import (
    family_band,
    margins,
    patched_logits,
    repair_values,
    single_patches,
)
from core.analysis.reference import Reference, statistics_in_use
from core.analysis.sentences import describe
from core.analysis.target import DEFAULT_TARGET, Target, resolve_target
from core.analysis.threads import map_in_threads
from core.config import Variant
from core.model.network import NUM_CONVS


@dataclass(frozen=True)
class Patching:
    """D1 of one image. Arrays are (L,), or (L + 1,) with all layers patched at once as the last.

    `phi`: how much of the margin patching each layer takes away; they sum to `margin` -
    `margin_all`. `control_low`, `control_high` and `donor_low`, `donor_high` (L,): what
    chance leaves in at most 5 % of images, over all layers: see `patching.family_band`.
    `named` (L,): φ above both. `flips` (L + 1,): the patch makes a wrong prediction right, or
    changes a right one (or one of unknown truth). `break_rate` (L + 1,): the share of
    `num_controls` equally close correct images whose prediction it changes; `fix_rate` (L + 1,):
    the share of all `num_failures` failures of this network that it makes right.
    """

    phi: np.ndarray
    margin: float
    margin_all: float
    control_low: np.ndarray
    control_high: np.ndarray
    donor_low: np.ndarray
    donor_high: np.ndarray
    named: np.ndarray
    flips: np.ndarray
    break_rate: np.ndarray
    fix_rate: np.ndarray
    num_controls: int
    num_donors: int
    num_failures: int
    num_population: int


@dataclass(frozen=True)
class Diagnosis:
    """All diagnostics of one image under one network.

    `true` is None where it is unknown. `persistence` holds the rows of Gate 0 for this image and
    variant, or is None where seeds are too few. `gradient_share` is in [0, 1].
    """

    variant: Variant
    seed: int | None
    true: int | None
    predicted: int
    target: Target
    patching: Patching
    head: HeadDecomposition
    gradient_share: float
    persistence: pd.DataFrame | None
    class_names: tuple[str, ...]

    @property
    def correct(self) -> bool | None:
        """Whether the prediction is right; None where the true class is unknown."""
        return None if self.true is None else self.true == self.predicted

    @property
    def sentences(self) -> list[str]:
        """What was found, in plain words with the figures."""
        return describe(self)

    def layers_frame(self) -> pd.DataFrame:
        """One row per normalization layer, counted from 1.

        `layer, phi, control_band, donor_band` (upper bounds), `control_low, donor_low, flips,
        break_rate, fix_rate, named`.
        """
        p = self.patching
        return pd.DataFrame(
            {
                "layer": range(1, len(p.phi) + 1),
                "phi": p.phi,
                "control_band": p.control_high,
                "donor_band": p.donor_high,
                "control_low": p.control_low,
                "donor_low": p.donor_low,
                "flips": p.flips[:-1],
                "break_rate": p.break_rate[:-1],
                "fix_rate": p.fix_rate[:-1],
                "named": p.named,
            }
        )

    def channels_frame(self) -> pd.DataFrame:
        """One row per channel before the head: `channel, total, reference, content, rescaling`."""
        return self.head.frame()

    def to_dict(self) -> dict:
        """Everything, ready for JSON; infinite bounds are None."""
        p, head = self.patching, self.head
        layers = self.layers_frame().replace({np.inf: None, -np.inf: None})
        rows = self.persistence
        return {
            "variant": self.variant.key,
            "seed": self.seed,
            "true": self.true,
            "predicted": self.predicted,
            "correct": self.correct,
            "target": self.target.text,
            "margin": p.margin,
            "margin_all_patched": p.margin_all,
            "layers": layers.to_dict("records"),
            "all_layers": {
                "flips": bool(p.flips[-1]),
                "break_rate": float(p.break_rate[-1]),
                "fix_rate": float(p.fix_rate[-1]),
            },
            "num_controls": p.num_controls,
            "num_donors": p.num_donors,
            "num_failures": p.num_failures,
            "num_population": p.num_population,
            "channels": self.channels_frame().to_dict("records"),
            "bias": head.bias,
            "rescaling_share": head.rescaling_share,
            "gradient_share": self.gradient_share,
            "persistence": None if rows is None else rows.to_dict("records"),
            "sentences": self.sentences,
        }


def diagnose(
    reference: Reference,
    image: np.ndarray,
    true: int | None,
    *,
    index: int | None = None,
    gate: pd.DataFrame | None = None,
) -> Diagnosis:
    """Diagnoses the run of `reference` on `image` (28, 28) uint8 with that true class.

    `index` is its place in the test set, if it has one; with `gate`, the frame that
    `persistence.persistence` gives, the diagnosis then says what persists over seeds. Explained is
    predicted minus true, and where the prediction is right or the truth unknown predicted minus
    runner-up.
    """
    inputs = reference.inputs(image[None])
    logits = patched_logits(reference.network, inputs, reference.population)
    info = reference.info
    target = resolve_target(DEFAULT_TARGET, logits[0, 0].numpy(), true, info.class_names)
    weights = torch.tensor([target.weights])
    maps = last_maps(reference.network, inputs)[0]
    variant = reference.network.variant
    return Diagnosis(
        variant=variant,
        seed=reference.seed,
        true=true,
        predicted=target.positive,
        target=target,
        patching=_patch(reference, inputs, logits, target, true, index),
        head=decompose_head(
            reference.network, maps, np.array(target.weights), reference.background
        ),
        gradient_share=float(gradient_share(reference.network, inputs, weights)),
        persistence=_rows_of(gate, index, variant.key),
        class_names=info.class_names,
    )


def diagnose_all(
    references: Mapping[str, Reference],
    image: np.ndarray,
    true: int | None,
    *,
    index: int | None = None,
    gate: pd.DataFrame | None = None,
) -> dict[str, Diagnosis]:
    """`diagnose` for several runs, beside each other in threads, at most one per core."""
    found = map_in_threads(
        lambda reference: diagnose(reference, image, true, index=index, gate=gate),
        references.values(),
    )
    return dict(zip(references, found, strict=True))


def _rows_of(gate: pd.DataFrame | None, index: int | None, key: str) -> pd.DataFrame | None:
    if gate is None or index is None:
        return None
    mine = (gate["index"] == index) & ((gate["a"] == key) | (gate["b"] == key))
    return gate[mine].reset_index(drop=True)


def _patch(
    reference: Reference,
    inputs: torch.Tensor,
    logits: torch.Tensor,
    target: Target,
    true: int | None,
    index: int | None,
) -> Patching:
    """D1 from the `logits` (1, S, K) of all coalitions, with both controls."""
    weights = torch.tensor([target.weights])
    values = margins(logits, weights)
    phi = repair_values(values)[0]
    singles = single_patches(NUM_CONVS)
    patched = logits[0, singles].argmax(1).numpy()
    wrong = true is not None and true != target.positive
    flips = patched == true if wrong else patched != target.positive
    controls = reference.nearest_controls(abs(values[0, 0]), index)
    control_phi, broken = _control_values(reference, controls)
    donor_phi = _donor_values(reference, inputs, weights, target.positive if true is None else true)
    control_low, control_high = family_band(control_phi)
    donor_low, donor_high = family_band(donor_phi)
    return Patching(
        phi=phi,
        margin=float(values[0, 0]),
        margin_all=float(values[0, -1]),
        control_low=control_low,
        control_high=control_high,
        donor_low=donor_low,
        donor_high=donor_high,
        named=(phi > control_high) & (phi > donor_high),
        flips=flips,
        break_rate=broken,
        fix_rate=reference.fixed / max(1, reference.num_failures),
        num_controls=len(control_phi),
        num_donors=len(donor_phi),
        num_failures=reference.num_failures,
        num_population=reference.num_population,
    )


def _control_values(reference: Reference, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """φ (N, L) of the test images at `index`, predicted minus runner-up, and break rates (L + 1,).

    The alternative is the one that the explained image gets.
    """
    inputs = reference.inputs(reference.test_images[index])
    logits = patched_logits(reference.network, inputs, reference.population)
    top = logits[:, 0].topk(2).indices
    weights = torch.zeros_like(logits[:, 0])
    weights.scatter_(1, top, torch.tensor([1.0, -1.0]).expand(len(top), 2))
    patched = logits[:, single_patches(NUM_CONVS)].argmax(2)
    broken = (patched != top[:, :1]).float().mean(0).numpy()
    return repair_values(margins(logits, weights)), broken


def _donor_values(
    reference: Reference, inputs: torch.Tensor, weights: torch.Tensor, donor_class: int
) -> np.ndarray:
    """φ (N, L) of the image when its statistics are changed by as much as differs between images.

    The alternative is what each layer uses for this image (not the population's), displaced as each
    of N training images of `donor_class` differs from their mean. The donors' own statistics would
    be no control: where the image's are at fault, they repair it as well as the population's do.
    """
    donors = reference.donors[donor_class]
    used = statistics_in_use(reference.network, inputs)
    alternative = [displaced(n, s, d) for (n, s), d in zip(used, donors, strict=True)]
    num = len(donors[0].mean)
    logits = patched_logits(reference.network, inputs.expand(num, -1, -1, -1), alternative)
    return repair_values(margins(logits, weights.expand(num, -1)))
