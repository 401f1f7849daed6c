"""The fewest mates whose exchange makes batch norm change its mind about an image.

k mate, P pooled image, K class. The image and its k mates are one batch in training mode. Which
exchange moves the prediction most is estimated from one derivative: of the margin with respect to
the weight of every image in the batch statistics (members have weight 1, pooled images 0), the
first-order influence of an observation (Hampel 1974, JASA 69). Every exchange that counts is then
computed exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from core.analysis.batch_mates import logits_together
from core.analysis.normalizing import Statistics, apply

BUDGET = 40_000
"""Images passed through the network at most; a search that needs more stops and says so."""
BEAM = 2
REMOVED, ADDED = 2, 6
"""Mates that leave and pooled images that come, tried in all pairs for each batch of the beam."""


@dataclass(frozen=True)
class Flip:
    """What a search found; its numbers are rows of the images that were given to it.

    `removed` leave the batch and `added` come, as many; both are empty where nothing flips.
    `before` and `after` are the logits (K,) of the image with the first mates and with the last
    ones; where nothing flips, `after` is the nearest to it. `exhaustive`: every single exchange was
    tried. `passes` is how many images went through the network.
    """

    removed: tuple[int, ...]
    added: tuple[int, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    exhaustive: bool
    passes: int
    out_of_budget: bool

    @property
    def found(self) -> bool:
        """Whether an exchange was found that changes the prediction."""
        return bool(self.added)

    @property
    def is_smallest(self) -> bool:
        """Whether no smaller exchange can exist; else it is only the smallest that was found."""
        return len(self.added) == 1 or (self.exhaustive and len(self.added) == 2)


def search_flip(
    network: nn.Sequential,
    images: Tensor,
    num_mates: int,
    budget: int = BUDGET,
    on_progress: Callable[[int], None] = lambda passes: None,
) -> Flip:
    """Looks for the fewest exchanges of mates that change what `network` says of the first image.

    `images` (1 + k + P, 1, 28, 28), normalized: the image, its k = `num_mates` mates, the pool that
    others come from. Where all k · P single exchanges fit into half the budget, all are tried; else
    those with the largest estimated influence, and further exchanges as a beam search. The search
    is deterministic, and a flip it reports was computed with exactly that batch. `on_progress`
    hears how many of `budget` are spent.
    """
    work = _Work(network, images, num_mates)
    beam = [tuple(range(1, num_mates + 1))]
    before = work.logits(beam)[0]
    predicted, best = int(before.argmax()), beam[0]
    singles = [batch for row in range(num_mates) for batch in work.exchanges(beam[0], [row + 1])]
    exhaustive = len(singles) * (num_mates + 1) <= budget // 2
    after, flipped, spent = before, False, False
    for step in range(num_mates):
        try_all = exhaustive and step == 0
        spent = not try_all and work.passes + work.cost(beam) > budget
        candidates = singles if try_all else [] if spent else work.promising(beam, predicted)
        if not candidates:
            break
        logits = work.logits(candidates)
        on_progress(work.passes)
        order = margins(logits, predicted).argsort(stable=True).tolist()
        best, after = candidates[order[0]], logits[order[0]]
        beam = [candidates[rank] for rank in order[:BEAM]]
        if flipped := bool(after.argmax() != predicted):
            break
    changed = [place for place, row in enumerate(best) if row > num_mates and flipped]
    return Flip(
        removed=tuple(place + 1 for place in changed),
        added=tuple(best[place] for place in changed),
        before=tuple(before.tolist()),
        after=tuple(after.tolist()),
        exhaustive=exhaustive,
        passes=work.passes,
        out_of_budget=spent,
    )


def margins(logits: Tensor, predicted: int) -> Tensor:
    """Logit of `predicted` less the largest other one, of logits (…, K): (…)."""
    others = logits.clone()
    others[..., predicted] = -torch.inf
    return logits[..., predicted] - others.amax(-1)


class _Work:
    """Batches as tuples of rows of `images`, the mate at each place; counts what it computes."""

    def __init__(self, network: nn.Sequential, images: Tensor, num_mates: int) -> None:
        self.network, self.images, self.num_mates = network, images, num_mates
        self.passes = 0

    def logits(self, batches: list[tuple[int, ...]]) -> Tensor:
        """Logits (M, K) of the image among each of M sets of mates."""
        rows = torch.tensor([(0, *mates) for mates in batches])
        self.passes += rows.numel()
        # Only what is needed at a time is gathered: the batches share most of their images.
        parts = [logits_together(self.network, self.images[r])[:, 0] for r in rows.split(64)]
        return torch.cat(parts)

    def exchanges(
        self, mates: tuple[int, ...], leaving: list[int], coming: list[int] | None = None
    ) -> list[tuple[int, ...]]:
        """Every batch in which one of the mates `leaving` is replaced by one of `coming`."""
        pool = range(self.num_mates + 1, len(self.images)) if coming is None else coming
        return [
            tuple(new if mate == old else mate for mate in mates)
            for old in leaving
            for new in pool
            if new not in mates
        ]

    def cost(self, beam: list[tuple[int, ...]]) -> int:
        """Passes that `promising` and asking for what it finds take at most."""
        return len(beam) * (3 * len(self.images) + REMOVED * ADDED * (self.num_mates + 1))

    def promising(self, beam: list[tuple[int, ...]], predicted: int) -> list[tuple[int, ...]]:
        """The exchanges of each batch that should lower the margin most, none twice."""
        found: dict[frozenset[int], tuple[int, ...]] = {}
        for mates in beam:
            effect = influence(self.network, self.images, mates, predicted)
            self.passes += 3 * len(self.images)  # a derivative costs about three passes
            ascending = effect.argsort(stable=True).tolist()
            coming = [row for row in ascending if row > self.num_mates and row not in mates]
            leaving = [row for row in reversed(ascending) if row in mates and row <= self.num_mates]
            for batch in self.exchanges(mates, leaving[:REMOVED], coming[:ADDED]):
                found.setdefault(frozenset(batch), batch)
        return list(found.values())


def influence(
    network: nn.Sequential, images: Tensor, mates: tuple[int, ...], predicted: int
) -> Tensor:
    """Derivative (n,) of the first image's margin by the weight of each of `images` in its batch.

    The rows `mates` and row 0 have weight 1, the others 0. Only batch norm depends on weights.
    """
    weights = torch.zeros(len(images), dtype=images.dtype)
    weights[[0, *mates]] = 1
    weights.requires_grad_()
    with torch.enable_grad():
        x = images
        for module in network:
            x = _weighted(module, x, weights) if isinstance(module, nn.BatchNorm2d) else module(x)
        # The zero makes it a function of the weights, without batch norm too.
        margin = margins(x[0], predicted) + 0 * weights.sum()
    return torch.autograd.grad(margin, weights)[0]


def _weighted(norm: nn.BatchNorm2d, h: Tensor, weights: Tensor) -> Tensor:
    """Batch norm of h (n, C, H, W) with weighted mean and weighted biased variance."""
    shares = weights / weights.sum()
    mean = shares @ h.mean(dim=(2, 3))
    var = shares @ (h - mean[:, None, None]).square().mean(dim=(2, 3))
    return apply(norm, h, Statistics(mean[None], var[None]))
