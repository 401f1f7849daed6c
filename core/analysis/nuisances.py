"""The nuisances of D3: which corruptions, how far, and changes in words. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from core.data.corruptions import get_corruption


@dataclass(frozen=True)
class Nuisance:
    """A corruption between `low` and `high`, within which a digit stays itself to people.

    A change of at most `small` either way is called small. `sides` name the two directions. `less`
    and `more` say what would have to be so below and above the neutral value; they take the size
    of the change times `per` (100 for those in percent).
    """

    key: str
    label: str
    low: float
    high: float
    small: float
    sides: tuple[str, str]
    less: str
    more: str
    per: float = 1.0

    @property
    def neutral(self) -> float:
        return get_corruption(self.key).neutral

    @property
    def unit(self) -> str:
        return get_corruption(self.key).unit

    @property
    def ends(self) -> dict[int, float]:
        """The last severity of each direction, -1 and 1, that the nuisance has."""
        ends = {-1: self.low, 1: self.high}
        return {direction: end for direction, end in ends.items() if end != self.neutral}

    def side(self, direction: int) -> str:
        """The nuisance in one direction: "Stroke thickness: thinner"."""
        return f"{self.label}: {self.sides[direction > 0]}"

    def words(self, severity: float) -> str:
        """What would have to be so: "the stroke were 0.6 px thinner"."""
        change = severity - self.neutral
        return (self.less if change < 0 else self.more).format(abs(change) * self.per)

    def amount(self, severity: float) -> str:
        """The severity with its sign or factor and its unit: "−0.6 px", "×0.71"."""
        if self.unit == "×":
            return f"×{severity:.2f}"
        digits = 2 if abs(self.high) < 1 else 1
        unit = self.unit if self.unit == "°" else f" {self.unit}"
        return f"{severity:+.{digits}f}{unit}".replace("-", "−")


NUISANCES: dict[str, Nuisance] = {
    found.key: found
    for found in (
        Nuisance(
            *("contrast", "Contrast", 0.25, 1.75, 0.25),
            sides=("lower", "higher"),
            less="the contrast were {:.0f} % lower",
            more="the contrast were {:.0f} % higher, white staying white",
            per=100,
        ),
        Nuisance(
            *("brightness", "Brightness", -0.4, 0.4, 0.1),
            sides=("darker", "brighter"),
            less="the image were {:.2f} of white darker",
            more="the image were {:.2f} of white brighter",
        ),
        Nuisance(
            *("thickness", "Stroke thickness", -2, 2, 0.5),
            sides=("thinner", "thicker"),
            less="the stroke were {:.1f} px thinner",
            more="the stroke were {:.1f} px thicker",
        ),
        Nuisance(
            *("shear", "Slant", -30, 30, 10),
            sides=("to the left", "to the right"),
            less="the image leaned {:.0f}° less to the right",
            more="the image leaned {:.0f}° more to the right",
        ),
        Nuisance(
            *("shift_x", "Place sideways", -4, 4, 1),
            sides=("further left", "further right"),
            less="the image stood {:.1f} px further left",
            more="the image stood {:.1f} px further right",
        ),
        Nuisance(
            *("shift_y", "Place, up and down", -4, 4, 1),
            sides=("higher up", "lower down"),
            less="the image stood {:.1f} px higher",
            more="the image stood {:.1f} px lower",
        ),
        Nuisance(
            *("rotation", "Rotation", -30, 30, 10),
            sides=("clockwise", "counter-clockwise"),
            less="the image were turned {:.0f}° clockwise",
            more="the image were turned {:.0f}° counter-clockwise",
        ),
        Nuisance(
            *("scale", "Scale", 0.6, 1.4, 0.1),
            sides=("smaller", "larger"),
            less="the image were {:.0f} % smaller",
            more="the image were {:.0f} % larger",
            per=100,
        ),
        Nuisance(
            *("gaussian_noise", "Noise", 0, 0.4, 0.1),
            sides=("less", "added"),
            less="",
            more="noise of standard deviation {:.2f} lay over the image",
        ),
    )
}
