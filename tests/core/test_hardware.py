"""Settings of a training thread: exact, repeatable kernels on a GPU."""

from __future__ import annotations

import warnings

import pytest
import torch

from core.training.hardware import prepare_thread

EXACT = {"deterministic": True, "benchmark": False, "allow_tf32": False}


@pytest.mark.parametrize("tf32", [True, False])
def test_a_gpu_rounds_no_factor_and_chooses_no_kernel_by_chance(monkeypatch, tf32):
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    # Given back after the test, which is why they are set through monkeypatch.
    for name in EXACT:
        monkeypatch.setattr(cudnn, name, tf32)
    monkeypatch.setattr(matmul, "allow_tf32", tf32)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare_thread(torch.device("cuda", 0))
    assert {name: getattr(cudnn, name) for name in EXACT} == EXACT
    assert "tf32" not in (cudnn.conv.fp32_precision, matmul.fp32_precision)
    assert torch.get_float32_matmul_precision() == "highest"
