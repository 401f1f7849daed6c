"""Every corruption by name, with its unit, its range and its definition in a sentence. No torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from core.errors import UsageError

MNIST_C_PAPER = "Mu and Gilmer 2019, arXiv 1906.02337"


@dataclass(frozen=True)
class Corruption:
    """A change of the image whose size is the severity, in `unit`, between `low` and `high`.

    `neutral` leaves the image exactly as it is. `grid` holds the severities of a curve, ascending,
    the neutral one among them; `step` is a slider's. `family` is "own" or "mnist_c"; a severity of
    MNIST-C is a whole level, of which `published` is the one in the published data set. `random`
    says that it draws random numbers.
    """

    key: str
    label: str
    unit: str
    neutral: float
    grid: tuple[float, ...]
    step: float
    summary: str
    random: bool = False
    family: str = "own"
    published: float | None = None
    paper: str | None = None

    @property
    def low(self) -> float:
        return self.grid[0]

    @property
    def high(self) -> float:
        return self.grid[-1]

    def check(self, severity: float) -> None:
        """Raises `UsageError` unless the severity lies in the range (MNIST-C: is a level)."""
        whole = self.family == "own" or float(severity).is_integer()
        if not (math.isfinite(severity) and self.low <= severity <= self.high and whole):
            raise UsageError(f"{self.key} is {severity:g}: {self.choice}.")

    @property
    def choice(self) -> str:
        """What a severity may be, in words: "choose from 0.05 to 2 ×"."""
        kind = "" if self.family == "own" else "a whole level "
        return f"choose {kind}from {self.low:g} to {self.high:g} {self.unit}".rstrip()


GEOMETRY = (
    Corruption(
        *("scale", "Scale", "×", 1.0, (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4, 1.6)),
        step=0.05,
        summary="The image is enlarged or shrunk about its centre, black around it.",
    ),
    Corruption(
        *("shear", "Shear", "°", 0.0, (-45, -30, -20, -10, -5, 0, 5, 10, 20, 30, 45)),
        step=1.0,
        summary="Rows move sideways until upright strokes lean by the angle, above 0 to the right.",
    ),
    Corruption(
        *("rotation", "Rotation", "°", 0.0, (-60, -45, -30, -20, -10, 0, 10, 20, 30, 45, 60)),
        step=1.0,
        summary="The image turns about its centre, above 0 counter-clockwise.",
    ),
    Corruption(
        *("shift_x", "Shift sideways", "px", 0.0, (-7, -5, -3, -2, -1, 0, 1, 2, 3, 5, 7)),
        step=0.5,
        summary="The image moves sideways, above 0 to the right; black follows.",
    ),
    Corruption(
        *("shift_y", "Shift up or down", "px", 0.0, (-7, -5, -3, -2, -1, 0, 1, 2, 3, 5, 7)),
        step=0.5,
        summary="The image moves up or down, above 0 down; black follows.",
    ),
)
STROKE = (
    Corruption(
        *("thickness", "Stroke thickness", "px", 0.0),
        grid=(-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4),
        step=0.1,
        summary="Strokes become this much thicker, or below 0 thinner: each edge moves by half.",
    ),
    Corruption(
        *("blur", "Blur", "px", 0.0, (0, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4)),
        step=0.05,
        summary="A Gaussian blur with this standard deviation.",
    ),
    Corruption(
        *("gaussian_noise", "Gaussian noise", "sd", 0.0),
        grid=(0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8),
        step=0.01,
        summary="Independent normal noise of this standard deviation on every pixel, clipped.",
        random=True,
    ),
)
TONE = (
    Corruption(
        *("brightness", "Brightness", "of white", 0.0),
        grid=(-0.5, -0.3, -0.1, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9),
        step=0.05,
        summary="Added to every pixel, black being 0 and white 1, and clipped.",
    ),
    Corruption(
        *("contrast", "Contrast about black", "×", 1.0),
        grid=(0.05, 0.1, 0.15, 0.25, 0.35, 0.5, 0.7, 1.0, 1.5, 2.0),
        step=0.05,
        summary="Every pixel is multiplied by the factor, and clipped at white.",
    ),
    Corruption(
        *("contrast_grey", "Contrast about grey", "×", 1.0),
        grid=(0.1, 0.15, 0.25, 0.35, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0),
        step=0.05,
        summary="Every pixel's distance from the mean grey of the training images is multiplied by "
        "the factor; not clipped, so that values may leave black to white.",
    ),
    Corruption(
        *("polarity", "Polarity", "of inversion", 0.0),
        grid=(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1),
        step=0.05,
        summary="A blend of the image, at 0, with its negative, at 1; at 0.5 all is grey.",
    ),
)


def _mnist_c(
    name: str, published: int, summary: str, levels: int = 5, random: bool = True
) -> Corruption:
    return Corruption(
        *(f"mnist_c_{name}", f"{name.replace('_', ' ').capitalize()} (MNIST-C)", "", 0.0),
        grid=tuple(range(levels + 1)),
        step=1.0,
        summary=summary,
        random=random,
        family="mnist_c",
        published=float(published),
        paper=MNIST_C_PAPER,
    )


MNIST_C = (
    _mnist_c("shot_noise", 5, "Every pixel becomes a count of photons, of which white has few."),
    _mnist_c("impulse_noise", 4, "Single pixels become black or white."),
    _mnist_c("glass_blur", 1, "A Gaussian blur, neighbouring pixels swapped, and blurred again."),
    _mnist_c("motion_blur", 1, "The image trails off in one direction within 45° of sideways."),
    _mnist_c("shear", 2, "Strokes lean by an angle to one side or the other."),
    _mnist_c("scale", 3, "The image is shrunk about its centre.", random=False),
    _mnist_c("rotate", 2, "The image turns by an angle one way or the other."),
    _mnist_c("brightness", 5, "A tenth of white per level is added, and clipped.", random=False),
    _mnist_c("translate", 3, "The image moves by a pixel per level sideways, and up or down."),
    _mnist_c("stripe", 1, "The outer seven columns on both sides are inverted.", 1, random=False),
    _mnist_c("fog", 5, "Cloudy light is added: fractal noise that costs contrast."),
    _mnist_c("spatter", 4, "Spots of dark grey cover the image."),
    _mnist_c("dotted_line", 1, "A dotted straight line crosses the image.", 1),
    _mnist_c("zigzag", 1, "A zigzag line crosses the image.", 1),
    _mnist_c("canny_edges", 1, "Only the edges that Canny's detector finds.", 1, random=False),
)
"""Level 0 is off; the others are the severities of the published generator."""

CORRUPTIONS = {kind.key: kind for kind in (*GEOMETRY, *STROKE, *TONE, *MNIST_C)}
"""By key, in the order in which several are applied."""
