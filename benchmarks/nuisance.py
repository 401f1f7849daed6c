"""How long one corruption takes: of a test set for six networks, and of one image in the lab.

    python -m benchmarks.nuisance [--dataset mnist] [--corruption gaussian_noise=0.3]
        [--repeats 3] [--moves 20] [--json]

- six networks: ours corrupts each image once and asks all networks, with as many chunks beside
  each other as there are cores, each on one thread of torch; at most 10 s for 10,000 images. The
  reference is the loop that comes to mind first: one network after the other, one batch of 64 after
  the other, corrupted and classified, with all of torch's threads. The two take turns, and the
  median counts.
- slider: from pressing a key on the lab's slider for rotation, in a real browser, to six new
  probabilities on the page; at most 0.3 s. Left out where there is no Chromium (NORMLAB_CHROMIUM,
  or `chromium` on the path).

The ratio is that of the six networks.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from playwright.sync_api import Page, sync_playwright

from benchmarks.app import LAUNCH_ARGUMENTS, find_chromium, serving, wait_until_drawn
from benchmarks.report import against
from core.analysis.robustness import NOISE_SEED, corrupted_logits
from core.analysis.robustness_table import describe_severity
from core.config import VARIANTS
from core.data.corruptions import corrupt, parse_corruption, to_inputs
from core.data.datasets import DatasetInfo, data_dir, get_dataset, load_split
from core.device import device_name
from core.errors import NormLabError
from core.model.network import Network
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, find_run

PROMISED_SECONDS = 10.0
SLIDER_SECONDS = 0.3
PAGE_TIMEOUT_MS = 120_000
LOOP_BATCH_SIZE = 64
DEFAULT_CORRUPTION = "gaussian_noise=0.3"
WARM_UP = 5
REST_MS = 1000
PROBABILITIES = """() => {
  const all = root => [...root.querySelectorAll('*')].flatMap(
    one => one.shadowRoot ? [one, ...all(one.shadowRoot)] : [one]);
  return all(document).filter(one => one.matches('.lab td.share')).map(one => one.title);
}"""


@torch.inference_mode()
def loop_logits(
    networks: Sequence[Network], images: np.ndarray, key: str, severity: float, info: DatasetInfo
) -> np.ndarray:
    """What `corrupted_logits` gives, (R, N, 10), by the loop that comes to mind first."""
    found = []
    for network in networks:
        logits = []
        for start in range(0, len(images), LOOP_BATCH_SIZE):
            batch = torch.tensor(images[start : start + LOOP_BATCH_SIZE])
            numbers = range(start, start + len(batch))
            pixels = corrupt(batch, key, severity, mean=info.mean, seed=NOISE_SEED, indices=numbers)
            logits.append(network(to_inputs(pixels, info.mean, info.std)))
        found.append(torch.cat(logits))
    return torch.stack(found).numpy()


def time_sides(dataset: str, corruption: str, repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of the loop and of ours, `repeats` each; a short run of both warms up.

    Raises `NormLabError` if the two do not compute the same.
    """
    info = get_dataset(dataset)
    kind, severity = parse_corruption(corruption)
    images = load_split(dataset, data_dir(), "test").images
    names = [f"{dataset}/{key}/seed-1" for key in VARIANTS]
    networks = [load_network(find_run(name, SHIPPED_DIR)) for name in names]
    times: tuple[list[float], list[float]] = ([], [])
    for repeat in range(-1, repeats):
        shown = images if repeat >= 0 else images[:500]
        asked = (networks, shown, kind.key, severity, info)
        loop_seconds, loop = _timed(os.cpu_count() or 1, partial(loop_logits, *asked))
        our_seconds, ours = _timed(1, partial(corrupted_logits, *asked))
        _check_equal(loop, ours)
        if repeat >= 0:
            times[0].append(loop_seconds)
            times[1].append(our_seconds)
    return times


def _timed(num_threads: int, compute: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    torch.set_num_threads(num_threads)
    started = time.perf_counter()
    result = compute()
    return time.perf_counter() - started, result


def _check_equal(loop: np.ndarray, ours: np.ndarray) -> None:
    """Rounding depends on the size of a batch; nothing else may differ."""
    difference = float(np.abs(loop - ours).max())
    if not difference < 1e-3:
        raise NormLabError(f"The two sides disagree by {difference:.2g} in a logit.")


def time_slider(chromium: str, dataset: str, moves: int) -> list[float]:
    """Seconds from a key to six new probabilities, one per move; the first five only warm up."""
    with sync_playwright() as playwright, serving("streamlit_app.py") as address:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*LAUNCH_ARGUMENTS])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PAGE_TIMEOUT_MS)
        page.goto(f"{address}/nuisance?dataset={dataset}&seed=1&index=0")
        wait_until_drawn(page, "Nuisance")
        page.locator("#rotation").focus()
        times = [_move(page) for _ in range(WARM_UP + moves)]
        browser.close()
    return times[WARM_UP:]


def _move(page: Page) -> float:
    """Seconds from one key to the answers; then waits until the slider rests and all is drawn."""
    before = page.evaluate(f"({PROBABILITIES})()")
    started = time.perf_counter()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        f"before => ({PROBABILITIES})().every((now, row) => now !== before[row])",
        arg=before,
        polling=5,
    )
    seconds = time.perf_counter() - started
    page.wait_for_timeout(REST_MS)
    return seconds


def measure(dataset: str, corruption: str, repeats: int, moves: int, chromium: str | None) -> dict:
    """All figures, ready for JSON."""
    loop, ours = time_sides(dataset, corruption, repeats)
    middle = statistics.median(ours)
    measurements = [against(PROMISED_SECONDS, ours, what="six networks")]
    if chromium is not None:
        moved = time_slider(chromium, dataset, moves)
        measurements.append(against(SLIDER_SECONDS, moved, what="slider"))
    return {
        "ratio": round(statistics.median(loop) / middle, 2),
        "reference": round(statistics.median(loop), 3),
        "ours": round(middle, 3),
        "unit": "s",
        "machine": f"{device_name('cpu')}, torch {torch.__version__}",
        "dataset": dataset,
        "corruption": describe_severity(*parse_corruption(corruption)),
        "images": get_dataset(dataset).num_test,
        "repeats": repeats,
        "load": [round(value, 2) for value in os.getloadavg()],
        "measurements": measurements,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="How long one corruption takes.")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--corruption", default=DEFAULT_CORRUPTION, help="NAME=SEVERITY")
    parser.add_argument("--repeats", type=int, default=3, help="the median counts")
    parser.add_argument("--moves", type=int, default=20, help="of the slider, the median counts")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print("No Chromium: the slider is left out. See NORMLAB_CHROMIUM.", file=sys.stderr)
    try:
        repeats, moves = max(1, options.repeats), max(1, options.moves)
        result = measure(options.dataset, options.corruption, repeats, moves, chromium)
    except NormLabError as error:
        sys.exit(f"normlab: {error}")
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['machine']}, {result['dataset']}, medians")
    print(
        f"{result['corruption']}, six networks, {result['images']:,} images: loop "
        f"{result['reference']:.2f} s, ours {result['ours']:.2f} s: {result['ratio']:.1f} times "
        f"as fast"
    )
    for one in result["measurements"]:
        print(
            f"{one['what']}: {one['ours']:.2f} s, slowest {one['slowest']:.2f} s, "
            f"promised {one['reference']:g} s (n = {one['n']})"
        )


if __name__ == "__main__":
    main()
