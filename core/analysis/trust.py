"""How far one attribution map can be trusted: five tests, each with its figure.

- randomization: does it depend on the weights (`randomization`)?
- infidelity: does it predict how the output changes when parts of the image are taken away?
- max-sensitivity: does it stay when the image changes invisibly (both `faithfulness`)?
- deletion and insertion: are the pixels important that it calls so (`curves`)?
- seeds: how alike are the maps of networks that differ in the seed alone (`similarity`)?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd
from torch import Tensor

from core.analysis.attribution import AttributionMap, attribute
from core.analysis.baselines import Baseline
from core.analysis.curves import Curve, deletion_insertion
from core.analysis.faithfulness import Infidelity, measure_infidelity, measure_sensitivity
from core.analysis.randomization import (
    NUM_NETWORKS,
    Explain,
    RandomizationCheck,
    check_randomization,
)
from core.analysis.raw_attributions import MIN_STEPS, raw_attributions
from core.analysis.similarity import SeedSimilarity, seed_similarity
from core.analysis.threads import map_in_threads
from core.errors import UsageError
from core.model.network import Network

MAX_STEPS = 256
"""Of the maps for max-sensitivity, which hardly changes beyond; those of random networks get 64."""

NETWORKS = {"shapley_value_sampling": 2}
"""Random networks for a method whose maps take half a second each."""


@dataclass(frozen=True)
class Trust:
    """The tests of one map; `seeds` is None where no other seed has a valid map."""

    randomization: RandomizationCheck
    infidelity: Infidelity
    max_sensitivity: float
    deletion: Curve
    insertion: Curve
    seeds: SeedSimilarity | None

    def to_dict(self) -> dict:
        """Ready for JSON."""
        return asdict(self)

    def curves_frame(self) -> pd.DataFrame:
        """One row per curve and point: `kind, share, value, mean, low, high`."""
        return pd.concat([self.deletion.frame(), self.insertion.frame()], ignore_index=True)


def examine_map(
    network: Network,
    image: Tensor,
    found: AttributionMap,
    baseline: Baseline,
    other_seeds: Sequence[Network] = (),
    *,
    seed: int = 0,
) -> Trust:
    """All tests of the map `found` of `image` (1, 28, 28) under `network`, which stays as it is.

    `other_seeds` are networks of the same variant that other seeds trained. `UsageError` if there
    is no valid map.
    """
    if found.attributions is None:
        raise UsageError(f"There is no map of {found.variant} by {found.method} to test.")

    def explain_in(n_steps: int) -> Explain:
        return lambda network, inputs: raw_attributions(
            network, inputs, found.method, found.target, baseline, n_steps, seed
        )

    pixels, attributions = image.numpy(), found.attributions
    about = (pixels, attributions, found.target.weights, baseline.image)
    deletion, insertion = deletion_insertion(network, *about, seed=seed)
    return Trust(
        randomization=check_randomization(
            network,
            pixels,
            attributions,
            explain_in(MIN_STEPS),
            seed=seed,
            num_networks=NETWORKS.get(found.method, NUM_NETWORKS),
        ),
        infidelity=measure_infidelity(network, *about, found.method, seed=seed),
        max_sensitivity=measure_sensitivity(
            network, pixels, explain_in(min(found.n_steps or MIN_STEPS, MAX_STEPS)), seed=seed
        ),
        deletion=deletion,
        insertion=insertion,
        seeds=_compare_seeds(image, found, baseline, other_seeds, seed),
    )


def _compare_seeds(
    image: Tensor,
    found: AttributionMap,
    baseline: Baseline,
    other_seeds: Sequence[Network],
    seed: int,
) -> SeedSimilarity | None:
    """Similarity of all seeds' maps for one target; those that are not valid do not count."""
    others = map_in_threads(
        lambda other: attribute(other, image, found.method, found.target, baseline, seed=seed),
        other_seeds,
    )
    maps = [one.attributions for one in (found, *others) if one.attributions is not None]
    return seed_similarity(maps) if len(maps) > 1 else None
