"""IDX files, the format of MNIST and its relatives: a header of type and sizes, then values."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TYPE_CODES = {"u1": 8, ">i4": 12}
"""numpy's name of each value type used here → its code in the header."""

MISSING = "is missing. Fetch it:"


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
        """What is wrong and what to do, as far as existence, size and header tell; None if nothing.

        Continues the file's name and ends before the way to fetch it: "is missing. Fetch it:".
        """
        try:
            if not self.path.is_file():
                return MISSING
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                header = file.read(len(self.header))
        except OSError as error:
            return f"cannot be read: {error.strerror}. Make it readable, or delete it and fetch it:"
        if size < self.num_bytes:
            cause = f"is truncated: {size:,} of {self.num_bytes:,} bytes"
        elif size > self.num_bytes:
            cause = f"is damaged: {size:,} bytes instead of {self.num_bytes:,}"
        elif header != self.header:
            cause = "is damaged: its header is not the one of this data set"
        else:
            return None
        return f"{cause}. Delete it and fetch it again:"

    def parse(self, content: np.ndarray) -> np.ndarray:
        """The values in `content`, all bytes of the file as uint8; shape and type as declared."""
        return content[len(self.header) :].view(self.dtype).reshape(self.shape)
