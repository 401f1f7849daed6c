"""What is chosen for the attribution maps: methods, what is explained, and against which image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.analysis.baselines import BASELINES, DEFAULT_BASELINE, Baseline, baseline_warning
from core.analysis.methods import METHODS, Method, get_method
from core.analysis.target import DEFAULT_TARGET, resolve_target
from core.errors import NormLabError
from ui import address, explain_resources, state
from ui.explain_data import Subject
from ui.images import png_data_url

LAYOUT, METHOD, SEVERAL, TARGET, BASELINE = "maps", "method", "methods", "target", "baseline"
OWN_SCALE = "own_scale"
VARIANTS, MANY = "variants", "methods"
LAYOUTS = {VARIANTS: "One method, every variant", MANY: "Several methods, one variant"}
DEFAULT_METHODS = ["integrated_gradients", "saliency", "occlusion", "deep_lift", "layer_grad_cam"]
OWN = "own"
OWN_IMAGE = "own-baseline"
IMAGE_TYPES = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"]


@dataclass(frozen=True)
class Settings:
    """Whose maps are shown, by which methods, of which output and against which baseline.

    With `own_scale` each map has its own colour scale instead of the one of all maps.
    """

    variants: tuple[str, ...]
    methods: tuple[str, ...]
    target: str
    baseline: Baseline
    own_scale: bool


def choose(subject: Subject) -> Settings:
    """Draws the controls with what is to be known of the method; raises what the baseline does."""
    layout = _one_of(LAYOUT, "Maps", list(LAYOUTS), LAYOUTS, widget=st.segmented_control)
    left, right = st.columns([2, 3], gap="large")
    with left:
        methods = [_choose_method()] if layout == VARIANTS else _choose_methods()
        target = _choose_target(subject)
        baseline = _choose_baseline(subject, methods)
        own_scale = layout == MANY or st.toggle(
            "Own colour scale for each map",
            help="Shows where each map is strongest; sizes can then not be compared.",
            **state.bound(OWN_SCALE),
        )
    with right:
        for method in methods:
            _describe(method, short=len(methods) > 1)
    variants = tuple(subject.runs) if layout == VARIANTS else (subject.variant,)
    keys = tuple(method.key for method in methods)
    return Settings(variants, keys, target, baseline, own_scale)


def _one_of(
    name: str,
    title: str,
    options: list[str],
    labels: dict[str, str],
    widget: Callable[..., Any] = st.selectbox,
) -> str:
    choice = address.one_of(name, options)
    required = {"required": True} if widget is st.segmented_control else {}
    chosen = widget(title, options, format_func=labels.__getitem__, **required, **choice.widget())
    choice.settle(chosen, what=f"the {title.lower()}", shown=labels[chosen])
    return chosen


def _choose_method() -> Method:
    labels = {key: method.label for key, method in METHODS.items()}
    return get_method(_one_of(METHOD, "Method", list(METHODS), labels))


def _choose_methods() -> list[Method]:
    labels = {method.label: method for method in METHODS.values()}
    chosen = st.multiselect(
        "Methods",
        list(labels),
        default=[METHODS[key].label for key in DEFAULT_METHODS],
        **state.bound(SEVERAL),
    )
    return [labels[label] for label in chosen]


def _choose_target(subject: Subject) -> str:
    names = subject.info.class_names
    chosen = resolve_target(DEFAULT_TARGET, subject.logits[subject.variant], subject.target, names)
    positive, negative = chosen.positive, chosen.negative
    assert negative is not None
    known = subject.target is not None
    labels = {
        DEFAULT_TARGET: f"Predicted minus {'true label' if known else 'runner-up'}",
        f"{positive}-{negative}": f"{names[positive]} minus {names[negative]}, in every variant",
        "pred": "Predicted class",
        **({"true": "True label"} if known else {}),
        **{str(number): f"Class {name}" for number, name in enumerate(names)},
    }
    return _one_of(TARGET, "Explained output", list(labels), labels)


def _choose_baseline(subject: Subject, methods: list[Method]) -> Baseline:
    if not any(method.uses_baseline for method in methods):
        return explain_resources.baseline(DEFAULT_BASELINE, subject.info.key)
    labels = {**BASELINES, OWN: "An image of your own"}
    chosen = _one_of(BASELINE, "Baseline", list(labels), labels)
    if chosen == OWN:
        return _own_baseline(subject)
    for norm in dict.fromkeys(run.variant.norm for run in subject.runs.values() if run.variant):
        if warning := baseline_warning(chosen, norm):
            st.warning(warning, icon=":material/warning:")
    return explain_resources.baseline(chosen, subject.info.key)


def _own_baseline(subject: Subject) -> Baseline:
    """The uploaded image, kept while other pages are shown; black until there is one."""
    uploaded = st.file_uploader("Baseline image", IMAGE_TYPES, key="baseline-file")
    if uploaded is not None:
        _read_upload(uploaded.getvalue())
    image = state.value(OWN_IMAGE)
    if image is None:
        st.info("Until there is an image, the baseline is black. A link does not carry the image.")
        return explain_resources.baseline(DEFAULT_BASELINE, subject.info.key)
    st.html(
        f'<img src="{png_data_url(image)}" alt="the baseline as the networks see it" '
        'style="width:84px;image-rendering:pixelated;border-radius:4px">'
    )
    return explain_resources.uploaded_baseline(image, subject.info.key)


def _read_upload(content: bytes) -> None:
    from core.data.preprocess import read_image

    try:
        found = read_image(content)
    except NormLabError as error:
        st.error(str(error), icon=":material/broken_image:")
        return
    for notice in found.notices:
        st.caption(notice)
    state.put(OWN_IMAGE, found.image)


def _describe(method: Method, *, short: bool) -> None:
    """What the method shows and what to mind; with its paper and cost unless `short`."""
    st.markdown(f"**{method.label}.** {method.summary}")
    if not short:
        st.caption(f"{method.paper}. Cost: {method.cost}.")
    if method.caution:
        st.caption(f":material/warning: {method.caution}")
    if not short:
        for reason in method.invalid.values():
            st.caption(f":material/block: {reason}")
