"""Samples of the data set: test images that are right at hand, each named by its number."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from core.data.datasets import get_dataset
from ui import address, dataset_download, failures_view, resources, state
from ui.explain_pictures import strip
from ui.picker import pick
from ui.predict_entries import Entry
from ui.state import Selection

PER_CLASS = 2
NAME = "sample"


def choose(selection: Selection) -> list[Entry]:
    """The chosen sample as a picture file; nothing where the images are not on this machine."""
    images, status = failures_view.load_images(selection.dataset)
    if images is None:
        dataset_download.offer(status, "there are no samples")
        return []
    targets = resources.predictions(selection.runs[0]).targets
    frame = samples(targets)
    choice = address.number(NAME, len(targets) - 1, int(frame["index"].iloc[0]))
    choice.widget()
    index = int(state.value(choice.key))
    choice.settle(index, what="test image", shown=str(index))
    info = get_dataset(selection.dataset)
    html = strip(frame, images=images, class_names=info.class_names, current=index)
    pick(html, key="predict-samples", on_pick=lambda picked: state.put(choice.key, int(picked)))
    st.caption(f"The first {PER_CLASS} test images of each class of {info.label}.")
    true = int(targets[index])
    return [Entry(f"Test image {index}", "sample", png(images[index]), index=index, true=true)]


def samples(targets: np.ndarray) -> pd.DataFrame:
    """The first `PER_CLASS` images of each class in (N,) `targets`: columns `index, target`."""
    frame = pd.DataFrame({"index": np.arange(len(targets)), "target": targets})
    return frame.groupby("target").head(PER_CLASS).sort_values(["target", "index"])


def png(image: np.ndarray) -> bytes:
    """A (28, 28) uint8 image as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()
