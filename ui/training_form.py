"""The sidebar's training form: what to train, how long it will take, and Start."""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.config import NORMS, VARIANTS, Variant, describe_variant
from core.data.datasets import DATASETS
from core.errors import UsageError
from core.training.request import MAX_NAME, MAX_NOTE
from ui import device_line, state
from ui.training_request import LABELS, FormValues, own_variant, published_recipe
from ui.training_start import FORM, answer, say, show_error

AUTO = "auto"
OWN, OWN_CHOSEN = "train-own", "train-own-chosen"
STEPS = {
    "batch_size": 1,
    "learning_rate": 0.001,
    "momentum": 0.05,
    "gamma": 0.05,
    "step_size": 1,
    "rotation_degrees": 1.0,
}
HELPS = {
    "batch_size": "Images per step.",
    "learning_rate": "That of the first epoch.",
    "momentum": "Of SGD.",
    "gamma": "The learning rate is multiplied by it after every so many epochs: see Step size.",
    "step_size": "After so many epochs the learning rate is multiplied by gamma.",
    "rotation_degrees": "Training images are turned by up to so many degrees either way.",
}


def render(dataset: str) -> None:
    """Draws the form for `dataset`, closed until somebody wants to train."""
    say()
    if state.value("train-shown") != dataset:  # the form follows the page
        state.put("train-shown", dataset)
        state.put("train-dataset", dataset)
    _form()


@st.fragment(key=FORM)
def _form() -> None:
    if state.value("train-visit") != state.visit():  # an expander forgets when its page is left
        state.put("train-visit", state.visit())
        state.put("train-box", state.value("train-open", False))
    box = st.expander(
        "Train networks", key="train-box", icon=":material/model_training:", on_change="rerun"
    )
    state.put("train-open", box.open)
    if box.open:
        with box:
            # Each in a place of its own, which the other does not move: see `sidebar.render`.
            fields, end = st.container(), st.container()
        with fields:
            values = _fields()
        with end:
            answer(values)


def _fields() -> FormValues:
    dataset = st.selectbox(
        "Train on", list(DATASETS), **state.kept("train-dataset", state.value("train-dataset"))
    )
    variants = st.pills(
        "Variants",
        list(VARIANTS),
        selection_mode="multi",
        format_func=lambda key: VARIANTS[key].label,
        **state.kept("train-variants", list(VARIANTS)),
    )
    own = _own_variants()
    return FormValues(
        dataset,
        variants=tuple(variants),
        own=own,
        seeds=st.text_input(
            "Seeds",
            live=True,
            help="Each variant is trained once with each: 1 or 1-3 or 1,4.",
            **state.kept("train-seeds", "1"),
        ),
        epochs=_epochs(),
        recipe=_recipe(),
        **_device_and_words(),
    )


def _epochs() -> int | None:
    return st.number_input(
        "Epochs",
        value=None,
        step=1,
        placeholder="20 or 25",
        help="Left empty, each variant is trained as long as it was published, others for 20.",
        **state.kept("train-epochs", None),
    )


def _device_and_words() -> dict[str, Any]:
    """The device, the name and the note, closed at first."""
    with st.expander("Device, name, note", type="compact"):
        device = st.selectbox(
            "Device",
            [AUTO, *(device_line.available() or ["cpu"])],
            format_func=lambda kind: "Automatic" if kind == AUTO else kind.upper(),
            help=f"Automatic takes the best one. {device_line.known()}",
            **state.kept("train-device", AUTO),
        )
        return {
            "device": None if device == AUTO else device,
            "name": st.text_input("Name", max_chars=MAX_NAME, **state.kept("train-name", "")),
            "note": st.text_area("Note", max_chars=MAX_NOTE, **state.kept("train-note", "")),
        }


def _own_variants() -> tuple[Variant, ...]:
    """The chosen ones of those made in the form, and the part that makes them."""
    made: dict[str, Variant] = state.value(OWN, {})
    chosen: list[str] = []
    if made:
        chosen = st.pills(
            "Your own", list(made), selection_mode="multi", **state.kept(OWN_CHOSEN, list(made))
        )
    with st.popover("One of your own", icon=":material/add:", width="stretch"):
        _own_variant()
    return tuple(made[label] for label in chosen if label in made)


def _own_variant() -> None:
    norm = st.segmented_control(
        "Norm",
        NORMS,
        required=True,
        format_func=str.capitalize,
        **state.kept("train-norm", "group"),
    )
    per_group = 2
    if norm == "group":
        per_group = st.segmented_control(
            LABELS["channels_per_group"],
            [1, 2, 4],
            required=True,
            help="The published networks have 2.",
            **state.kept("train-channels_per_group", 2),
        )
    numbers = [
        st.number_input(
            LABELS[name], step=step, format="%g", help=help, **state.kept(f"train-{name}", 0.0)
        )
        for name, step, help in (
            ("l1_weight", 1e-5, "The λ of λ·Σ|p|; the published networks have 5e-05 or 0."),
            ("weight_decay", 1e-3, "The optimizer's; the published networks have 0.003 or 0."),
        )
    ]
    try:
        made = own_variant(norm, per_group, *numbers)
    except UsageError as error:
        show_error(str(error))
        st.button("Add", key="train-add", disabled=True)
        return
    st.button(f"Add {describe_variant(made)}", key="train-add", on_click=_add, args=[made])


def _add(made: Variant) -> None:
    """Chooses a variant, which may be one of the six."""
    if made.key in VARIANTS:
        state.put("train-variants", list({*state.value("train-variants", []), made.key}))
        return
    label = describe_variant(made)
    state.put(OWN, {**state.value(OWN, {}), label: made})
    state.put(OWN_CHOSEN, list(dict.fromkeys([*state.value(OWN_CHOSEN, []), label])))


def _recipe() -> dict[str, float | None]:
    """The recipe's fields, closed at first, by name."""
    with st.expander("Recipe", type="compact"):
        found = {
            name: st.number_input(
                LABELS[name],
                step=STEPS[name],
                format="%d" if isinstance(STEPS[name], int) else "%g",
                help=HELPS[name],
                **state.kept(f"train-{name}", number),
            )
            for name, number in published_recipe().items()
        }
        st.button(
            "Back to the published recipe",
            key="train-published",
            icon=":material/undo:",
            on_click=_back_to_published,
        )
    return found


def _back_to_published() -> None:
    for name, number in published_recipe().items():
        state.put(f"train-{name}", number)
    state.put("train-epochs", None)
