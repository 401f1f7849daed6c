"""One colour and one shape per variant, the same on every page.

The colours keep at least 3:1 contrast on both backgrounds and differ in lightness or hue for the
common colour-vision deficiencies; the shape is the second cue. Variants beyond the six get the
first that is free: those in `core.config.VARIANTS` here, those trained in the app by
`ui.made_here`.
"""

from core.config import VARIANTS

VARIANT_COLORS = {
    "gn": "#0072B2",
    "ln": "#D55E00",
    "bn_l1": "#009E73",
    "gn_l1": "#C65FA5",
    "ln_l2": "#A07800",
    "bn_l1_l2": "#7F7F7F",
}
VARIANT_SHAPES = {
    "gn": "circle",
    "ln": "square",
    "bn_l1": "triangle-up",
    "gn_l1": "diamond",
    "ln_l2": "triangle-down",
    "bn_l1_l2": "cross",
}
MORE_COLORS = ("#693CFF", "#B43C3C", "#D200B4", "#D2784B", "#7878FF", "#5A96E1")
"""For variants beyond the six; chosen to lie far from those and from each other, also where red and
green look alike."""
STAR = "M0,-1.1L.28,-.36L1.05,-.34L.45,.14L.65,.89L0,.45L-.65,.89L-.45,.14L-1.05,-.34L-.28,-.36Z"
HEXAGON = "M.95,0L.475,.82L-.475,.82L-.95,0L-.475,-.82L.475,-.82Z"
HOURGLASS = "M-.9,-.9L.9,-.9L-.9,.9L.9,.9Z"
BOW_TIE = "M-.9,-.9L-.9,.9L.9,-.9L.9,.9Z"
BAR = "M-1.1,-.4L1.1,-.4L1.1,.4L-1.1,.4Z"
MORE_SHAPES = ("triangle-right", STAR, "triangle-left", HEXAGON, HOURGLASS, BOW_TIE, BAR)
"""By Vega's names and as paths. Their number and that of the colours have no divisor in common, so
that a colour comes back with another shape."""


def look(number: int) -> tuple[str, str]:
    """The colour and shape of the variant of that number, from 0, beyond the six."""
    return MORE_COLORS[number % len(MORE_COLORS)], MORE_SHAPES[number % len(MORE_SHAPES)]


def give_look(key: str) -> None:
    """Gives a variant the first colour and shape that no other has, while one is free."""
    taken = {(VARIANT_COLORS[known], VARIANT_SHAPES[known]) for known in VARIANT_COLORS}
    looks = map(look, range(len(MORE_COLORS) * len(MORE_SHAPES)))
    free = next((one for one in looks if one not in taken), look(len(VARIANT_COLORS)))
    VARIANT_COLORS[key], VARIANT_SHAPES[key] = free


for _key in VARIANTS:
    if _key not in VARIANT_COLORS:
        give_look(_key)
