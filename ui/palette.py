"""One colour and one shape per variant, the same on every page.

The colours keep at least 3:1 contrast on both backgrounds and differ in lightness or hue for the
common colour-vision deficiencies; the shape is the second cue. `ui.made_here` adds an entry for
every variant beyond the six that was trained here.
"""

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
