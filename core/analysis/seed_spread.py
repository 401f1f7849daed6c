"""How much more networks of several seeds differ than chance makes them, pooled. No torch.

The variance over a few seeds is itself hardly known, and 0 where they tie. Its ratio to what chance
alone would give can be pooled over all that is shown together (a dispersion: McCullagh and Nelder,
Generalized Linear Models, 1989, 4.5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class SeedSpread:
    """The variance between seeds over that of chance, at least 1, and its degrees of freedom."""

    dispersion: float
    freedom: int

    @classmethod
    def pool(cls, between: Iterable[float], chance: Iterable[float], freedom: int) -> SeedSpread:
        """From both variances of everything that has several seeds, weighted alike."""
        by_chance = sum(chance)
        return cls(max(1.0, sum(between) / by_chance) if by_chance else 1.0, freedom)


def student_quantile(freedom: float, alpha: float) -> float:
    """Student's t that both tails together exceed with probability `alpha`."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - alpha / 2))


def student_tails(freedom: float, t: float) -> float:
    """The probability of both tails beyond ± `t`."""
    from scipy.special import stdtr

    return 2 * float(stdtr(freedom, -abs(t)))
