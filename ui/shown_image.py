"""The image that a page is about, of the test set or a user's own, and what it is called."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from core.data.datasets import DatasetInfo
from ui.images import with_article


@dataclass(frozen=True)
class ShownImage:
    """`index` is None for a user's own image, `target` where its true class is not known.

    `image` (28, 28) uint8, or None where the pictures are not on this machine.
    """

    info: DatasetInfo
    index: int | None
    target: int | None
    image: np.ndarray | None

    @property
    def name(self) -> str | None:
        """The true class in words, None where it is not known."""
        return None if self.target is None else self.info.class_names[self.target]

    @property
    def title(self) -> str:
        """The image in words: "Test image 17", "Your image"."""
        return "Your image" if self.index is None else f"Test image {self.index}"

    @property
    def heading(self) -> str:
        """The image with its label, as a heading says it."""
        label = "has no known label" if self.name is None else f"is labelled {self.name}"
        return f"{self.title} {label}"

    @property
    def said(self) -> str:
        """The image within a sentence: "test image 17, a 4", "your image"."""
        title = self.title[0].lower() + self.title[1:]
        return title if self.name is None else f"{title}, {with_article(self.name)}"

    @property
    def identity(self) -> tuple[str, int | None, int | None, str]:
        """What results are kept under: data set, index, true class and SHA-256 of the pixels.

        Two users' images meet in it only if all of these agree, and then so do the results.
        """
        return self.info.key, self.index, self.target, self._digest

    @property
    def place(self) -> str:
        """The image in the name of a file: "digits-17", "digits-own-1f3a90cc"."""
        return f"{self.info.key}-{f'own-{self._digest[:8]}' if self.index is None else self.index}"

    @property
    def _digest(self) -> str:
        return "" if self.image is None else hashlib.sha256(self.image.tobytes()).hexdigest()
