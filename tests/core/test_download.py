"""Downloading: from a server on this machine, and everything that can go wrong on the way."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from core.data import datasets, download
from core.data.datasets import DATASETS, check_dataset, load_split, raw_folder
from core.data.download import download_dataset, import_torchvision
from core.errors import DataError

REPOSITORY = Path(__file__).resolve().parents[2]
DOWNLOADED = tuple(key for key, info in DATASETS.items() if info.downloadable)


def vision_class(key: str) -> Any:
    """torchvision's class of a data set."""
    return getattr(import_torchvision().datasets, str(DATASETS[key].torchvision))


class Server:
    """Serves `answers`: path → (status, body, announced length); keeps the paths asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes, int]] = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                status, body, length = server.answers.get(self.path, (404, b"", 0))
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def put(self, path: str, body: bytes, *, status: int = 200, length: int | None = None) -> None:
        self.answers[path] = (status, body, len(body) if length is None else length)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    yield server
    server.close()


@pytest.fixture
def offer(server, dataset_files, monkeypatch):
    """A function (key) that serves a small set, points torchvision's table to it, and returns
    its files: name → content."""

    def build(key: str) -> dict[str, bytes]:
        files = {path.name: content for path, content in dataset_files(key, Path()).items()}
        table = []
        for name, content in files.items():
            packed = gzip.compress(content)
            server.put(f"/{name}.gz", packed)
            table.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
        dataset = vision_class(key)
        monkeypatch.setattr(dataset, "mirrors", [server.url])
        if key == "qmnist":
            table = [(server.url + name, md5) for name, md5 in table]
            monkeypatch.setattr(dataset, "resources", {"train": table[:2], "test": table[2:]})
        else:
            monkeypatch.setattr(dataset, "resources", table)
        return files

    return build


def fails(root: Path, key: str = "kmnist") -> str:
    """The one line with which a download into `root` fails; nothing then looks complete."""
    with pytest.raises(DataError) as error:
        download_dataset(key, root)
    assert "\n" not in str(error.value)
    assert not check_dataset(key, root).present
    assert not list(root.rglob("*.part"))
    return str(error.value)


# What arrives


@pytest.mark.parametrize("key", DOWNLOADED)
def test_a_downloaded_set_is_what_torchvision_would_read(key, tmp_path, offer):
    files = offer(key)
    download_dataset(key, tmp_path)
    assert check_dataset(key, tmp_path).present
    folder = raw_folder(key, tmp_path)
    assert {path.name for path in folder.iterdir()} - {".download.lock"} == {*files, "SHA256SUMS"}
    for split in datasets.SPLITS:
        expected = vision_class(key)(tmp_path, train=split == "train", download=False)
        images, targets = load_split(key, tmp_path, split)
        assert np.array_equal(images, expected.data.numpy())
        assert targets.tolist() == [expected[index][1] for index in range(len(expected))]


def test_progress_counts_unpacked_bytes_up_to_the_total(tmp_path, offer):
    files = offer("kmnist")
    seen = []
    download_dataset("kmnist", tmp_path, lambda done, total: seen.append((done, total)))
    total = sum(map(len, files.values()))
    assert {total} == {entry[1] for entry in seen}
    done = [entry[0] for entry in seen]
    assert done == sorted(done) and done[0] == 0 and done[-1] == total and len(done) >= 5


def test_checksums_are_recorded_for_sha256sum(tmp_path, offer):
    files = offer("kmnist")
    download_dataset("kmnist", tmp_path)
    lines = (raw_folder("kmnist", tmp_path) / "SHA256SUMS").read_text().splitlines()
    assert lines == sorted(lines, key=lambda line: line[66:])
    assert {line[66:]: line[:64] for line in lines} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }


def test_what_is_there_is_not_fetched_again(tmp_path, offer, server):
    offer("kmnist")
    download_dataset("kmnist", tmp_path)
    assert len(server.asked) == 4
    download_dataset("kmnist", tmp_path)
    assert len(server.asked) == 4


def test_only_damaged_files_are_fetched_again(tmp_path, offer, server):
    files = offer("kmnist")
    download_dataset("kmnist", tmp_path)
    server.asked.clear()
    damaged, short = (raw_folder("kmnist", tmp_path) / name for name in list(files)[1:3])
    damaged.write_bytes(files[damaged.name][:-1] + b"\x07")
    short.write_bytes(b"")
    download_dataset("kmnist", tmp_path)
    assert server.asked == [f"/{damaged.name}.gz", f"/{short.name}.gz"]
    assert damaged.read_bytes() == files[damaged.name]


def test_the_second_address_is_tried(tmp_path, offer, server, monkeypatch):
    offer("mnist")
    mirrors = [server.url + "absent/", server.url]
    monkeypatch.setattr(import_torchvision().datasets.MNIST, "mirrors", mirrors)
    download_dataset("mnist", tmp_path)
    assert check_dataset("mnist", tmp_path).present
    assert server.asked[0].startswith("/absent/")


def test_digits_need_no_download(tmp_path):
    download_dataset("digits", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", DOWNLOADED)
def test_torchvisions_real_tables_name_our_files(key, tmp_path):
    files = [file for split in datasets.SPLITS for file in datasets.idx_files(key, tmp_path, split)]
    sources = download._sources(key)
    assert list(sources) == [file.path.name for file in files]
    for name, source in sources.items():
        assert len(source.md5) == 32 and source.urls
        assert all(url.startswith("http") and url.endswith(f"/{name}.gz") for url in source.urls)


# What goes wrong


@pytest.mark.parametrize("name", [None, "EMNIST", "USPS", "MyIdx"])
def test_what_torchvision_has_no_table_of_is_to_be_put_there(
    name, tmp_path, server, monkeypatch, write_dataset
):
    monkeypatch.setattr(import_torchvision().datasets.MNIST, "mirrors", [server.url])
    own = replace(DATASETS["mnist"], key="mine", label="Mine", torchvision=name)
    monkeypatch.setitem(DATASETS, "mine", own)
    folder = tmp_path / (name or "mine") / "raw"
    words = (
        f"train-images-idx3-ubyte is missing. Mine cannot be downloaded: put the four files "
        "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
        f"t10k-labels-idx1-ubyte (30 training and 20 test images) into {folder}."
    )
    assert fails(tmp_path, "mine") == f"{folder}/{words}"
    assert server.asked == [] and not folder.exists()
    write_dataset("mine", tmp_path)
    download_dataset("mine", tmp_path)


def test_offline_is_said_in_one_line_with_a_cure(tmp_path, small_datasets, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setattr(import_torchvision().datasets.KMNIST, "mirrors", [url])
        message = fails(tmp_path)
    assert "Cannot download train-images-idx3-ubyte: the connection failed" in message
    assert "Connect to the internet" in message and str(tmp_path) in message
    assert "127.0.0.1" not in message


def test_an_unknown_host_is_said_in_one_line(tmp_path, small_datasets, monkeypatch):
    monkeypatch.setattr(
        import_torchvision().datasets.KMNIST, "mirrors", ["http://nowhere.invalid/"]
    )
    monkeypatch.setenv("no_proxy", "nowhere.invalid")
    assert "the connection failed" in fails(tmp_path)


def first_path(files: dict[str, bytes]) -> str:
    return f"/{next(iter(files))}.gz"


def test_a_server_error_is_passed_on(tmp_path, offer, server):
    server.put(first_path(offer("kmnist")), b"", status=503)
    assert "the server answered 503 Service Unavailable" in fails(tmp_path)


def test_a_broken_connection_leaves_nothing(tmp_path, offer, server):
    path = first_path(offer("kmnist"))
    body = server.answers[path][1]
    server.put(path, body[: len(body) // 2], length=len(body))
    message = fails(tmp_path)
    assert "incomplete or damaged" in message or "the connection failed" in message


def test_a_wrong_checksum_leaves_nothing(tmp_path, offer, server):
    files = offer("kmnist")
    other = bytearray(next(iter(files.values())))
    other[-1] ^= 1
    server.put(first_path(files), gzip.compress(bytes(other)))
    assert "its MD5 is wrong" in fails(tmp_path)


def test_a_login_page_is_no_data_set(tmp_path, offer, server):
    server.put(first_path(offer("kmnist")), b"<html>please log in</html>")
    assert "no gzip file" in fails(tmp_path)


def test_more_than_expected_is_cut_off(tmp_path, offer, server):
    files = offer("kmnist")
    packed = gzip.compress(bytes(50_000_000))
    server.put(first_path(files), packed)
    seen = []
    with pytest.raises(DataError, match="incomplete or damaged"):
        download_dataset("kmnist", tmp_path, lambda done, total: seen.append(done))
    assert max(seen) <= sum(map(len, files.values()))


def test_cancelling_leaves_nothing_that_looks_complete_and_goes_on_later(tmp_path, offer, server):
    files = offer("kmnist")
    first_size = len(next(iter(files.values())))

    def cancel(done: int, total: int) -> None:
        if done > first_size:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download_dataset("kmnist", tmp_path, cancel)
    assert not check_dataset("kmnist", tmp_path).present
    assert not list(tmp_path.rglob("*.part"))
    server.asked.clear()
    download_dataset("kmnist", tmp_path)
    assert len(server.asked) == 3
    assert check_dataset("kmnist", tmp_path).present


def test_killed_in_the_middle_it_can_be_done_again(tmp_path, offer):
    offer("kmnist")
    folder = raw_folder("kmnist", tmp_path)
    folder.mkdir(parents=True)
    for name in (".train-images-idx3-ubyte.part", ".SHA256SUMS.part", ".download.lock"):
        (folder / name).write_bytes(b"left by a process that is gone")
    assert not check_dataset("kmnist", tmp_path).present
    download_dataset("kmnist", tmp_path)
    assert check_dataset("kmnist", tmp_path).present


def test_no_space_is_said_and_leaves_nothing(tmp_path, offer, monkeypatch):
    offer("kmnist")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    message = fails(tmp_path)
    assert "No space left on device" in message and "NORMLAB_DATA" in message


def test_a_folder_that_cannot_be_made_is_said(tmp_path, offer):
    offer("kmnist")
    (tmp_path / "file").write_text("")
    assert "Cannot write" in fails(tmp_path / "file")


def test_the_second_of_two_downloads_is_told(tmp_path, offer, server):
    offer("kmnist")
    folder = raw_folder("kmnist", tmp_path)
    folder.mkdir(parents=True)
    with FileLock(folder / ".download.lock"):
        assert "is already being downloaded" in fails(tmp_path)
    assert server.asked == []
    download_dataset("kmnist", tmp_path)


# Importing torchvision

FAKE_TORCHVISION = """
import torch
if not hasattr(torch.ops.torchvision, "nms"):
    raise RuntimeError({message!r})
"""


def import_in_new_process(folder: Path | None, code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder)] * bool(folder) + [str(REPOSITORY)])
    return subprocess.run(
        [sys.executable, "-c", f"from core.data.download import *\n{code}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def fake_torchvision(folder: Path, source: str) -> Path:
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(source)
    return folder


def test_torchvision_without_its_operators_is_imported_all_the_same(tmp_path):
    message = "operator torchvision::nms does not exist"
    folder = fake_torchvision(tmp_path, FAKE_TORCHVISION.format(message=message))
    done = import_in_new_process(folder, "print(import_torchvision() is import_torchvision())")
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.thorough
def test_any_other_failure_of_torchvision_is_not_hidden(tmp_path):
    folder = fake_torchvision(tmp_path, FAKE_TORCHVISION.format(message="something else"))
    done = import_in_new_process(folder, "import_torchvision()")
    assert "RuntimeError: something else" in done.stderr


def test_a_torchvision_that_works_gets_nothing_declared(tmp_path):
    folder = fake_torchvision(tmp_path, "")
    code = "import_torchvision(); import torch; print(hasattr(torch.ops.torchvision, 'nms'))"
    done = import_in_new_process(folder, code)
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.thorough
def test_the_installed_torchvision_gives_what_is_needed_of_it():
    done = import_in_new_process(
        None,
        "vision = import_torchvision()\n"
        "import torch\n"
        "image = torch.zeros(1, 28, 28, dtype=torch.uint8)\n"
        "print(vision.transforms.functional.rotate(image, 10, fill=[1]).shape)\n"
        "print(vision.datasets.QMNIST.__name__)",
    )
    assert (done.stdout, done.stderr) == ("torch.Size([1, 28, 28])\nQMNIST\n", "")


def test_the_labels_of_the_registry_match_torchvisions_classes():
    for key in DOWNLOADED:
        classes = [name.partition(" - ")[0] for name in vision_class(key).classes]
        assert list(DATASETS[key].class_names) == classes
