"""What several rooms' tests share: real MNIST where it is at hand, and small made-up data sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

import numpy as np
import pytest

from core.config import VARIANT_LABELS
from core.data import datasets
from core.data.idx import IdxFile
from ui.palette import VARIANT_COLORS, VARIANT_SHAPES

NUM_TRAIN, NUM_TEST = 30, 20


# Before any test imports torch: more threads than idle cores make small convolutions wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "thorough: goes over much at length; runs where CI=true")
    config.addinivalue_line("markers", "browser: drives a real browser (needs Chromium)")
    config.addinivalue_line("markers", "external: shows more where MNIST and Chromium are present")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks what MNIST and Chromium decide on: what needs one of them, and all pages.

    What is thorough is left out unless CI=true, or tests are chosen by mark or by name.
    """
    chosen = config.option.markexpr or any("::" in argument for argument in config.args)
    if os.environ.get("CI") != "true" and not chosen:
        config.hook.pytest_deselected(items=[item for item in items if _is_thorough(item)])
        items[:] = [item for item in items if not _is_thorough(item)]
    for item in items:
        if _asks_for_more(item) or item.path.parent.name == "pages":
            item.add_marker(pytest.mark.external)


def _is_thorough(item: pytest.Item) -> bool:
    return "thorough" in item.keywords


def _asks_for_more(item: pytest.Item) -> bool:
    """Whether it may be skipped: by a fixture it names, or because "mnist" is its parameter."""
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    of_mnist = any(isinstance(value, str) and value == "mnist" for value in parameters)
    return of_mnist or "unavailable" in getattr(item, "fixturenames", ())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Lets nothing be skipped that `-m external` would not run later, with all it needs."""
    report = yield
    if report.skipped and "external" not in item.keywords:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} is skipped and not marked external"
    return report


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leaves out what only a CUDA device can show where there is none."""
    if collection_path.name != "test_cuda.py":
        return None
    import torch

    return None if torch.cuda.is_available() else True


@pytest.fixture(scope="session")
def unavailable() -> Callable[[str], NoReturn]:
    """Skips with the reason, or fails where NORMLAB_REQUIRE=1 says that nothing may be skipped."""

    def stop(reason: str) -> NoReturn:
        if os.environ.get("NORMLAB_REQUIRE") == "1":
            pytest.fail(f"required here: {reason}")
        pytest.skip(reason)

    return stop


@pytest.fixture(scope="session")
def mnist_root(unavailable: Callable[[str], NoReturn]) -> Path:
    """The folder that holds real MNIST."""
    root = datasets.data_dir()
    status = datasets.check_dataset("mnist", root)
    if not status.present:
        unavailable(status.reason or "MNIST is absent")
    return root


@pytest.fixture(autouse=True)
def only_known_variants() -> Iterator[None]:
    """What a test's own variants are called and how they look is forgotten after it."""
    with patch.dict(VARIANT_LABELS), patch.dict(VARIANT_COLORS), patch.dict(VARIANT_SHAPES):
        yield


@pytest.fixture
def small_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every downloadable set has 30 training and 20 test images, and no checksum is known."""
    for key, info in list(datasets.DATASETS.items()):
        if info.downloadable:
            small = replace(info, num_train=NUM_TRAIN, num_test=NUM_TEST)
            monkeypatch.setitem(datasets.DATASETS, key, small)
    monkeypatch.setattr(datasets, "MNIST_SHA256", {})


def idx_content(file: IdxFile, seed: int = 0) -> bytes:
    """A valid file of random pixels, or of the classes 0, 1, … 9, 0, …"""
    if len(file.shape) == 3:
        values = np.random.default_rng(seed).integers(0, 256, file.shape)
    else:
        columns = np.arange(8) if len(file.shape) == 2 else np.arange(1)
        values = (np.arange(file.shape[0])[:, None] % 10 + 1000 * columns).reshape(file.shape)
    return file.header + values.astype(file.dtype).tobytes()


@pytest.fixture
def dataset_files(small_datasets: None) -> Callable[[str, Path], dict[Path, bytes]]:
    """A function (key, root) → the path and content of each of a small set's four files."""

    def build(key: str, root: Path) -> dict[Path, bytes]:
        files = [file for split in datasets.SPLITS for file in datasets.idx_files(key, root, split)]
        return {file.path: idx_content(file, seed) for seed, file in enumerate(files)}

    return build


@pytest.fixture
def write_dataset(
    dataset_files: Callable[[str, Path], dict[Path, bytes]],
) -> Callable[[str, Path], dict[Path, bytes]]:
    """Like `dataset_files`, and the files are there."""

    def write(key: str, root: Path) -> dict[Path, bytes]:
        files = dataset_files(key, root)
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return files

    return write
