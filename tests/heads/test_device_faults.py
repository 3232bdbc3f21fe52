"""CUDA's words for what a process cannot recover from, and for what it can."""

from __future__ import annotations

import pytest

from chimera_pipelines.heads.device_faults import device_lost
from chimera_pipelines.heads.performer import DeviceLostError, WrongSignatureError

LOST = [
    "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be late",
    "CUDA error: device-side assert triggered",
    "CUDA error: unspecified launch failure",
    "CUDA error: misaligned address",
    "CUDA error: uncorrectable ECC error encountered",
    "cudaErrorIllegalAddress: an illegal memory access was encountered",
    "GPU is lost.  Reboot the system to recover this GPU",
]
USABLE = [
    "CUDA out of memory. Tried to allocate 20.00 GiB",
    "CUDA error: invalid argument",
    "CUDA error: no kernel image is available for execution on the device",
    "an assert was triggered in the text of a user, illegal instruction",
    "illegal memory access",
]


@pytest.mark.parametrize("text", LOST)
def test_a_lost_device(text: str) -> None:
    found = device_lost(RuntimeError(text))
    assert found is not None
    assert found.code == "CHIM715"
    assert "\n" not in found.message


@pytest.mark.parametrize("text", USABLE)
def test_a_device_that_can_be_used(text: str) -> None:
    assert device_lost(RuntimeError(text)) is None


def test_only_runtime_errors_come_from_a_device() -> None:
    assert device_lost(ValueError(LOST[0])) is None
    error = DeviceLostError("gone")
    assert device_lost(error) is error


def test_torch_raises_what_is_looked_for() -> None:
    import torch

    assert issubclass(torch.OutOfMemoryError, RuntimeError)
    assert issubclass(getattr(torch, "AcceleratorError", RuntimeError), RuntimeError)


def test_a_wrong_signature_ends_the_process_too() -> None:
    error = WrongSignatureError("x")
    assert error.code == "CHIM742"
    assert isinstance(error, DeviceLostError)
    assert error.exit_status != DeviceLostError.exit_status
