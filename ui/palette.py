"""One colour, one shape and one dash pattern per variant, the same on every page.

The colours keep at least 3:1 contrast on both backgrounds and differ in lightness or hue for the
common colour-vision deficiencies; shape and dash are the second cue.
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
