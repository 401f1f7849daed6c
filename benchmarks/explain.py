"""How long an explanation takes: Integrated Gradients of all six variants, and the page.

    python -m benchmarks.explain [--dataset mnist] [--images 5] [--json]

Three figures, each the median over images that the first variant gets wrong:

- maps: Integrated Gradients of one image for six variants, steps doubled until the completeness
  error is ≤ 5 %; at most 2 s. The reference is the same sum of gradients, at as many steps, with
  one forward and one backward pass at a time. The two take turns.
- new image: from choosing a test image on the Explain page, in a real browser, to the whole page;
  at most 4 s. References of the diagnosis have been built by an image before.
- seen image: the same for an image that the server has explained.

The ratio is that of the maps. torch runs on one thread on both sides, because networks this small
gain nothing from a second; ours computes several networks beside each other instead. The page is
left out where there is no Chromium (NORMLAB_CHROMIUM, or `chromium` on the path).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time

import numpy as np
import torch
from playwright.sync_api import Page, sync_playwright
from torch import Tensor

from benchmarks.app import LAUNCH_ARGUMENTS, find_chromium, serving, wait_until_drawn
from benchmarks.report import against
from core.analysis.attribution import AttributionMap, attribute_all
from core.analysis.baselines import DEFAULT_BASELINE, make_baseline
from core.analysis.evaluate import evaluate_logits
from core.analysis.raw_attributions import path_steps
from core.analysis.target import DEFAULT_TARGET, resolve_target
from core.config import VARIANTS
from core.data.augmentation import normalize
from core.data.datasets import data_dir, get_dataset, load_split
from core.device import device_name
from core.errors import NormLabError, RunError
from core.model.network import Network
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, find_run, read_predictions

METHOD = "integrated_gradients"
MAPS_SECONDS = 2.0
PAGE_SECONDS = 4.0
PAGE_TIMEOUT_MS = 120_000
SHOWN = """index => new URLSearchParams(location.search).get('index') === index
  && document.querySelector('[data-testid="stApp"]').dataset.testScriptState === 'notRunning'"""


def failing_images(dataset: str, count: int) -> list[int]:
    """The first test images that the first variant's first seed gets wrong, and one to warm up."""
    run = find_run(f"{dataset}/{next(iter(VARIANTS))}/seed-1", SHIPPED_DIR)
    found = read_predictions(run.path)
    index = np.flatnonzero(found.predicted != found.targets)[: count + 1].tolist()
    if len(index) <= count:
        raise RunError(f"{run.name} gets only {len(index)} images wrong: ask for fewer --images.")
    return index


def gradients_one_at_a_time(
    network: Network, image: Tensor, found: AttributionMap, baseline: Tensor
) -> Tensor:
    """Integrated Gradients (1, 28, 28) at the steps of `found`, one pass at a time."""
    weights = torch.tensor(found.target.weights)
    total = torch.zeros_like(image)
    assert found.n_steps is not None
    for position, weight in zip(*path_steps(METHOD, found.n_steps), strict=True):
        point = (baseline + position * (image - baseline)).unsqueeze(0).requires_grad_()
        (network(point) @ weights).sum().backward()
        assert point.grad is not None
        total += weight * point.grad[0]
    return total * (image - baseline)


def time_maps(dataset: str, indices: list[int]) -> tuple[list[float], list[float]]:
    """Seconds per image, one pass at a time and ours; the first image only warms up."""
    info = get_dataset(dataset)
    images, targets = load_split(dataset, data_dir(), "test")
    baseline = make_baseline(DEFAULT_BASELINE, info, data_dir())
    networks = {
        key: load_network(find_run(f"{dataset}/{key}/seed-1", SHIPPED_DIR)) for key in VARIANTS
    }
    times: tuple[list[float], list[float]] = ([], [])
    for index in indices:
        image = normalize(torch.tensor(images[index]), info.mean, info.std)
        explained = {
            key: resolve_target(
                DEFAULT_TARGET,
                evaluate_logits(network, images[index][None], info)[0],
                int(targets[index]),
                info.class_names,
            )
            for key, network in networks.items()
        }
        started = time.perf_counter()
        maps = attribute_all(networks, image, METHOD, explained, baseline)
        middle = time.perf_counter()
        singly = {
            key: gradients_one_at_a_time(network, image, maps[key], torch.tensor(baseline.image))
            for key, network in networks.items()
        }
        times[0].append(time.perf_counter() - middle)
        times[1].append(middle - started)
        _check_equal(maps, singly)
    return times[0][1:], times[1][1:]


def _check_equal(maps: dict[str, AttributionMap], singly: dict[str, Tensor]) -> None:
    """Both sides must have computed the same, up to points that rounding puts across a kink."""
    for key, found in maps.items():
        if found.attributions is not None:
            expected = singly[key].squeeze().numpy()
            difference = np.linalg.norm(found.attributions - expected)
            if difference > 0.01 * np.linalg.norm(expected):
                raise NormLabError(f"The two sides disagree on the map of {key}.")


def time_page(chromium: str, dataset: str, indices: list[int]) -> tuple[list[float], list[float]]:
    """Seconds on the Explain page per new image and per image seen before."""
    with sync_playwright() as playwright, serving("streamlit_app.py") as address:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*LAUNCH_ARGUMENTS])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PAGE_TIMEOUT_MS)
        page.goto(f"{address}/explain?dataset={dataset}&index={indices[0]}")
        wait_until_drawn(page, "Explain")
        new = [_choose(page, index) for index in indices[1:]]
        seen = [_choose(page, index) for index in indices[:-1]]
        browser.close()
    return new, seen


def _choose(page: Page, index: int) -> float:
    """Seconds from choosing test image `index` until the script has run to its end."""
    page.wait_for_timeout(300)
    field = page.get_by_label("Test image", exact=True)
    field.fill(str(index))
    started = time.perf_counter()
    field.press("Enter")
    page.wait_for_function(SHOWN, arg=str(index), polling=10)
    return time.perf_counter() - started


def measure(dataset: str, count: int, chromium: str | None) -> dict:
    """All figures; at the top that of the maps."""
    torch.set_num_threads(1)
    indices = failing_images(dataset, count)
    singly, ours = time_maps(dataset, indices)
    measurements = [against(MAPS_SECONDS, ours, what="six maps")]
    if chromium is not None:
        new, seen = time_page(chromium, dataset, indices)
        measurements += [
            against(PAGE_SECONDS, new, what="page, new image"),
            against(PAGE_SECONDS, seen, what="page, image seen before"),
        ]
    return {
        "ratio": round(statistics.median(singly) / statistics.median(ours), 2),
        "reference": round(statistics.median(singly), 3),
        "ours": round(statistics.median(ours), 3),
        "unit": "s",
        "machine": f"{device_name('cpu')}, torch {torch.__version__}",
        "dataset": dataset,
        "images": count,
        "load": [round(value, 2) for value in os.getloadavg()],
        "measurements": measurements,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How long an explanation takes.")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--images", type=int, default=5, help="how many, the median counts")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print("No Chromium: the page is left out. See NORMLAB_CHROMIUM.", file=sys.stderr)
    try:
        result = measure(options.dataset, max(1, options.images), chromium)
    except NormLabError as error:
        sys.exit(f"normlab: {error}")
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['machine']}, {result['dataset']}, median of {result['images']} images")
    print(
        f"six maps by {METHOD}: one pass at a time {result['reference']:.2f} s, "
        f"ours {result['ours']:.2f} s: {result['ratio']:.1f} times as fast"
    )
    for one in result["measurements"]:
        print(
            f"{one['what']}: {one['ours']:.2f} s, slowest {one['slowest']:.2f} s, "
            f"promised {one['reference']:.0f} s"
        )


if __name__ == "__main__":
    main()
