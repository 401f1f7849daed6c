"""The data sets: what is known of each, whether it is on this machine, and its images.

All have ten classes and 28×28 images, light ink on black. All but `digits` lie as four raw IDX
files in a folder of their own (`MNIST/raw` and so on); reading them needs no torch.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.config import IMAGE_SIZE, NUM_CLASSES
from core.data.digits import digits_path, enlarge, read_digits, split_indices
from core.data.folders import expand_home
from core.data.idx import CHECKSUMS_FILE, MISSING, IdxFile, read_checksums
from core.errors import DataError, UsageError

SPLITS = ("train", "test")
DIGITS = "digits"  # the one set without a folder: it comes with scikit-learn
DIGIT_NAMES = tuple("0123456789")


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set without reading it.

    `mean` and `std` are those of the training pixels scaled to [0, 1], for normalization.
    `torchvision` names the class of torchvision that tells where the files are downloaded from,
    which lie in the folder of that name; None where they cannot be: they lie in the folder `key`.
    `centring` says what of a digit lies in the centre of the field, its centre of mass or its
    middle: see `core.data.preprocess.CENTRINGS`.
    """

    key: str
    label: str
    num_train: int
    num_test: int
    mean: float
    std: float
    class_names: tuple[str, ...]
    torchvision: str | None = None
    centring: str = "mass"

    @property
    def downloadable(self) -> bool:
        """Whether it can be fetched from the internet."""
        return self.torchvision is not None


DATASETS: dict[str, DatasetInfo] = {
    info.key: info
    for info in (
        DatasetInfo(  # LeCun, Cortes and Burges, 1998
            key="mnist",
            label="MNIST",
            num_train=60_000,
            num_test=10_000,
            mean=0.1307,
            std=0.3081,
            class_names=DIGIT_NAMES,
            torchvision="MNIST",
        ),
        DatasetInfo(  # Xiao, Rasul and Vollgraf, 2017
            key="fashion-mnist",
            label="Fashion-MNIST",
            num_train=60_000,
            num_test=10_000,
            mean=0.2860,
            std=0.3530,
            class_names=(
                *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
                *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
            ),
            torchvision="FashionMNIST",
        ),
        DatasetInfo(  # Clanuwat and others, 2018
            key="kmnist",
            label="Kuzushiji-MNIST",
            num_train=60_000,
            num_test=10_000,
            mean=0.1918,
            std=0.3483,
            class_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            torchvision="KMNIST",
        ),
        DatasetInfo(  # Yadav and Bottou, 2019
            key="qmnist",
            label="QMNIST",
            num_train=60_000,
            num_test=60_000,
            mean=0.1307,
            std=0.3081,
            class_names=DIGIT_NAMES,
            torchvision="QMNIST",
        ),
        DatasetInfo(  # Alpaydin and Kaynak, 1998; the same writers are in both parts
            key=DIGITS,
            label="Digits",
            num_train=1_437,
            num_test=360,
            mean=0.1580,
            std=0.2935,
            class_names=DIGIT_NAMES,
            centring="box",
        ),
    )
}

# Of the original files; the other sets have the checksums that were recorded on download.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@dataclass(frozen=True)
class DatasetStatus:
    """Whether a data set can be read. `reason` says in one line why not, and what to do.

    `damaged` if something of it is there but not all of it whole, so that it can only be fetched
    again; a data set that is simply not here is not damaged.
    """

    key: str
    present: bool
    path: Path
    reason: str | None = None
    damaged: bool = False


class Split(NamedTuple):
    """`images` (N, 28, 28) uint8, 0 is black; `targets` (N,) int64, from 0 to 9."""

    images: np.ndarray
    targets: np.ndarray


def get_dataset(key: str) -> DatasetInfo:
    """The data set of that name; `UsageError` lists the known ones."""
    try:
        return DATASETS[key]
    except KeyError:
        raise UsageError(f"Unknown data set {key!r}: choose from {', '.join(DATASETS)}.") from None


def data_dir(override: str | Path | None = None) -> Path:
    """The folder of the data sets: `override`, else NORMLAB_DATA, else `data` where we are."""
    return expand_home(override or os.environ.get("NORMLAB_DATA") or "data")


def check_dataset(key: str, root: Path) -> DatasetStatus:
    """Whether all files are there with the right size and header; reads a few bytes of each."""
    info = get_dataset(key)
    if key == DIGITS:
        return _check_digits(key)
    path = raw_folder(key, root)
    files = [file for split in SPLITS for file in idx_files(key, root, split)]
    problems = [(file, problem) for file in files if (problem := file.problem())]
    if not problems:
        return DatasetStatus(key, True, path)
    if [problem for _, problem in problems] == [MISSING] * len(files):
        reason = f"{info.label} is not in {path}: {_cure(key, root)}"
        return DatasetStatus(key, False, path, reason if info.downloadable else by_hand(key, root))
    return DatasetStatus(key, False, path, _refusal(key, *problems[0]), True)


def _check_digits(key: str) -> DatasetStatus:
    try:
        return DatasetStatus(key, True, digits_path())
    except DataError as error:
        return DatasetStatus(key, False, Path(), str(error), True)


def load_split(key: str, root: Path, split: str) -> Split:
    """The "train" or the "test" images and their classes, in the order of the files.

    Raises `DataError` that names a missing, truncated or damaged file and the cure.
    """
    if split not in SPLITS:
        raise UsageError(f"Unknown split {split!r}: choose from {', '.join(SPLITS)}.")
    if key == DIGITS:
        digits, targets = read_digits()
        chosen = split_indices(targets)[split]
        return Split(enlarge(digits[chosen]), targets[chosen])
    image_file, label_file = idx_files(key, root, split)
    images, labels = read_idx(key, image_file), read_idx(key, label_file)
    # QMNIST's labels have eight columns: the class, then writer and origin of the image.
    targets = (labels[:, 0] if labels.ndim == 2 else labels).astype(np.int64)
    if targets.min() < 0 or targets.max() >= NUM_CLASSES:
        raise DataError(_refusal(key, label_file, "is damaged: it holds classes other than 0 to 9"))
    return Split(images, targets)


def raw_folder(key: str, root: Path) -> Path:
    """Where the four raw files of a data set lie."""
    return root / (get_dataset(key).torchvision or key) / "raw"


def idx_files(key: str, root: Path, split: str) -> tuple[IdxFile, IdxFile]:
    """The image and the label file of a data set other than `digits`, named as torchvision does."""
    info, folder = get_dataset(key), raw_folder(key, root)
    num_images = info.num_train if split == "train" else info.num_test
    image_shape = (num_images, IMAGE_SIZE, IMAGE_SIZE)
    if key == "qmnist":
        return (
            IdxFile(folder / f"qmnist-{split}-images-idx3-ubyte", image_shape),
            IdxFile(folder / f"qmnist-{split}-labels-idx2-int", (num_images, 8), ">i4"),
        )
    prefix = "train" if split == "train" else "t10k"
    return (
        IdxFile(folder / f"{prefix}-images-idx3-ubyte", image_shape),
        IdxFile(folder / f"{prefix}-labels-idx1-ubyte", (num_images,)),
    )


def read_idx(key: str, file: IdxFile) -> np.ndarray:
    """The values of one file, checked against its known or recorded checksum.

    Raises `DataError` that names the file, what is wrong with it and the cure.
    """
    problem = file.problem()
    if problem is None:
        content = np.fromfile(file.path, np.uint8)
        expected = expected_sha256(key, file.path)
        if expected in (None, hashlib.sha256(content.data).hexdigest()):
            return file.parse(content)
        problem = "is damaged: its SHA-256 is not the expected one"
    raise DataError(_refusal(key, file, problem))


def expected_sha256(key: str, path: Path) -> str | None:
    """The checksum that a raw file has to have, in hexadecimal; None where nothing is known."""
    if key == "mnist" and path.name in MNIST_SHA256:
        return MNIST_SHA256[path.name]
    try:
        return read_checksums(path.parent).get(path.name)
    except (OSError, ValueError) as error:
        cure = f"Fetch it and the files beside it again: {_cure(key, path.parents[2])}"
        raise DataError(
            f"{path.parent / CHECKSUMS_FILE} is damaged: it is no list of checksums. "
            f"{cure if get_dataset(key).downloadable else 'Delete it or make it anew.'}"
        ) from error


def by_hand(key: str, root: Path) -> str:
    """The sentence on how to get a data set that cannot be downloaded."""
    info, folder = get_dataset(key), raw_folder(key, root)
    *others, last = [file.path.name for split in SPLITS for file in idx_files(key, root, split)]
    return (
        f"{info.label} cannot be downloaded: put the four files {', '.join(others)} and {last} "
        f"({info.num_train:,} training and {info.num_test:,} test images) into {folder}."
    )


def _refusal(key: str, file: IdxFile, problem: str) -> str:
    """The line that names a file, what is wrong with it and the cure."""
    root = file.path.parents[2]
    if not get_dataset(key).downloadable:
        return f"{file.path} {problem}. {by_hand(key, root)}"
    action = "Fetch it" if problem == MISSING else "Delete it and fetch it again"
    return f"{file.path} {problem}. {action}: {_cure(key, root)}"


def _cure(key: str, root: Path) -> str:
    """The app fetches into the folder that is taken where none is named."""
    if root == data_dir():
        return f"press Download in the app or run `python -m core fetch {key}`."
    return f"run `python -m core fetch {key} --data-dir {shlex.quote(str(root))}`."
