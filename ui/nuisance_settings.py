"""What is done to the image in the lab: sliders, one corruption of MNIST-C, and the address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import streamlit as st

from core.data.corruptions import CORRUPTIONS, Corruption
from ui import address, state
from ui.address import Choice
from ui.live_slider import Move, Slider, sliders

GROUPS = {
    "Light": ("contrast_grey", "contrast", "brightness", "polarity"),
    "Stroke and sharpness": ("thickness", "blur", "gaussian_noise"),
    "Place and shape": ("shift_x", "shift_y", "rotation", "scale", "shear"),
}
"""Every corruption that is not of MNIST-C, as the sliders are arranged."""

MNIST_C = {key: kind for key, kind in CORRUPTIONS.items() if kind.family == "mnist_c"}
NONE = "none"
FIRST_CURVE = "contrast_grey"

FROM_MNIST_C = address.one_of("mnist_c", [NONE, *MNIST_C])
SEVERITIES = {
    key: address.amount(
        key, kind.low, kind.high, kind.neutral if kind.published is None else kind.published
    )
    for key, kind in CORRUPTIONS.items()
}
MOVING, AT_REST = "nuisance-moving", "nuisance-at-rest"


@dataclass(frozen=True)
class Settings:
    """Severities by corruption, without those at neutral: now, and when all sliders rested last."""

    now: Mapping[str, float]
    at_rest: Mapping[str, float]

    def severity(self, key: str) -> float:
        """The severity at rest of one corruption."""
        return self.at_rest.get(key, CORRUPTIONS[key].neutral)


def slider(kind: Corruption) -> Slider:
    """The slider of a corruption: "×0.25", "2 px", "level 3"."""
    in_front = {"×": "×", "": "level "}.get(kind.unit, "")
    return Slider(
        *(kind.key, kind.label, kind.low, kind.high, kind.step, kind.neutral),
        prefix=in_front,
        suffix="" if in_front else f"\N{NO-BREAK SPACE}{kind.unit}",
        summary=kind.summary,
    )


def describe(severities: Mapping[str, float]) -> str:
    """Severities in words: "Contrast about grey ×0.25, rotation 10 °"; "" without any."""
    parts = [
        f"{CORRUPTIONS[key].label} {slider(CORRUPTIONS[key]).words(value)}"
        for key, value in severities.items()
    ]
    return ", ".join(parts[:1] + [part[0].lower() + part[1:] for part in parts[1:]])


def read(choice: Choice) -> float:
    """The severity that the address or a slider gives; call it before `settle`."""
    choice.widget()
    return float(state.value(choice.key))


def take(move: Move) -> None:
    """Takes over what a slider reports; values that are no severities are ignored."""
    for key, value in move.values.items():
        found = SEVERITIES[key].parse(str(value)) if key in SEVERITIES else None
        if found is not None:
            state.put(SEVERITIES[key].key, found)
    if move.name in CORRUPTIONS:
        state.put(curve({}).key, move.name)
    state.put(MOVING, not move.settled)


def load() -> Settings:
    """The settings as the address and the controls have them; writes them back once they rest."""
    FROM_MNIST_C.widget()
    published = state.value(FROM_MNIST_C.key)
    keys = [key for group in GROUPS.values() for key in group]
    keys += [published] if published != NONE else []
    found = {key: read(SEVERITIES[key]) for key in keys}
    now = {key: value for key, value in found.items() if value != CORRUPTIONS[key].neutral}
    settle(keys)
    if not state.value(MOVING):
        state.put(AT_REST, now)
    return Settings(now, state.value(AT_REST, {}))


def settle(keys: Iterable[str]) -> None:
    """Writes the severities of `keys` into the address, unless a slider is on its way."""
    for key in keys if not state.value(MOVING) else ():
        choice, kind = SEVERITIES[key], CORRUPTIONS[key]
        chosen = state.value(choice.key)
        shown = slider(kind).words(float(chosen))
        choice.settle(chosen, what=f"{key} =", shown=f"{kind.label.lower()} {shown}")


def rest() -> None:
    """Takes the sliders for resting: the whole page runs, so none is held."""
    state.put(MOVING, False)


def controls(said: str) -> None:
    """The sliders; draw them after the answers, see `live_slider`."""
    groups = {title: [slider(CORRUPTIONS[key]) for key in group] for title, group in GROUPS.items()}
    published = state.value(FROM_MNIST_C.key)
    if published != NONE:
        groups["MNIST-C"] = [slider(CORRUPTIONS[published])]
    values = {
        one.name: float(state.value(SEVERITIES[one.name].key))
        for group in groups.values()
        for one in group
    }
    sliders(groups, values, key="nuisance-sliders", on_move=take, said=said)


def choose_published() -> None:
    """One corruption of MNIST-C at a time, and the button that takes everything back."""
    chosen = st.selectbox(
        "MNIST-C",
        [NONE, *MNIST_C],
        width=220,
        format_func=lambda key: "none" if key == NONE else _bare(MNIST_C[key].label),
        help="One of the 15 corruptions of Mu and Gilmer 2019, after all others; its slider joins.",
        on_change=_show_published,
        **FROM_MNIST_C.widget(),
    )
    FROM_MNIST_C.settle(chosen, what="the corruption", shown="none of MNIST-C")
    st.button("Reset all", icon=":material/restart_alt:", on_click=reset)


def _bare(label: str) -> str:
    return label.removesuffix(" (MNIST-C)")


def _show_published() -> None:
    chosen = state.value(FROM_MNIST_C.key)
    if chosen != NONE:
        state.put(SEVERITIES[chosen].key, SEVERITIES[chosen].default)
        state.put(curve({}).key, chosen)


def reset() -> None:
    """Takes every change back."""
    state.put(FROM_MNIST_C.key, NONE)
    for key, choice in SEVERITIES.items():
        kind = CORRUPTIONS[key]
        state.put(choice.key, f"{kind.neutral:.6g}" if key not in MNIST_C else choice.default)


def curve(severities: Mapping[str, float]) -> Choice:
    """Whose curve is shown: at first that of a change in `severities`, later what moved last."""
    return address.one_of("nuisance", list(CORRUPTIONS), next(iter(severities), FIRST_CURVE))


def choose_curve(severities: Mapping[str, float]) -> str:
    """The corruption whose curve is shown."""
    choice = curve(severities)
    chosen = st.selectbox(
        "Corruption",
        list(CORRUPTIONS),
        width=260,
        format_func=lambda key: CORRUPTIONS[key].label,
        help="The one moved last, or any other.",
        **choice.widget(),
    )
    choice.settle(chosen, what="the corruption", shown=CORRUPTIONS[chosen].label)
    return chosen
