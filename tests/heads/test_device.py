from __future__ import annotations

import pytest

from chimera_pipelines.errors import HeadUnavailableError
from chimera_pipelines.heads import device


def test_without_a_gpu_there_is_no_time_on_it():
    timer = device.CudaTimer(enabled=False)
    with timer:
        pass
    assert timer.nanoseconds is None


def test_aer_without_gpu_support_is_an_error_even_with_cuda(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device, "_aer_devices", lambda: ("CPU",))
    with pytest.raises(HeadUnavailableError, match="no GPU support"):
        device.cuda_memory()
