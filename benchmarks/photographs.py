"""How well digits are read from photographs: test images printed black on white, photographed.

    python -m benchmarks.photographs [--dataset mnist] [--images 1000] [--paper plain] [--json]

Each test image is turned into a photograph by `photograph` below, which says all that it does,
passes the upload gate as a JPEG file and is preprocessed as an uploaded one; where several digits
are found, the largest counts. A refused photograph counts as read wrongly. All six variants answer
both the originals and what was made of the photographs. The photographs are synthetic: there is
one upright digit, no perspective, no curled paper and nothing else in sight.

The ratio is the lowest over variants of accuracy on photographs (ours) to that on the originals
(the reference); at least 0.97 is promised. Images and photographs are drawn with `--seed`.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections import Counter

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy import ndimage
from scipy.special import expit

from core.analysis.evaluate import evaluate_logits
from core.config import IMAGE_SIZE, VARIANTS
from core.data.datasets import data_dir, get_dataset, load_split
from core.data.image_gate import read_picture
from core.data.preprocess import DIGIT_SIZE, find_digits, largest
from core.device import device_name
from core.errors import ImageError, NormLabError
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, find_run

PAPERS = ("plain", "lined", "squared")


def photograph(image: np.ndarray, draw: np.random.Generator, paper: str = "plain") -> bytes:
    """A JPEG file: `image` (28, 28) uint8 written in dark ink on `paper` and photographed.

    The digit is 60 to 600 pixels high or wide, evenly on a logarithmic scale, anywhere on a page
    1.4 to 4 times as large; ink reflects 5 to 35 % of what paper does. Light falls off to 50 to
    100 % along a random direction; every second page has a shadow of 55 to 85 % on one side of a
    random line, its edge 1 to 30 pixels soft. Then blur (a standard deviation of up to 2 % of the
    digit), paper grain, noise of the sensor, and JPEG of quality 50 to 95.
    """
    side = 60 * 10 ** draw.uniform()
    ink = _place(image, side, draw)
    page = (1 - ink * (1 - draw.uniform(0.05, 0.35))) * _ruling(ink.shape, side, paper, draw)
    page *= _light(ink.shape, draw) * draw.uniform(170, 250)
    page = ndimage.gaussian_filter(page, draw.uniform(0, 0.02) * side)
    grain = ndimage.gaussian_filter(draw.normal(size=ink.shape), draw.uniform(0.5, 2))
    page += grain * (draw.uniform(1, 4) / grain.std())
    page += draw.normal(size=ink.shape) * draw.uniform(0, 3)
    file = io.BytesIO()
    levels = np.clip(np.rint(page), 0, 255).astype(np.uint8)
    Image.fromarray(levels).save(file, "JPEG", quality=int(draw.integers(50, 96)))
    return file.getvalue()


def _place(image: np.ndarray, side: float, draw: np.random.Generator) -> np.ndarray:
    """Ink from 0 to 1 on a page, float32; 20 pixels of `image` have become `side`."""
    size = round(side * IMAGE_SIZE / DIGIT_SIZE)
    enlarged = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    height, width = (round(side * draw.uniform(1.4, 4)) + 2 for _ in range(2))
    top, left = (int(draw.integers(0, max(1, extent - size))) for extent in (height, width))
    page = np.zeros((max(height, size), max(width, size)), np.float32)
    page[top : top + size, left : left + size] = np.asarray(enlarged) / np.float32(255)
    return page


def _light(shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """Relative brightness (H, W): a gradient and, on every second page, a shadow."""
    fall = _across(shape, draw)
    light = 1 - draw.uniform(0, 0.5) * (fall - fall.min()) / np.ptp(fall)
    if draw.uniform() < 0.5:
        line = _across(shape, draw)
        line -= draw.uniform(line.min(), line.max())
        light *= 1 - draw.uniform(0.15, 0.45) * expit(line / draw.uniform(1, 30))
    return light


def _across(shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """Pixels (H, W) from a corner along a random direction."""
    angle = draw.uniform(0, 2 * np.pi)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.cos(angle) * columns + np.sin(angle) * rows


def _ruling(
    shape: tuple[int, ...], side: float, paper: str, draw: np.random.Generator
) -> np.ndarray:
    """What the paper's printed lines let through (H, W); they reflect 65 to 90 %."""
    ruling = np.ones(shape)
    step, width = max(8, round(side * draw.uniform(0.4, 1.2))), max(1, round(side / 80))
    start, level = int(draw.integers(step)), draw.uniform(0.65, 0.9)
    for offset in range(width):
        if paper != "plain":
            ruling[start + offset :: step] = level
        if paper == "squared":
            ruling[:, start + offset :: step] = level
    return ruling


def read(content: bytes, centring: str) -> tuple[np.ndarray | None, int]:
    """The largest digit in a photograph, None where it is refused, and how many were found."""
    try:
        digits = find_digits(read_picture(content), centring=centring)
    except ImageError:
        return None, 0
    return largest(digits).image, len(digits)


def accuracies(
    dataset: str, images: np.ndarray, targets: np.ndarray, found: list[np.ndarray | None]
) -> pd.DataFrame:
    """Per variant, the shipped network of seed 1: `originals`, `photographs` and their `ratio`."""
    info = get_dataset(dataset)
    read_at = np.array([one is not None for one in found])
    seen = np.stack([one for one in found if one is not None])
    rows = []
    for key in VARIANTS:
        network = load_network(find_run(f"{dataset}/{key}/seed-1", SHIPPED_DIR))
        originals = evaluate_logits(network, images, info).argmax(axis=1) == targets
        right = evaluate_logits(network, seen, info).argmax(axis=1) == targets[read_at]
        rows.append((key, originals.mean(), right.sum() / len(targets)))
    frame = pd.DataFrame(rows, columns=["variant", "originals", "photographs"])
    return frame.assign(ratio=frame["photographs"] / frame["originals"])


def measure(dataset: str, count: int, paper: str, seed: int) -> dict:
    """All figures; at the top those of the variant that loses most."""
    torch.set_num_threads(1)
    images, targets = load_split(dataset, data_dir(), "test")
    chosen = np.random.default_rng(seed).permutation(len(images))[:count]
    images, targets = images[chosen], targets[chosen]
    # Each photograph depends on the seed and its place in the list only.
    draws = (np.random.default_rng([seed, place]) for place in range(len(images)))
    found = [
        read(photograph(image, draw, paper), get_dataset(dataset).centring)
        for image, draw in zip(images, draws, strict=True)
    ]
    frame = accuracies(dataset, images, targets, [image for image, _ in found])
    worst = frame.iloc[int(frame["ratio"].argmin())]
    return {
        "ratio": round(worst["ratio"], 4),
        "reference": round(worst["originals"], 4),
        "ours": round(worst["photographs"], 4),
        "unit": "share of images classified correctly",
        "machine": f"{device_name('cpu')}, torch {torch.__version__}",
        "dataset": dataset,
        "paper": paper,
        "images": len(images),
        "seed": seed,
        "digits_found": dict(sorted(Counter(number for _, number in found).items())),
        "variants": json.loads(frame.round(4).to_json(orient="records")),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How well digits are read from photographs.")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--images", type=int, default=1000, help="test images, drawn at random")
    parser.add_argument("--paper", choices=PAPERS, default="plain")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    try:
        result = measure(options.dataset, max(1, options.images), options.paper, options.seed)
    except NormLabError as error:
        sys.exit(f"normlab: {error}")
    if options.json:
        print(json.dumps(result, indent=2))
        return
    found = ", ".join(f"{n} in {images}" for n, images in result["digits_found"].items())
    print(*(f"{key} {result[key]}" for key in ("dataset", "paper", "images", "seed")), sep=", ")
    print(f"digits found: {found}")
    print(pd.DataFrame(result["variants"]).to_string(index=False))


if __name__ == "__main__":
    main()
