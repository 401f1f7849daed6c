"""The device that computes: the best one there is, or exactly the one that was asked for."""

from __future__ import annotations

import types

import pytest
import torch

from core import device
from core.config import DEVICE_TYPES
from core.device import select_device
from core.errors import UsageError


@pytest.fixture(autouse=True)
def no_choice_in_the_environment(monkeypatch):
    monkeypatch.delenv("NORMLAB_DEVICE", raising=False)


@pytest.fixture
def only(monkeypatch):
    """Makes torch find only the named devices."""

    def pretend(*found: str) -> None:
        monkeypatch.setattr(device, "is_available", lambda kind: kind in found)
        monkeypatch.setattr(device, "device_name", lambda kind: f"Test {kind}")

    return pretend


@pytest.mark.parametrize("position", range(len(DEVICE_TYPES)))
def test_the_first_one_found_is_taken(only, position):
    only(*DEVICE_TYPES[position:])
    choice = select_device()
    assert choice.type == DEVICE_TYPES[position]
    assert DEVICE_TYPES == ("cuda", "mps", "xpu", "cpu")
    assert all(kind.upper() in choice.reason for kind in DEVICE_TYPES[:position])
    assert choice.to_dict() == {
        "type": choice.type,
        "name": f"Test {choice.type}",
        "reason": choice.reason,
    }


def test_the_reason_names_what_torch_does_not_find(only):
    only("cpu")
    assert select_device().reason == f"torch {torch.__version__} finds no CUDA, MPS, XPU"
    only(*DEVICE_TYPES)
    assert select_device().reason == "the first choice"


def test_what_is_asked_for_is_taken_and_the_option_wins(only, monkeypatch):
    only("cuda", "cpu")
    assert select_device("cpu").reason == "asked for"
    monkeypatch.setenv("NORMLAB_DEVICE", "cpu")
    assert select_device().type == "cpu"
    assert select_device().reason == "asked for by NORMLAB_DEVICE"
    assert select_device("cuda").type == "cuda"
    assert select_device("auto").type == "cuda"
    monkeypatch.setenv("NORMLAB_DEVICE", "auto")
    assert select_device().type == "cuda"


def test_an_empty_environment_variable_is_no_choice(only, monkeypatch):
    only("cpu")
    monkeypatch.setenv("NORMLAB_DEVICE", "")
    assert select_device().type == "cpu"


def test_a_device_that_is_not_there_is_never_replaced(only, monkeypatch):
    only("cpu")
    with pytest.raises(UsageError, match=r"CUDA was asked for, but.*cpu"):
        select_device("cuda")
    monkeypatch.setenv("NORMLAB_DEVICE", "mps")
    with pytest.raises(UsageError, match=r"MPS was asked for \(NORMLAB_DEVICE\)"):
        select_device()


@pytest.mark.parametrize("name", ["tpu", "CPU", "cuda:0", "cpu "])
def test_an_unknown_device_lists_the_known_ones(name):
    with pytest.raises(UsageError) as error:
        select_device(name)
    assert all(kind in str(error.value) for kind in (repr(name), "auto", *DEVICE_TYPES))


def test_availability_and_names_come_from_torch(monkeypatch):
    driver = types.SimpleNamespace(
        is_available=lambda: True, get_device_name=lambda index: f"Product {index}"
    )
    for kind in ("cuda", "xpu"):
        monkeypatch.setattr(torch, kind, driver)
        assert device.is_available(kind)
        assert device.device_name(kind) == "Product 0"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.is_available("mps") and device.device_name("mps") == "Apple GPU"
    assert device.is_available("cpu")


def test_this_processor_has_a_name_and_a_torch_device():
    choice = select_device("cpu")
    assert choice.device == torch.device("cpu")
    assert "cores" in choice.name and "\n" not in choice.name
