"""A network as a safetensors file, and the gate that every loaded file must pass."""

from __future__ import annotations

import json

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from core.config import IMAGE_SIZE, Variant, variant_to_dict
from core.errors import RunError
from core.model.network import Network, build_network
from core.training.checks import describe_unfinished
from core.training.runs import MAX_MODEL_BYTES, Run, read_manifest, read_tensors
from core.training.storage import read_bytes

FILE_NAME = "model.safetensors"
PROBE_SIZE = 4
PROBE_TOLERANCE = 1e-2
"""Largest difference of a probe logit that devices and versions may make."""


def encode_network(network: Network) -> bytes:
    """The network's state as safetensors bytes, with its variant in the metadata."""
    metadata = {"variant": json.dumps(variant_to_dict(network.variant), sort_keys=True)}
    tensors = {name: t.detach().cpu().contiguous() for name, t in network.state_dict().items()}
    return safetensors.torch.save(tensors, metadata)


def decode_network(content: bytes, variant: Variant) -> Network:
    """The network in `content`, in evaluation mode; `RunError` names what does not fit `variant`.

    The variant in the metadata must be equal, because group-norm weights fit a layer-norm network
    key by key.
    """
    if len(content) > MAX_MODEL_BYTES:
        raise RunError(f"{FILE_NAME} has {len(content)} bytes, more than {MAX_MODEL_BYTES}")
    _, metadata = read_tensors(content, FILE_NAME)
    expected = json.dumps(variant_to_dict(variant), sort_keys=True)
    if metadata.get("variant") != expected:
        raise RunError(f"{FILE_NAME} holds {_key_in(metadata)}, not {variant.key}")
    try:
        tensors = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise RunError(f"{FILE_NAME} is not a valid safetensors file: {error}") from error
    network = build_network(variant, seed=0)
    _check_tensors(tensors, network.state_dict())
    network.load_state_dict(tensors)
    return network.eval()


def _key_in(metadata: dict[str, str]) -> str:
    try:
        return f"variant {json.loads(metadata['variant'])['key']!r}"
    except (KeyError, TypeError, ValueError):
        return "an unnamed variant"


def _check_tensors(tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    if odd := sorted(set(tensors) ^ set(expected)):
        raise RunError(f"{FILE_NAME} has missing or unknown keys: {', '.join(odd[:3])}")
    for name, tensor in tensors.items():
        want = expected[name]
        if tensor.shape != want.shape or tensor.dtype != want.dtype:
            raise RunError(
                f"{FILE_NAME}: {name} is {tensor.dtype} {tuple(tensor.shape)}, "
                f"not {want.dtype} {tuple(want.shape)}"
            )
        if not torch.isfinite(tensor).all():
            raise RunError(f"{FILE_NAME}: {name} holds a value that is not finite")
        if name.endswith("running_var") and (tensor < 0).any():
            raise RunError(f"{FILE_NAME}: {name} holds a negative variance")


def probe_images() -> Tensor:
    """A fixed batch (4, 1, 28, 28) whose logits a manifest keeps; values over the data's range."""
    steps = torch.arange(PROBE_SIZE * IMAGE_SIZE**2)
    values = (steps * 37 % 101).to(torch.float32) / 100 * 3 - 0.4
    return values.view(PROBE_SIZE, 1, IMAGE_SIZE, IMAGE_SIZE)


@torch.inference_mode()
def probe_logits(network: Network) -> list[list[float]]:
    """Logits of the probe batch; `network` must be in evaluation mode, on the CPU."""
    return network(probe_images()).tolist()


def load_network(run: Run) -> Network:
    """The trained network of a finished run, on the CPU, in evaluation mode.

    Raises `RunError` if the run is not done, a committed file has changed, the file does not hold
    this variant, or the probe batch gives other logits than when it was saved.
    """
    if run.variant is None or run.state != "done":
        raise RunError(describe_unfinished(run))
    manifest = read_manifest(run.path)
    network = decode_network(read_bytes(run.path / FILE_NAME, MAX_MODEL_BYTES), run.variant)
    if not _agree(manifest.get("probe_logits"), probe_logits(network)):
        raise RunError(f"{run.name} does not compute what it did when it was saved (probe batch)")
    return network


def _agree(saved: object, found: list[list[float]]) -> bool:
    try:
        difference = np.abs(np.array(saved, float) - np.array(found))
    except (TypeError, ValueError):
        return False
    return bool((difference <= PROBE_TOLERANCE).all())
