"""What training did inside a network, epoch by epoch: `insights.jsonl` of a run folder. No torch.

One line per kept epoch, `core.training.measure` makes it; numbers have four significant digits.
A list over layers follows `WEIGHT_LAYERS` where it is about weights, else `NORM_LAYERS`:

- `epoch`, `learning_rate` of that epoch;
- `weight_norm`: ‖W‖₂ of each layer, without biases, at the end of the epoch (no unit);
- `near_zero_percent`: share of the layer's weights with |w| ≤ `NEAR_ZERO` · √(mean w²);
- `gamma`, `beta`: what each normalization layer multiplies by and adds, as `_min`, `_mean` and
  `_max` over its channels; `running_mean`, `running_variance` likewise, batch norm only.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config import CONV_CHANNELS
from core.errors import RunError
from core.training.runs import INSIGHTS_FILE, MAX_INSIGHTS_BYTES
from core.training.storage import parse_json, read_bytes, read_json, write_atomic

if TYPE_CHECKING:
    import pandas as pd

CONV_LAYERS = tuple(f"conv{number}" for number in range(1, len(CONV_CHANNELS) + 1))
WEIGHT_LAYERS = (*CONV_LAYERS, "hidden", "classifier")
"""Every layer with a weight that is not a normalization's; one of `NORM_LAYERS` follows each
convolution.
"""
NORM_LAYERS = tuple(f"norm{number}" for number in range(1, len(CONV_CHANNELS) + 1))
NEAR_ZERO = 0.01
"""Relative to the root mean square of the layer's weights, as thresholds of magnitude pruning are
to their standard deviation (Han et al. 2015, arXiv 1506.02626); of new, uniform weights 0.6 % lie
below.
"""
MAX_EPOCHS_KEPT = 40
"""A longer training keeps every second, third, … epoch and the last, so that the file stays small.
"""
WEIGHT_QUANTITIES = ("weight_norm", "near_zero_percent")
AFFINE, RUNNING = ("gamma", "beta"), ("running_mean", "running_variance")
EFFECTIVE_RATE = "effective_learning_rate"
SPREAD = ("mean", "min", "max")
COLUMNS = ("epoch", "layer", "quantity", "value", "low", "high")


def is_kept(epoch: int, epochs: int) -> bool:
    """Whether the 1-based `epoch` of a training of `epochs` is recorded."""
    return epoch == epochs or epoch % math.ceil(epochs / MAX_EPOCHS_KEPT) == 0


def read_insights(path: Path) -> pd.DataFrame:
    """What the run in folder `path` recorded, columns `COLUMNS`; no row where it recorded nothing
    that can be read, but never an error. A torn or foreign line is skipped.

    `quantity` is one of `WEIGHT_QUANTITIES`, `AFFINE`, `RUNNING` or `EFFECTIVE_RATE`. For the two
    in the middle `value` is the mean over the layer's channels, `low` and `high` the smallest and
    the largest; for the others these are NaN. The effective learning rate is lr / ‖W‖²: where a
    normalization follows, so that the loss does not depend on ‖W‖, a step of SGD turns the weights
    as it would turn weights of norm 1 (van Laarhoven 2017, arXiv 1706.05350). The head has none.
    """
    import pandas as pd

    try:
        records = read_records(path) if _is_trusted(path) else []
    except RunError:
        records = []
    rows = [row for record in records for row in _rows(record)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"epoch": int, "value": float, "low": float, "high": float})


def _is_trusted(path: Path) -> bool:
    """A finished run has recorded only what its manifest commits."""
    if not (path / "manifest.json").exists():
        return True
    files = read_json(path / "manifest.json").get("files")
    return isinstance(files, dict) and INSIGHTS_FILE in files


def read_records(path: Path) -> list[dict]:
    """The lines of `insights.jsonl` that are whole, by epoch; of two for one epoch the first."""
    if not (path / INSIGHTS_FILE).exists():
        return []
    found: dict[int, dict] = {}
    for line in read_bytes(path / INSIGHTS_FILE, MAX_INSIGHTS_BYTES).splitlines():
        try:
            record = parse_json(line, INSIGHTS_FILE)
        except RunError:
            continue
        if _is_whole(record):
            found.setdefault(record["epoch"], record)
    return [found[epoch] for epoch in sorted(found)]


def cut_back(path: Path, epoch: int) -> None:
    """Leaves the lines up to `epoch`, before training goes on behind it; what is no file goes."""
    if not (path / INSIGHTS_FILE).exists():
        return
    try:
        records = read_records(path)
    except RunError:
        records = []
    lines = [encode(record) + "\n" for record in records if record["epoch"] <= epoch]
    write_atomic(path / INSIGHTS_FILE, "".join(lines).encode())


def encode(record: dict) -> str:
    """A record as its line."""
    return json.dumps(record, allow_nan=False, separators=(",", ":"))


def _is_whole(record: dict) -> bool:
    lists = {name: len(WEIGHT_LAYERS) for name in WEIGHT_QUANTITIES}
    for name in (*AFFINE, *(RUNNING if f"{RUNNING[0]}_mean" in record else ())):
        lists |= {f"{name}_{part}": len(NORM_LAYERS) for part in SPREAD}
    single = _is_figure(record.get("learning_rate")) and type(record.get("epoch")) is int
    return single and all(_are_figures(record.get(name), length) for name, length in lists.items())


def _are_figures(values: Any, length: int) -> bool:
    return isinstance(values, list) and len(values) == length and all(map(_is_figure, values))


def _is_figure(value: Any) -> bool:
    # A figure that overflowed is stored as null; NaN and Infinity are none of JSON.
    return value is None or (type(value) in (int, float) and math.isfinite(value))


def _rows(record: dict) -> list[tuple]:
    """The rows of one epoch, in the order of `COLUMNS`."""
    epoch, nan, rows = record["epoch"], math.nan, []
    for name in WEIGHT_QUANTITIES:
        values = zip(WEIGHT_LAYERS, record[name], strict=True)
        rows += [(epoch, layer, name, value, nan, nan) for layer, value in values]
    rate = record["learning_rate"] or nan
    for layer, norm in zip(CONV_LAYERS, record["weight_norm"], strict=False):
        rows.append((epoch, layer, EFFECTIVE_RATE, rate / (norm or nan) ** 2, nan, nan))
    for name in (*AFFINE, *RUNNING):
        parts = [record.get(f"{name}_{part}", ()) for part in SPREAD]
        spreads = zip(NORM_LAYERS, *parts, strict=False)
        rows += [(epoch, layer, name, *spread) for layer, *spread in spreads]
    return rows
