"""Settings of a training thread: exact, repeatable kernels on a GPU."""

from __future__ import annotations

import warnings

import pytest
import torch

from core.training.hardware import prepare_thread

EXACT = {"deterministic": True, "benchmark": False, "allow_tf32": False}


@pytest.fixture
def flags():
    """cuDNN's flags and those of matrix products, given back after the test."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = {name: getattr(cudnn, name) for name in EXACT}, matmul.allow_tf32
    yield cudnn, matmul
    for name, value in before[0].items():
        setattr(cudnn, name, value)
    matmul.allow_tf32 = before[1]


@pytest.mark.parametrize("inexact", [True, False])
def test_a_gpu_rounds_no_factor_and_chooses_no_kernel_by_chance(monkeypatch, flags, inexact):
    cudnn, matmul = flags
    for name, value in EXACT.items():
        setattr(cudnn, name, value != inexact)
    matmul.allow_tf32 = inexact
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare_thread(torch.device("cuda", 0))
    assert {name: getattr(cudnn, name) for name in EXACT} == EXACT
    assert "tf32" not in (cudnn.conv.fp32_precision, matmul.fp32_precision)
    assert torch.get_float32_matmul_precision() == "highest"
