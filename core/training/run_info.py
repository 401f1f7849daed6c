"""What `run.json` and the final figures of a run must say, so that nobody who shows them fails.

Needs no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.config import Recipe, Variant, variant_from_dict
from core.errors import RunError
from core.training.names import run_name
from core.training.request import check_types

FORMAT = 1
FINAL_FIELDS = ("test_accuracy_percent", "test_loss", "errors", "num_images", "train_seconds")
COUNTS = ("errors", "num_images")
DEVICE_FIELDS = ("type", "name", "reason", "fallback")
LARGEST = 1e300
MAX_SHOWN = 60


def read_variant(info: dict, path: Path) -> Variant:
    """The variant that `info` of the run in folder `path` names; `RunError` for what cannot be."""
    if info.get("format") != FORMAT:
        raise RunError(
            f"run.json has format {_shown(info.get('format'))}; this version reads {FORMAT}"
        )
    try:
        variant, recipe = variant_from_dict(info["variant"]), Recipe(**info["recipe"])
        check_types(variant)
        check_types(recipe)
        said = run_name(info["dataset"], variant.key, info["seed"])
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(f"run.json lacks or misspells a field: {error}") from error
    if said != (found := "/".join(path.parts[-3:])):
        raise RunError(f"run.json says {said} but lies in {found}")
    device = info.get("device", {})
    if not isinstance(device, dict):
        raise RunError(f"run.json says device is {_shown(device)}, which names none")
    for name in DEVICE_FIELDS:
        if not isinstance(value := device.get(name, ""), str):
            raise RunError(
                f"run.json says {name} of the device is {_shown(value)}, which is no text"
            )
    return variant


def check_final(final: dict) -> None:
    """`RunError` unless each of `FINAL_FIELDS` is a figure that a run can have."""
    for name in FINAL_FIELDS:
        value: Any = final.get(name)
        kinds = (int,) if name in COUNTS else (int, float)
        # An int may be larger than any float, and NaN is in no range.
        if type(value) not in kinds or not 0 <= value <= LARGEST:
            raise RunError(f"manifest.json says {name} is {_shown(value)}, which is no such figure")
    if final["test_accuracy_percent"] > 100 or final["errors"] > final["num_images"]:
        raise RunError(
            f"manifest.json says test_accuracy_percent is {final['test_accuracy_percent']:g} with "
            f"{final['errors']} errors of {final['num_images']} images, which cannot be"
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
