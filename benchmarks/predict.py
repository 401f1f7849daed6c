"""How long it takes from the bytes of an upload to six answers.

    python -m benchmarks.predict [--dataset mnist] [--images 100] [--repeats 5]
        [--sessions 1,8,32] [--seed 0] [--json]

Test images, drawn with the seed, are written dark on light as PNG of 480×480 pixels; what is timed
is all that Predict does with such a file: the gate, preprocessing, six networks, the frame of
answers and the comparison with the training images.

- one image at a time, promised in 0.3 s, and all in one go, 100 of them promised in 3 s;
- sessions: so many threads at once, each with its own digits, none waiting between two; the 95th
  percentile of the time of one image, promised in 1 s up to 8 sessions and in 3 s above. An answer
  that is not, to the last digit, the one given without company stops the benchmark.

The ratio is that of one image against the way without a cache: the six networks loaded and checked
for each picture, as a script does.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
import torch
from PIL import Image

from benchmarks.report import against
from core.analysis.predict import answers_frame, predict
from core.analysis.typicality import typicality
from core.config import VARIANTS
from core.data.datasets import DatasetInfo, data_dir, get_dataset, load_split
from core.data.image_gate import read_picture
from core.data.preprocess import find_digits
from core.device import device_name
from core.errors import NormLabError, UsageError
from core.model.network import Network
from core.training.checkpoint import load_network
from core.training.runs import SHIPPED_DIR, find_runs

ONE_SECONDS, MANY_SECONDS, MANY = 0.3, 3.0, 100
FEW_SESSIONS, FEW_SECONDS, CROWD_SECONDS = 8, 1.0, 3.0
REQUESTS = 10
"""Of each session."""
MARGIN, ENLARGED = 10, 10

Networks = Mapping[str, Network]


def make_uploads(dataset: str, number: int, seed: int) -> list[bytes]:
    """Test images, dark on light, 480×480, as the content of PNG files."""
    images = load_split(dataset, data_dir(), "test").images
    chosen = np.random.default_rng(seed).choice(len(images), min(number, len(images)), False)
    return [_encode(255 - np.pad(images[index], MARGIN)) for index in chosen]


def _encode(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.kron(pixels, np.ones((ENLARGED, ENLARGED), np.uint8))).save(file, "PNG")
    return file.getvalue()


def load_networks(dataset: str) -> dict[str, Network]:
    """The six shipped networks of seed 1, from their files."""
    runs = find_runs(VARIANTS, dataset, 1, SHIPPED_DIR)
    return {key: load_network(run) for key, run in runs.items()}


def answer(uploads: Sequence[bytes], networks: Networks, info: DatasetInfo) -> pd.DataFrame:
    """All that Predict does with files; the frame of answers to the first digit of each."""
    pictures = map(read_picture, uploads)
    digits = [find_digits(one, centring=info.centring)[0] for one in pictures]
    images = np.stack([one.image for one in digits])
    typicality(images, info.key)
    return answers_frame(predict(networks, images, info), info.class_names)


def answer_cold(upload: bytes, info: DatasetInfo) -> pd.DataFrame:
    """The same for one file, without a cache."""
    return answer([upload], load_networks(info.key), info)


def time_uploads(dataset: str, uploads: Sequence[bytes], repeats: int) -> dict[str, list[float]]:
    """Seconds of "cold" and "one" (each upload alone) and of "many" (all in one go, repeated)."""
    info, networks = get_dataset(dataset), load_networks(dataset)
    answer(uploads[:1], networks, info)
    few = uploads[: max(1, repeats)]
    return {
        "cold": [_timed(partial(answer_cold, one, info)) for one in few],
        "one": [_timed(partial(answer, [one], networks, info)) for one in uploads],
        "many": [_timed(partial(answer, uploads, networks, info)) for _ in range(repeats)],
    }


def time_sessions(dataset: str, uploads: Sequence[bytes], sessions: int) -> list[float]:
    """Seconds of every request of so many sessions at once; `NormLabError` for a crossed answer."""
    info, networks = get_dataset(dataset), load_networks(dataset)
    expected = (
        answer(uploads, networks, info)["probabilities"].to_numpy().reshape(-1, len(networks))
    )

    def visit(session: int) -> list[float]:
        seconds = []
        for request in range(REQUESTS):
            number = (session * REQUESTS + request) % len(uploads)
            started = time.perf_counter()
            found = answer([uploads[number]], networks, info)
            seconds.append(time.perf_counter() - started)
            if found["probabilities"].tolist() != list(expected[number]):
                raise NormLabError(f"Session {session} got an answer that is not its own.")
        return seconds

    with ThreadPoolExecutor(sessions) as pool:
        return [one for seconds in pool.map(visit, range(sessions)) for one in seconds]


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measure(dataset: str, number: int, repeats: int, sessions: Sequence[int], seed: int) -> dict:
    """All figures, ready for JSON."""
    torch.set_num_threads(1)
    uploads = make_uploads(dataset, number, seed)
    times = time_uploads(dataset, uploads, repeats)
    cold, one = (statistics.median(times[name]) for name in ("cold", "one"))
    promised = MANY_SECONDS * len(uploads) / MANY
    measurements = [
        against(ONE_SECONDS, times["one"], what="one image"),
        against(promised, times["many"], what=f"{len(uploads)} images"),
    ]
    for count in sessions:
        seconds = time_sessions(dataset, uploads, count)
        limit = FEW_SECONDS if count <= FEW_SESSIONS else CROWD_SECONDS
        what = f"one image, {count} sessions at once, 95th percentile"
        measurements.append(against(limit, seconds, what=what, quantile=0.95))
    return {
        "ratio": round(cold / one, 2),
        "reference": round(cold, 4),
        "ours": round(one, 4),
        "unit": "s",
        "machine": f"{device_name('cpu')}, torch {torch.__version__}",
        "dataset": dataset,
        "images": len(uploads),
        "seed": seed,
        "repeats": repeats,
        "load": [round(value, 2) for value in os.getloadavg()],
        "measurements": measurements,
    }


def parse_sessions(text: str) -> list[int]:
    """ "1,8,32" as numbers from 1 to 64; none for an empty text."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and 1 <= int(part) <= 64 for part in parts):
        raise UsageError(f"--sessions is {text!r}: give numbers from 1 to 64, such as 1,8,32.")
    return [int(part) for part in parts]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="From the bytes of an upload to six answers.")
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--images", type=int, default=MANY)
    parser.add_argument("--repeats", type=int, default=5, help="the median counts")
    parser.add_argument("--sessions", default="1,8,32", help="how many at once")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of images")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    try:
        number, repeats = max(1, options.images), max(1, options.repeats)
        sessions = parse_sessions(options.sessions)
        result = measure(options.dataset, number, repeats, sessions, options.seed)
    except NormLabError as error:
        sys.exit(f"normlab: {error}")
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"{result['machine']}, {result['dataset']}, seed {result['seed']}, medians")
    print(
        f"one image: networks loaded each time {result['reference']:.3f} s, kept "
        f"{result['ours']:.3f} s: {result['ratio']:.1f} times as fast"
    )
    for one in result["measurements"]:
        print(
            f"{one['what']}: {one['ours']:.3f} s, slowest {one['slowest']:.3f} s, "
            f"promised {one['reference']:g} s (n = {one['n']})"
        )


if __name__ == "__main__":
    main()
