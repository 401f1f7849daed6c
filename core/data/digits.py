"""The 1,797 handwritten digits that come with scikit-learn, in the form of MNIST images.

The file is read directly, because importing scikit-learn takes more than a second.
"""

from __future__ import annotations

import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from core.config import IMAGE_SIZE
from core.errors import DataError

NUM_DIGITS = 1797
INK_SIZE = 20
"""Height and width of the enlarged digit, as MNIST has it inside its 28×28 image."""
REINSTALL = "run `pip install --force-reinstall -r requirements.txt`."


def digits_path() -> Path:
    """Where the installed scikit-learn keeps them; `DataError` if it does not."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError("scikit-learn is not installed: run `pip install -r requirements.txt`.")
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if not path.is_file():
        raise DataError(f"{path} is missing: {REINSTALL}")
    return path


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """All of them, as collected: (1797, 8, 8) uint8 from 0 to 16, and (1797,) int64 classes."""
    path = digits_path()
    try:
        table = np.loadtxt(path, dtype=np.uint8, delimiter=",")
        return table[:, :64].reshape(NUM_DIGITS, 8, 8), table[:, 64].astype(np.int64)
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as error:
        raise DataError(f"{path} is damaged: {REINSTALL}") from error


def enlarge(digits: np.ndarray) -> np.ndarray:
    """(N, 8, 8) values from 0 to 16 → (N, 28, 28) uint8: to 20×20, bicubic, and a black border."""
    border = (IMAGE_SIZE - INK_SIZE) // 2
    grey = np.rint(digits * (255 / 16)).astype(np.uint8)
    images = np.zeros((len(digits), IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    for image, digit in zip(images, grey, strict=True):
        enlarged = Image.fromarray(digit).resize((INK_SIZE, INK_SIZE), Image.Resampling.BICUBIC)
        image[border:-border, border:-border] = np.asarray(enlarged)
    return images


def split_indices(targets: np.ndarray) -> dict[str, np.ndarray]:
    """Which digits are for training and which for testing, each in ascending order.

    Sorted by class, every fifth is for testing: each class keeps its share to within one image,
    and no random generator is involved that could change.
    """
    by_class = np.argsort(targets, kind="stable")
    test = np.sort(by_class[::5])
    return {"train": np.setdiff1d(by_class, test), "test": test}
