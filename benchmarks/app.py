"""Page times of the app in a real browser, against what the app promises.

    python -m benchmarks.app [--rounds 5] [--json]

Two figures, both until the page's script has run and its first chart, drawing or table stands:

- first page: a fresh `streamlit run streamlit_app.py` that answers, opened in a fresh browser
  profile; at most 3 s. The median over rounds, a new server and profile in each.
- page change: a click in the navigation when every page has been opened once; at most 1 s. The
  slowest page's median over rounds.

The ratio is the promise divided by the measured time, of whichever of the two is closer to failing.
Playwright and Chromium are needed (NORMLAB_CHROMIUM, or `chromium` on the path).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from playwright.sync_api import Browser, Page, sync_playwright

from core.data.datasets import check_dataset, data_dir

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    *("Overview", "Curves", "Parameters", "Failures", "Predict", "Explain"),
    *("Nuisance", "Batch mates", "Transplants", "Inside", "Normalization by hand"),
)
FIRST_PAGE_SECONDS = 3.0
PAGE_CHANGE_SECONDS = 1.0
START_SECONDS = 30.0
LAUNCH_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
DRAWN = """title => {
  const app = document.querySelector('[data-testid="stApp"]');
  const heading = document.querySelector('h1');
  const parts = 'svg.marks, canvas, table, [data-testid^=stBidiComponent]';
  const drawn = `[data-testid=stMain] :is(${parts})`;
  return app?.dataset.testScriptState === 'notRunning'
    && heading?.innerText === title && document.querySelector(drawn) !== null;
}"""


def find_chromium() -> str | None:
    """The path of the browser to drive, or None if there is none."""
    path = os.environ.get("NORMLAB_CHROMIUM") or shutil.which("chromium")
    return path if path and Path(path).exists() else None


@contextmanager
def serving(
    script: str,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int = subprocess.DEVNULL,
) -> Iterator[str]:
    """Runs `streamlit run <script>` as a user would and yields its address once it answers.

    What the server says goes to `output`.
    """
    with serving_process(script, environment, output) as (address, _):
        yield address


@contextmanager
def serving_process(
    script: str,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int = subprocess.DEVNULL,
) -> Iterator[tuple[str, subprocess.Popen]]:
    """Like `serving`, and yields the server's process too, which may be killed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script]
    process = subprocess.Popen(
        [*command, "--server.port", str(port), "--server.headless", "true"],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_until_up(process, f"http://127.0.0.1:{port}/_stcore/health")
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_up(process: subprocess.Popen, health: str) -> None:
    """Returns when `health` answers; `RuntimeError` if the server ends or takes too long."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(health, timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"The server did not start within {START_SECONDS:.0f} s.")


def wait_until_drawn(page: Page, title: str) -> None:
    """Returns when the page `title` has run and shows its first figure or table."""
    page.wait_for_function(DRAWN, arg=title, polling=10)


def first_page_seconds(browser: Browser) -> float:
    """From opening the address of a fresh server to the drawn overview."""
    with serving("streamlit_app.py") as address:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        started = time.perf_counter()
        page.goto(address)
        wait_until_drawn(page, PAGES[0])
        seconds = time.perf_counter() - started
        context.close()
    return seconds


def page_change_seconds(browser: Browser, rounds: int) -> dict[str, float]:
    """The median seconds from a click in the navigation to the drawn page, per page."""
    times: dict[str, list[float]] = {name: [] for name in PAGES}
    with serving("streamlit_app.py") as address:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(address)
        wait_until_drawn(page, PAGES[0])
        for number in range(rounds + 1):
            for name in (*PAGES[1:], PAGES[0]):
                link = page.get_by_test_id("stSidebarNavLink").filter(has_text=name)
                started = time.perf_counter()
                link.click()
                wait_until_drawn(page, name)
                if number:  # the first round only warms up
                    times[name].append(time.perf_counter() - started)
                page.wait_for_timeout(300)
        page.close()
    return {name: statistics.median(values) for name, values in times.items()}


def measure(chromium: str, rounds: int) -> dict:
    """Both figures and, at the top, the one that is closer to its promise."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*LAUNCH_ARGUMENTS])
        first = statistics.median(first_page_seconds(browser) for _ in range(rounds))
        changes = page_change_seconds(browser, rounds)
        browser.close()
    found = [
        _against(FIRST_PAGE_SECONDS, first, what="first page"),
        _against(PAGE_CHANGE_SECONDS, max(changes.values()), what="slowest page change"),
    ]
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return {
        **min(found, key=lambda one: one["ratio"]),
        "unit": "s",
        "machine": machine,
        "rounds": rounds,
        "measurements": found,
        "page_changes": {name: round(seconds, 3) for name, seconds in changes.items()},
    }


def _against(reference: float, ours: float, *, what: str) -> dict:
    return {
        "what": what,
        "ratio": round(reference / ours, 2),
        "reference": reference,
        "ours": round(ours, 3),
    }


def main() -> int:
    """Measures and prints; the exit status is 1 where there is no browser or no MNIST."""
    parser = argparse.ArgumentParser(description="Page times of the app in a real browser.")
    parser.add_argument("--rounds", type=int, default=5, help="repetitions, the median counts")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    options = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print("No Chromium: install the package chromium or set NORMLAB_CHROMIUM.", file=sys.stderr)
        return 1
    images = check_dataset("mnist", data_dir())
    if not images.present:  # some pages would draw nothing
        print(images.reason, file=sys.stderr)
        return 1
    result = measure(chromium, max(1, options.rounds))
    if options.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"{result['machine']}, median of {result['rounds']}")
    for one in result["measurements"]:
        print(f"{one['what']}: {one['ours']:.2f} s, promised {one['reference']:.0f} s")
    for name, seconds in result["page_changes"].items():
        print(f"  to {name}: {seconds:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
