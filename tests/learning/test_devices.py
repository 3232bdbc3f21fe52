from __future__ import annotations

import pytest
import torch

from chimera_pipelines.errors import HeadUnavailableError, KernelError
from chimera_pipelines.learning import devices


def test_what_does_not_fit_is_refused_with_the_bytes():
    with pytest.raises(KernelError, match=r"4 states of 38 qubits take 17592186044416 bytes") as e:
        devices.require_room(38, 4, "double", torch.device("cpu"))
    assert e.value.code == "MAML413"
    devices.require_room(10, 4, "double", torch.device("cpu"))


def test_half_precision_needs_cuda():
    cpu = torch.device("cpu")
    with devices.autocast(cpu, "float32"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    with pytest.raises(HeadUnavailableError, match="needs a CUDA device") as caught:
        devices.autocast(cpu, "float16")
    assert caught.value.code == "MAML905"
    with pytest.raises(KernelError, match="no precision 'float8'"):
        devices.autocast(cpu, "float8")


def test_devices_are_named():
    assert devices.device_of("cpu").type == "cpu"
    assert devices.device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(HeadUnavailableError, match="no device 'tpu'"):
        devices.device_of("tpu")
