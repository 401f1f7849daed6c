"""A real Chromium and real servers, one of each for the whole session where possible."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NoReturn

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    TimeoutError,
    expect,
    sync_playwright,
)

from benchmarks import app
from core.config import VARIANTS
from core.training.runs import SHIPPED_DIR
from tests.fixtures_runs import write_run

PATIENCE = 60_000  # milliseconds that a busy machine may take for one thing to appear
expect.set_options(timeout=PATIENCE)
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
HARMLESS = ("/_stcore/health", "/_stcore/host-config")
"""On a page's own address Streamlit's client tries these below the page first, and is told 404."""


def open_list(field: Locator) -> None:
    """Opens a select box, whose list would close if its place still scrolled."""
    field.scroll_into_view_if_needed()
    field.page.evaluate("new Promise(requestAnimationFrame)")
    field.click()


def choose(field: Locator, name: str) -> None:
    """Chooses from a select box, again where the page moved it meanwhile and closed its list."""
    option = field.page.get_by_role("option", name=name)
    for patience in (PATIENCE / 6, PATIENCE / 6, PATIENCE):
        open_list(field)
        try:
            option.click(timeout=patience)
        except TimeoutError:
            if patience == PATIENCE:
                raise
        else:
            return


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium(unavailable: Callable[[str], NoReturn]) -> Iterator[Browser]:
    """A headless Chromium: NORMLAB_CHROMIUM, or the one that is installed."""
    path = app.find_chromium()
    if path is None:
        unavailable("no Chromium: install the package chromium, or point NORMLAB_CHROMIUM to one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*app.LAUNCH_ARGUMENTS])
        yield browser
        browser.close()


@contextmanager
def serving(script: str, checkpoints: Path, runs_dir: Path | None = None) -> Iterator[str]:
    """Runs `streamlit run <script>` on these runs and yields its address.

    Runs made here are kept in `runs_dir`, without it in a folder of their own.
    """
    with tempfile.TemporaryDirectory() as folder:
        folders = {
            "NORMLAB_CHECKPOINTS": str(checkpoints),
            "NORMLAB_RUNS": str(runs_dir or folder),
        }
        with app.serving(script, folders) as address:
            yield address


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST with one seed and digits with three, made up."""
    root = tmp_path_factory.mktemp("checkpoints")
    for variant in VARIANTS.values():
        write_run(root, "mnist", variant, 1, num_images=10_000, errors=50)
        for seed in (1, 2, 3):
            write_run(root, "digits", variant, seed, num_images=360)
    return root


@pytest.fixture(scope="session")
def server(chromium: Browser, checkpoints: Path) -> Iterator[str]:
    """The address of the app. It needs `chromium` first, so that nothing starts where none is."""
    with serving("streamlit_app.py", checkpoints) as address:
        yield address


@pytest.fixture(scope="session")
def shipped(chromium: Browser) -> Iterator[str]:
    """The address of the app on the runs that come with NormLab, whose networks can be asked."""
    with serving("streamlit_app.py", SHIPPED_DIR) as address:
        yield address


class Tab:
    """One browser tab that remembers what went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        harmless = any(message.location["url"].endswith(path) for path in HARMLESS)
        if message.type == "error" and not harmless:
            self.problems.append(f"{message.text} ({message.location['url']})")

    def _on_request(self, request: object) -> None:
        url = getattr(request, "url", "")
        if url.startswith("http") and not url.startswith("http://127.0.0.1:"):
            self.problems.append(f"asks the network for {url}")

    def open(self, address: str) -> Page:
        """Opens `address` and waits until the page has been drawn."""
        self.page.goto(address)
        return self.wait()

    def wait(self) -> Page:
        """Waits until the script has run and its first heading stands."""
        self.page.wait_for_selector(IDLE)
        self.page.wait_for_selector("h1")
        return self.page

    def check(self) -> None:
        """Fails on an exception box, a console error or a request to anywhere else."""
        assert self.page.locator('[data-testid="stException"]').count() == 0
        assert self.problems == []


@pytest.fixture(scope="session")
def profile(chromium: Browser) -> Iterator[BrowserContext]:
    """One profile for all tabs, so that the app's scripts are fetched and compiled once."""
    context = chromium.new_context(accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def tab(profile: BrowserContext) -> Iterator[Callable[..., Tab]]:
    """A function that opens a tab: `tab(width=390, color_scheme="dark")`."""
    pages = []

    def build(
        width: int = 1280, height: int = 900, color_scheme: Literal["light", "dark"] = "light"
    ) -> Tab:
        page = profile.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=color_scheme)
        pages.append(page)
        return Tab(page)

    yield build
    for page in pages:
        page.close()
