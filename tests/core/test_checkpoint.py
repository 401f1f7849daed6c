"""The gate that every network file must pass, and what is said when it does not."""

from __future__ import annotations

import contextlib
import json
import pickle
import struct
from contextlib import ExitStack

import pytest
import safetensors.torch
import torch

from core.config import VARIANTS, variant_to_dict
from core.errors import RunError
from core.model.network import build_network
from core.training.checkpoint import (
    FILE_NAME,
    decode_network,
    encode_network,
    load_network,
    probe_images,
    probe_logits,
)
from core.training.runs import COMMITTED_FILES, MAX_MODEL_BYTES, OPTIONAL_FILES, read_run
from core.training.storage import sha256
from tests.training_helpers import start_tiny, train_tiny

BN = VARIANTS["bn_l1"]


@pytest.fixture(scope="module")
def content() -> bytes:
    return encode_network(build_network(BN, seed=1))


def encode(tensors: dict, variant=BN) -> bytes:
    metadata = {"variant": json.dumps(variant_to_dict(variant), sort_keys=True)}
    return safetensors.torch.save(tensors, metadata)


def changed(content: bytes, **changes: torch.Tensor | None) -> bytes:
    tensors = safetensors.torch.load(content)
    for name, tensor in changes.items():
        tensors[name.replace("__", ".")] = tensor
    return encode({name: tensor for name, tensor in tensors.items() if tensor is not None})


@pytest.mark.parametrize("key", VARIANTS)
def test_a_network_survives_its_file(key):
    network = build_network(VARIANTS[key], seed=4).eval()
    back = decode_network(encode_network(network), VARIANTS[key])
    assert not back.training
    assert back.state_dict().keys() == network.state_dict().keys()
    for name, value in network.state_dict().items():
        assert torch.equal(back.state_dict()[name], value), name
    assert torch.equal(back(probe_images()), network(probe_images()))
    assert len(encode_network(network)) < MAX_MODEL_BYTES / 4


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"conv1__weight": None}, "conv1.weight"),
        ({"extra": torch.zeros(1)}, "extra"),
        ({"conv1__weight": torch.zeros(8, 1, 3, 2)}, "conv1.weight"),
        ({"conv1__weight": torch.zeros(72)}, "conv1.weight"),
        ({"conv1__weight": torch.zeros(8, 1, 3, 3, dtype=torch.float64)}, "float64"),
        ({"conv1__weight": torch.zeros(8, 1, 3, 3, dtype=torch.float16)}, "float16"),
        ({"conv1__weight": torch.zeros(8, 1, 3, 3, dtype=torch.bfloat16)}, FILE_NAME),
        ({"conv1__weight": torch.zeros(8, 1, 3, 3, dtype=torch.float8_e4m3fn)}, FILE_NAME),
        ({"conv1__weight": torch.zeros(8, 1, 3, 3, dtype=torch.int8)}, "int8"),
        ({"hidden__bias": torch.full((24,), torch.nan)}, "hidden.bias"),
        ({"hidden__bias": torch.full((24,), torch.inf)}, "hidden.bias"),
        ({"norm3__running_var": torch.full((12,), -1e-3)}, "norm3.running_var"),
        ({"norm3__running_var": torch.full((12,), torch.nan)}, "norm3.running_var"),
        ({"norm3__num_batches_tracked": torch.zeros(())}, "num_batches_tracked"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(content, changes, named):
    with pytest.raises(RunError) as error:
        decode_network(changed(content, **changes), BN)
    assert named in str(error.value) and "\n" not in str(error.value)


def with_header(content: bytes, header: bytes, length: int | None = None) -> bytes:
    (old,) = struct.unpack("<Q", content[:8])
    return (
        struct.pack("<Q", len(header) if length is None else length) + header + content[8 + old :]
    )


def header_attacks(content: bytes) -> dict[str, bytes]:
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    shifted = json.loads(json.dumps(header))
    shifted["conv1.weight"]["data_offsets"][0] += 4
    beyond = json.loads(json.dumps(header))
    beyond["conv1.weight"]["data_offsets"] = [0, 10**12]
    negative = json.loads(json.dumps(header))
    negative["conv1.weight"]["shape"] = [-8, 1, 3, 3]
    odd_type = json.loads(json.dumps(header))
    odd_type["conv1.weight"]["dtype"] = "PICKLE"
    overlapping = json.loads(json.dumps(header))
    overlapping["conv2.weight"] = overlapping["conv1.weight"]
    numeric = json.loads(json.dumps(header))
    numeric["__metadata__"] = {"variant": 7}
    edited = {
        "shifted": shifted,
        "beyond": beyond,
        "negative": negative,
        "odd type": odd_type,
        "overlapping": overlapping,
        "numeric metadata": numeric,
    }
    return {
        **{
            name: with_header(content, json.dumps(value).encode()) for name, value in edited.items()
        },
        "length beyond the file": with_header(content, b"{}", 2**40),
        "length of 2^64 - 1": with_header(content, b"{}", 2**64 - 1),
        "length 0": with_header(content, b"", 0),
        "no json": with_header(content, b"{" * 64),
        "deep json": with_header(content, b"[" * 50_000),
        "empty object": with_header(content, b"{}"),
    }


def test_header_attacks_are_refused(content):
    accepted = []
    for name, attack in header_attacks(content).items():
        with contextlib.suppress(RunError):
            decode_network(attack, BN)
            accepted.append(name)
    assert accepted == []


def test_truncated_lengthened_and_empty_files_are_refused(content):
    cuts = [content[:size] for size in (0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1)]
    for damaged in (*cuts, content + b"\x00", content + content, b"\x00" * 4096):
        with pytest.raises(RunError, match=FILE_NAME):
            decode_network(damaged, BN)


def test_a_file_of_hundreds_of_kilobytes_is_refused_before_it_is_parsed(content):
    huge = struct.pack("<Q", MAX_MODEL_BYTES) + b" " * MAX_MODEL_BYTES
    with pytest.raises(RunError, match=f"more than {MAX_MODEL_BYTES}"):
        decode_network(huge, BN)


class Bomb:
    """Ends the test if anything unpickles it."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_pickles_are_refused_by_content(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *a, **k: pytest.fail("torch.load was called"))
    torch.save({"x": torch.zeros(1)}, tmp_path / "zip")
    torch.save({"x": torch.zeros(1)}, tmp_path / "old", _use_new_zipfile_serialization=False)
    pickles = [pickle.dumps(Bomb(), protocol) for protocol in range(6)]
    for damaged in (*pickles, (tmp_path / "zip").read_bytes(), (tmp_path / "old").read_bytes()):
        with pytest.raises(RunError, match=FILE_NAME):
            decode_network(damaged, BN)


def test_group_norm_weights_do_not_pass_for_layer_norm():
    """torch itself would say that all keys match."""
    network = build_network(VARIANTS["gn"], seed=1)
    build_network(VARIANTS["ln"], seed=1).load_state_dict(network.state_dict())
    with pytest.raises(RunError, match="holds variant 'gn', not ln"):
        decode_network(encode_network(network), VARIANTS["ln"])


def test_the_whole_variant_is_compared_not_only_its_name(content):
    tensors = safetensors.torch.load(content)
    for other in (VARIANTS["bn_l1_l2"], VARIANTS["gn"]):
        with pytest.raises(RunError, match=f"holds variant '{other.key}'"):
            decode_network(encode(tensors, other), BN)
    for metadata in (None, {"variant": "{"}, {"variant": "[]"}, {"variant": "7"}, {"other": ""}):
        with pytest.raises(RunError, match="holds an unnamed variant"):
            decode_network(safetensors.torch.save(tensors, metadata), BN)


def test_the_probe_batch_is_fixed_and_spans_the_datas_range():
    images = probe_images()
    assert images.shape == (4, 1, 28, 28) and torch.equal(images, probe_images())
    assert images.min() < -0.35 and 2.4 < images.max() < 2.8
    assert images.unique().numel() == 101
    assert not torch.equal(images[0], images[1])


# A whole run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(root, path) of a finished run."""
    root = tmp_path_factory.mktemp("runs")
    (path,) = train_tiny(root, ("bn_l1", 1, 1))
    return root, path


@pytest.fixture
def run(trained, tmp_path):
    """A copy of it that may be spoiled: (its folder, a function that reads it)."""
    root, path = trained
    copy = tmp_path / path.relative_to(root)
    copy.mkdir(parents=True)
    for name in (*COMMITTED_FILES, *OPTIONAL_FILES, "manifest.json"):
        (copy / name).write_bytes((path / name).read_bytes())
    return copy, lambda: read_run(copy, tmp_path)


def rewrite(path, content: bytes | None = None, **changes: object) -> None:
    """Puts other weights or manifest fields in place and commits them, as an attacker would."""
    manifest = json.loads((path / "manifest.json").read_bytes())
    if content is not None:
        (path / FILE_NAME).write_bytes(content)
        manifest["files"][FILE_NAME] = sha256(content)
    (path / "manifest.json").write_text(json.dumps(manifest | changes))


def test_a_finished_run_loads_and_computes_what_it_did(run):
    path, read = run
    network = load_network(read())
    saved = json.loads((path / "manifest.json").read_bytes())["probe_logits"]
    assert torch.allclose(torch.tensor(probe_logits(network)), torch.tensor(saved), atol=1e-5)
    assert not network.training
    assert network.norm1.num_batches_tracked == 3


def test_every_bit_flip_in_the_weights_is_noticed(run):
    path, read = run
    content = bytearray((path / FILE_NAME).read_bytes())
    finished = read()
    for position in range(0, len(content), len(content) // 40):
        content[position] ^= 1 << (position % 8)
        (path / FILE_NAME).write_bytes(content)
        with pytest.raises(RunError, match="sha256 differs"):
            load_network(finished)
        content[position] ^= 1 << (position % 8)


def test_other_weights_with_a_matching_checksum_are_told_by_the_probe(run):
    path, read = run
    rewrite(path, encode_network(build_network(read().variant, seed=9)))
    assert read().state == "done"
    with pytest.raises(RunError, match="probe batch"):
        load_network(read())


@pytest.mark.parametrize(
    "logits", [None, [], "x", {}, [[1.0]], [[1.0], [1.0, 2.0]], [[float("nan")] * 10] * 4, 7]
)
def test_probe_logits_that_are_none_are_told(run, logits):
    path, read = run
    rewrite(path, probe_logits=logits)
    with pytest.raises(RunError, match="probe batch"):
        load_network(read())


def test_weights_of_another_variant_are_told(run):
    path, read = run
    rewrite(path, encode_network(build_network(VARIANTS["gn"], seed=1)))
    with pytest.raises(RunError, match="holds variant 'gn', not bn_l1"):
        load_network(read())


def test_damage_and_unfinished_runs_are_refused_with_their_reason(run, tmp_path):
    path, read = run
    (path / "metrics.jsonl").write_bytes(b"")
    with pytest.raises(RunError, match=r"bn_l1/seed-1 is damaged: metrics\.jsonl"):
        load_network(read())
    with ExitStack() as stack:
        trainer = start_tiny(stack, tmp_path, ("gn", 1, 1))
        with pytest.raises(RunError, match="is running: only a finished run has weights"):
            load_network(read_run(trainer.writers[0].path, tmp_path))
    with pytest.raises(RunError, match="is interrupted: cut off by a kill"):
        load_network(read_run(trainer.writers[0].path, tmp_path))
