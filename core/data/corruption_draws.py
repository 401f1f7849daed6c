"""The random numbers of corruptions: one generator per image, so that no batch matters."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """The random numbers of one corruption: one generator per image, on the CPU."""

    seed: int
    key: str
    indices: Sequence[int]

    def generators(self) -> Iterator[np.random.Generator]:
        """One per image, from the seed, the corruption's name and the image's index."""
        stream = zlib.crc32(self.key.encode())
        for index in self.indices:
            yield np.random.default_rng((self.seed, stream, int(index)))

    def split(self, size: int) -> list[Draws]:
        """The same numbers for at most `size` images each."""
        starts = range(0, len(self.indices), size)
        return [replace(self, indices=self.indices[start : start + size]) for start in starts]

    def stack(self, draw: Callable[[np.random.Generator], np.ndarray]) -> Tensor:
        """What `draw` makes of each image's generator, (N, …)."""
        return torch.from_numpy(np.stack([draw(generator) for generator in self.generators()]))
