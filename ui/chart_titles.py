"""What titles of exported figures say of the image and the networks behind them. No streamlit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from core.training.runs import Run
from ui.charts import DATA_SET
from ui.images import with_article
from ui.shown_image import ShownImage

JOINED = "\u00a0"
"""A space at which no line is broken."""


def about(image: ShownImage, seed: int) -> str:
    """Image, data set and seed: "test image 17, a 4, MNIST, seed 1".

    A user's own image is of no data set; the networks are.
    """
    own = image.index is None
    shown = "a user's own image" if own else f"test image{JOINED}{image.index}"
    label = "" if image.name is None else f", {with_article(image.name).replace(' ', JOINED)}"
    return f"{shown}{label}, {networks(seed) if own else f'{DATA_SET}, {said_seed(seed)}'}"


def networks(seed: int) -> str:
    """The networks that were asked of an image from elsewhere: "networks of MNIST, seed 1"."""
    return f"networks of {DATA_SET}, {said_seed(seed)}"


def said_seed(seed: int) -> str:
    """Such as "seed 1", never broken."""
    return f"seed{JOINED}{seed}"


def said_seeds(of_each: Iterable[Sequence[int]]) -> str:
    """Which runs were compared, from the seeds of each variant: "seed 1", "5 seeds" (1 to 5).

    Others than the first are named: "seeds 2, 4"; where variants differ: "1 to 5 seeds".
    """
    groups = [sorted(seeds) for seeds in of_each]
    every = sorted({seed for seeds in groups for seed in seeds})
    fewest, most = (size(map(len, groups), default=0) for size in (min, max))
    if len(every) == 1:
        return said_seed(every[0])
    if fewest < most:
        return f"{fewest} to {most} seeds"
    if most < len(every):
        return "one seed each" if most == 1 else f"{most} seeds each"
    if every == list(range(1, most + 1)):
        return f"{most} seeds"
    return f"seeds {', '.join(map(str, every))}"


def runs_in_file_name(dataset: str, by_variant: Mapping[str, Sequence[Run]]) -> str:
    """What files made of these runs of `dataset` are called: "mnist-5-seeds"."""
    seeds = said_seeds([run.seed for run in runs] for runs in by_variant.values() if runs)
    return f"{dataset}-{in_file_name(seeds)}"


def in_file_name(seeds: str) -> str:
    """What `said_seeds` says, in the name of a file: "seed-1", "5-seeds"."""
    return seeds.replace(",", "").replace(JOINED, "-").replace(" ", "-")
