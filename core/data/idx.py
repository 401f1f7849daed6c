"""IDX files, the format of MNIST and its relatives: a header of type and sizes, then values."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TYPE_CODES = {"u1": 8, ">i4": 12}
"""numpy's name of each value type used here → its code in the header."""

MISSING = "is missing"

CHECKSUMS_FILE = "SHA256SUMS"
"""Written beside downloaded files; `sha256sum -c` reads it too."""


@dataclass(frozen=True)
class IdxFile:
    """An IDX file as it has to be: where, how many values, of which type."""

    path: Path
    shape: tuple[int, ...]
    dtype: str = "u1"

    @property
    def header(self) -> bytes:
        """The first bytes of the file; all sizes are big-endian."""
        num_dims = len(self.shape)
        return struct.pack(f">HBB{num_dims}I", 0, TYPE_CODES[self.dtype], num_dims, *self.shape)

    @property
    def num_bytes(self) -> int:
        """The size of the whole file."""
        return len(self.header) + math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def problem(self) -> str | None:
        """What is wrong, as far as existence, size and header tell; None if nothing.

        Continues the file's name and has no full stop: "is missing".
        """
        try:
            if not self.path.is_file():
                return MISSING
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                header = file.read(len(self.header))
        except OSError as error:
            return f"cannot be read: {error.strerror}. Make it readable, or replace it"
        if size < self.num_bytes:
            return f"is truncated: {size:,} of {self.num_bytes:,} bytes"
        if size > self.num_bytes:
            return f"is damaged: {size:,} bytes instead of {self.num_bytes:,}"
        if header != self.header:
            return "is damaged: its header is not the one of this data set"
        return None

    def parse(self, content: np.ndarray) -> np.ndarray:
        """The values in `content`, all bytes of the file as uint8; shape and type as declared."""
        return content[len(self.header) :].view(self.dtype).reshape(self.shape)


def read_checksums(folder: Path) -> dict[str, str]:
    """File name → SHA-256 as recorded on download, empty where nothing was.

    Raises `OSError` or `ValueError` for what is no such list.
    """
    path = folder / CHECKSUMS_FILE
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = [line.split(maxsplit=1) for line in lines]
    return {name: checksum for checksum, name in pairs}
