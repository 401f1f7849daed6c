"""Images of a user's own, as other pages go on with them: in the session's memory, nowhere else.

No cache that sessions share may hold one by anything but its `digest`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from core.data.preprocess import Preprocessed
from ui import state

Way = Literal["upload", "drawing", "camera", "sample"]

CHOSEN, LABELS = "own-image", "own-image-labels"


@dataclass(frozen=True, eq=False)
class OwnImage:
    """`image` (28, 28) uint8, light ink on black, as the networks see it.

    `name` comes from the user: escape it. `true` is the class it shows, None while unknown;
    `by_name` says that only the name of its file tells so. A
    "sample" is test image `index` of the data set; all others have none. `digits` are all that
    were found in its picture; it is number `place` among them, counted from 0.
    """

    image: np.ndarray
    name: str
    way: Way
    true: int | None = None
    notices: tuple[str, ...] = ()
    index: int | None = None
    digits: tuple[Preprocessed, ...] = ()
    place: int = 0
    by_name: bool = False

    @property
    def digest(self) -> str:
        """SHA-256 of the pixels, in hexadecimal."""
        return hashlib.sha256(self.image.tobytes()).hexdigest()


def choose(own: OwnImage) -> None:
    """Makes `own` the image that is shown; in a callback or while the page runs."""
    state.put(CHOSEN, own)


def chosen() -> OwnImage | None:
    """The image last shown on Predict in this session, None before any; it outlasts the page."""
    own = state.value(CHOSEN)
    return None if own is None else labelled(own)


def shown_of(owns: Sequence[OwnImage]) -> OwnImage:
    """The one of `owns` that was last chosen, the first one if that is not among them."""
    last = state.value(CHOSEN)
    same = (own for own in owns if last and (own.name, own.digest) == (last.name, last.digest))
    return next(same, owns[0])


def forget(way: Way) -> None:
    """Lets go of the chosen image if it came in this way."""
    own = state.value(CHOSEN)
    if own is not None and own.way == way:
        state.put(CHOSEN, None)


def label_as(true: int | None) -> None:
    """Says which class the chosen image shows; None if that is unknown again."""
    own = state.value(CHOSEN)
    if own is not None:
        state.put(LABELS, {**state.value(LABELS, {}), own.digest: true})


def labelled(own: OwnImage) -> OwnImage:
    """`own` with what `label_as` has said of it."""
    labels = state.value(LABELS, {})
    if own.digest not in labels:
        return own
    return replace(own, true=labels[own.digest], by_name=False)
