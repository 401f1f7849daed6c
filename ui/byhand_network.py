"""A real network's normalization layer: its figures for one image, and that image's place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from core.analysis.metrics import softmax
from core.data.datasets import DatasetInfo, get_dataset
from core.errors import NormLabError
from core.training.runs import Run
from ui import address, byhand_html, explain_resources, inside_view, resources
from ui import charts_byhand as charts
from ui.byhand_words import number
from ui.downloads import download_row
from ui.drawing import draw
from ui.explain_data import Subject
from ui.failures_view import label

if TYPE_CHECKING:
    from torch import Tensor

    from core.analysis.layer_population import LayerPopulation

POPULATION = 1_000
"""Test images at most, evenly spaced, that make up a histogram."""
AXES = {"mean": "μ of the image (units of the feature maps)", "var": "σ² of the image (units²)"}
COLUMNS = {
    "channel": "Channel",
    "group": "Group",
    "mean": "μ",
    "mean_percentile": "μ: % of images below",
    "variance": "σ²",
    "variance_percentile": "σ²: % of images below",
    "gamma": "γ",
    "beta": "β",
    "stored_mean": "stored μ",
    "stored_variance": "stored σ²",
}


@dataclass(frozen=True)
class Layers:
    """One network's layers over evenly spaced test images and over all that it gets wrong.

    `right` (N,) says which of the former it gets right; `doubt` and `failing_doubt` are 1 less the
    largest probability, of the right ones and of the failing.
    """

    population: list[LayerPopulation]
    failing: list[LayerPopulation]
    right: np.ndarray
    doubt: np.ndarray
    failing_doubt: np.ndarray


@st.fragment
def show(subject: Subject) -> None:
    """The layer's figures for the image; a change of layer or channel runs only this again."""
    if subject.image is None:
        st.caption("This needs the pictures, which are not on this machine.")
        return
    layer = inside_view.choose_layer()
    try:
        with st.spinner("Following test images through the network…"):
            found = _layers(subject)
            own = _own(subject)[layer - 1]
    except NormLabError as error:
        st.warning(f"Nothing to show: {error}", icon=":material/warning:")
        return
    population = found.population[layer - 1]
    _table(subject, population, own, layer)
    group = _choose_group(own)
    _histograms(subject, population, own, group)
    st.markdown(_place_words(found, population, own, group))
    st.info(_descriptive_words(found, layer), icon=":material/info:")
    _formula(subject, own, layer, group)


def _layers(subject: Subject) -> Layers:
    run = subject.runs[subject.variant]
    path = str(resources.dataset_status(subject.info.key).path)
    return _cached_layers(subject.info.key, path, run.digest, run)


@st.cache_resource(show_spinner=False, max_entries=24)
def _cached_layers(dataset: str, path: str, digest: str, _run: Run) -> Layers:
    from core.analysis.layer_population import layer_populations

    predictions = resources.predictions(_run)
    right = predictions.predicted == predictions.targets
    count, info = len(right), get_dataset(dataset)
    chosen = np.linspace(0, count - 1, min(count, POPULATION)).astype(int)
    doubt = 1 - softmax(predictions.logits.astype(np.float32)).max(axis=1)
    network, images = explain_resources.network(_run), resources.test_images(dataset)
    of = {
        name: layer_populations(network, _normalized(images[part], info))
        for name, part in {"all": chosen, "failing": ~right}.items()
    }
    return Layers(
        of["all"], of["failing"], right[chosen], doubt[chosen][right[chosen]], doubt[~right]
    )


def _normalized(images: np.ndarray, info: DatasetInfo) -> Tensor:
    import torch

    from core.data.augmentation import normalize

    return normalize(torch.tensor(images), info.mean, info.std)


def _own(subject: Subject) -> list[LayerPopulation]:
    from core.analysis.layer_population import layer_populations

    network = explain_resources.network(subject.runs[subject.variant])
    return layer_populations(network, explain_resources.inputs(subject).unsqueeze(0))


def _table(subject: Subject, population: LayerPopulation, own: LayerPopulation, layer: int) -> None:
    from core.analysis.layer_population import place_frame

    frame = place_frame(population, own).dropna(axis=1, how="all")
    if own.channels_per_group == 1:
        frame = frame.drop(columns="group")
    st.subheader(f"norm{layer} of {label(subject.variant)}: {subject.said}", anchor=False)
    columns: dict[str, Any] = {
        name: st.column_config.NumberColumn(COLUMNS[name], format=_format(name))
        for name in map(str, frame)
    }
    st.dataframe(
        frame,
        hide_index=True,
        column_config=columns,
        height="content",
        alt=f"Mean, variance, γ and β of each channel of norm{layer}",
    )
    used = (
        "Batch norm in evaluation mode normalizes with the stored μ and σ² (running statistics of "
        "training); μ and σ² are the image's own, which it does not use."
        if own.stored_mean is not None
        else f"The layer normalizes with the image's own μ and σ², each over "
        f"{own.channels_per_group} channels."
    )
    st.caption(f"{used} “Images below” are of {len(population.mean):,} test images. "
               f"Seed {subject.seed}.")  # fmt: skip
    download_row(None, frame, f"norm{layer}-{subject.variant}-{subject.file_stem}")


def _format(name: str) -> str:
    if name in ("channel", "group"):
        return "%d"
    return "%.1f" if name.endswith("percentile") else "%.4g"


def _choose_group(own: LayerPopulation) -> int:
    """The channel or group whose histogram is shown, from 0."""
    noun = "Channel" if own.channels_per_group == 1 else "Group of channels"
    options = [str(number + 1) for number in range(own.mean.shape[1])]
    if len(options) == 1:
        return 0
    choice = address.one_of("norm_group", options)
    chosen = st.segmented_control(noun, options, required=True, **choice.widget())
    choice.settle(chosen, what=noun.lower(), shown=f"{noun.lower()} {chosen}")
    return int(chosen) - 1


def _histograms(
    subject: Subject, population: LayerPopulation, own: LayerPopulation, group: int
) -> None:
    stored = {"mean": own.stored_mean, "var": own.stored_var}
    for column, (name, title) in zip(st.columns(2), AXES.items(), strict=True):
        values, mine = getattr(population, name)[:, group], float(getattr(own, name)[0, group])
        kept = stored[name]
        chart = charts.population_chart(
            charts.histogram_frame(values), mine, None if kept is None else kept[group], title
        )
        alt = (
            f"Histogram of {title} over {len(values):,} test images, from "
            f"{number(float(values.min()), 3)} to {number(float(values.max()), 3)}; "
            f"{subject.said}: {number(mine, 3)}"
        )
        column.altair_chart(chart, key=f"population-{name}", alt=alt)
    dashed = "; dashed blue line: the stored statistic" if own.stored_mean is not None else ""
    st.caption(f"Bars: {len(population.mean):,} test images. Orange line: this image{dashed}.")


def _place_words(
    found: Layers, population: LayerPopulation, own: LayerPopulation, group: int
) -> str:
    """Where the image lies, and how many right and wrong images lie as far out."""
    from core.analysis.layer_population import as_far_out

    sentences = []
    for name, sign in charts.KINDS.items():
        values, mine = getattr(population, name)[:, group], float(getattr(own, name)[0, group])
        out = as_far_out(values, mine)
        sentences.append(
            f"Its **{sign}** lies above that of {100 * (values < mine).mean():.0f} % of the "
            f"images; "
            f"{(out & found.right).sum():,} of {found.right.sum():,} correctly classified ones "
            "lie at least as far out."
        )
    return " ".join(sentences)


def _descriptive_words(found: Layers, layer: int) -> str:
    """Why these figures only describe, with what this network's own failures show."""
    from core.analysis.layer_population import outlyingness, separation

    words = "**These figures describe; they do not explain an error.** "
    population, failing = found.population[layer - 1], found.failing[layer - 1]
    if not (len(failing.mean) and found.right.any()):
        return words + "An image that is classified correctly can have unusual statistics too."
    right = outlyingness(population, population)[found.right]
    score = separation(outlyingness(failing, population), right)
    doubt = separation(found.failing_doubt, found.doubt)
    return words + (
        f"How unusual the statistics of this layer are tells its {len(failing.mean):,} "
        f"misclassified test images from {len(right):,} correct ones with an AUROC of {score:.2f}; "
        "0.5 is chance, and below it the misclassified are the more usual ones. The network's own "
        f"doubt (1 − largest probability) reaches {doubt:.2f}. What bears on a single error is "
        "examined, with controls, under Diagnosis on Explain."
    )


def _formula(subject: Subject, own: LayerPopulation, layer: int, group: int) -> None:
    """The formula filled in at the strongest output of the first channel of that group."""
    view = inside_view.views(subject)[subject.variant][layer - 1]
    channel = group * own.channels_per_group
    place = np.unravel_index(view.after[channel].argmax(), view.after[channel].shape)
    x, y = float(view.before[channel][place]), float(view.after[channel][place])
    mean, var = (
        (own.mean[0, group], own.var[0, group])
        if own.stored_mean is None or own.stored_var is None
        else (own.stored_mean[group], own.stored_var[group])
    )
    gamma, beta = float(own.gamma[channel]), float(own.beta[channel])
    xhat = (x - float(mean)) / np.sqrt(float(var) + own.eps)
    st.markdown(
        f"Filled in for channel {channel + 1} at row {place[0] + 1}, column {place[1] + 1}, where "
        "its output is largest:"
    )
    lines = byhand_html.filled_in(x, float(mean), float(var), own.eps, gamma, beta, xhat, y)
    draw(byhand_html.ordered(lines), key="byhand-network-steps")
